/**
 * The rules of RFC 9113, one by one, from a client that breaks them: what it gets, how the
 * connection's line says it ended, and that what is allowed is answered. `npm run h2spec` has others.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  getFields,
  indexed,
  literal,
  PREFACE,
  setting,
  uint32,
} from '../support/h2-frames.ts'
import { Stranger } from '../support/h2-stranger.ts'
import { type Origin, startOrigin } from '../support/http-origin.ts'
import { startProxy, type TestProxy } from '../support/http-proxy.ts'
import { until, untilStill } from '../support/until.ts'

const PADDED = 8
const PRIORITY = 32
const NOTHING = Buffer.alloc(0)
const WINDOW = 65_535

const CODE = {
  no: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  closed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  calm: 11,
} as const

const get = (id: number, path = '/now', flags = END_STREAM) =>
  frame(FRAME.headers, END_HEADERS | flags, id, getFields('a.test', path))

const post = (id: number, path: string, ...fields: Buffer[]) =>
  frame(
    FRAME.headers,
    END_HEADERS,
    id,
    Buffer.concat([
      Buffer.from([0x83, 0x86]),
      literal(':path', path),
      literal(':authority', 'a.test'),
      ...fields,
    ]),
  )

const data = (id: number, bytes: number, flags = 0) =>
  frame(FRAME.data, flags, id, Buffer.alloc(bytes, 'x'))

const update = (id: number, by: number) => frame(FRAME.windowUpdate, 0, id, uint32(by))
const headers = (id: number, fields: Buffer, flags = END_STREAM) =>
  frame(FRAME.headers, END_HEADERS | flags, id, fields)

const trailers = (...fields: Buffer[]) => headers(1, Buffer.concat(fields))

/** GOAWAY with this code. */
const CONNECTION: Readonly<Record<string, readonly [number, ...Buffer[]]>> = {
  '4.2: a frame larger than we allow': [CODE.frameSize, data(1, 16_385)],
  '4.3: a block that is no HPACK': [CODE.compression, headers(1, Buffer.from([0xff, 0xff, 0xff]))],
  '4.3: an index beyond the table': [CODE.compression, headers(1, Buffer.from([0xfe]))],
  '5.1: DATA on an idle stream': [CODE.protocol, data(1, 1)],
  '5.1: RST_STREAM on an idle stream': [CODE.protocol, frame(FRAME.rstStream, 0, 1, uint32(8))],
  '5.1: WINDOW_UPDATE on an idle stream': [CODE.protocol, update(1, 1)],
  '5.1: WINDOW_UPDATE on a stream of ours': [CODE.protocol, update(2, 1)],
  '5.1: DATA after the client has reset the stream': [
    CODE.closed,
    post(1, '/held'),
    frame(FRAME.rstStream, 0, 1, uint32(8)),
    data(1, 1),
  ],
  '5.1: HEADERS after the client has reset the stream': [
    CODE.closed,
    post(1, '/held'),
    frame(FRAME.rstStream, 0, 1, uint32(8)),
    get(1),
  ],
  '5.1.1: a stream of even number': [CODE.protocol, get(2)],
  '5.1.1: a stream below the last': [CODE.closed, get(5), get(3)],
  '5.1.1: stream 0': [CODE.protocol, get(0)],
  '6.1: DATA on the connection': [CODE.protocol, data(0, 1)],
  '6.1: more padding than there is frame': [
    CODE.protocol,
    post(1, '/held'),
    frame(FRAME.data, PADDED, 1, Buffer.from([5, 0, 0])),
  ],
  '6.2: more padding than there is block': [
    CODE.protocol,
    headers(1, Buffer.from([99, 0x82]), END_STREAM | PADDED),
  ],
  '6.3: PRIORITY on the connection': [CODE.protocol, frame(FRAME.priority, 0, 0, Buffer.alloc(5))],
  '6.3: PRIORITY of another length': [CODE.frameSize, frame(FRAME.priority, 0, 1, Buffer.alloc(4))],
  '6.4: RST_STREAM on the connection': [CODE.protocol, frame(FRAME.rstStream, 0, 0, uint32(8))],
  '6.4: RST_STREAM of another length': [
    CODE.frameSize,
    post(1, '/held'),
    frame(FRAME.rstStream, 0, 1, Buffer.alloc(3)),
  ],
  '6.5: SETTINGS on a stream': [CODE.protocol, frame(FRAME.settings, 0, 1, NOTHING)],
  '6.5: SETTINGS of another length': [CODE.frameSize, frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
  '6.5: an acknowledgement with settings': [
    CODE.frameSize,
    frame(FRAME.settings, 1, 0, Buffer.alloc(6)),
  ],
  '6.5: settings without end in a frame': [
    CODE.calm,
    frame(FRAME.settings, 0, 0, Buffer.alloc(6 * 33, 0xff)),
  ],
  '6.5.2: ENABLE_PUSH of 2': [CODE.protocol, setting(2, 2)],
  '6.5.2: INITIAL_WINDOW_SIZE above 2^31-1': [CODE.flowControl, setting(4, 2 ** 31)],
  '6.5.2: MAX_FRAME_SIZE below 2^14': [CODE.protocol, setting(5, 16_383)],
  '6.5.2: MAX_FRAME_SIZE above 2^24-1': [CODE.protocol, setting(5, 2 ** 24)],
  '6.6: PUSH_PROMISE': [CODE.protocol, post(1, '/held'), frame(5, END_HEADERS, 1, uint32(2))],
  '6.7: PING on a stream': [CODE.protocol, frame(FRAME.ping, 0, 1, Buffer.alloc(8))],
  '6.7: PING of another length': [CODE.frameSize, frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
  '6.8: GOAWAY on a stream': [CODE.protocol, frame(7, 0, 1, Buffer.alloc(8))],
  '6.8: GOAWAY that is too short': [CODE.frameSize, frame(7, 0, 0, Buffer.alloc(7))],
  '6.9: WINDOW_UPDATE of 0 for the connection': [CODE.protocol, update(0, 0)],
  '6.9: WINDOW_UPDATE of another length': [
    CODE.frameSize,
    frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(3)),
  ],
  '6.9.1: a window of the connection above 2^31-1': [CODE.flowControl, update(0, 2 ** 31 - 1)],
  '6.9.2: a window of a stream above 2^31-1 by settings': [
    CODE.flowControl,
    post(1, '/held'),
    update(1, 2 ** 31 - 1 - WINDOW),
    setting(4, WINDOW + 1),
  ],
  '6.10: CONTINUATION of nothing': [CODE.protocol, frame(FRAME.continuation, 0, 1, NOTHING)],
  '6.10: CONTINUATION behind a whole block': [
    CODE.protocol,
    get(1),
    frame(FRAME.continuation, 0, 1, NOTHING),
  ],
  '6.10: another frame within a block': [
    CODE.protocol,
    frame(FRAME.headers, END_STREAM, 1, getFields('a.test', '/')),
    frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
  ],
  '6.10: CONTINUATION of another stream': [
    CODE.protocol,
    frame(FRAME.headers, END_STREAM, 1, getFields('a.test', '/')),
    frame(FRAME.continuation, END_HEADERS, 3, NOTHING),
  ],
  '10.5.1: a block larger than any list': [
    CODE.calm,
    frame(FRAME.headers, END_STREAM, 1, indexed('x', 'y'.repeat(16_000))),
    ...Array.from({ length: 5 }, () =>
      frame(FRAME.continuation, 0, 1, indexed('x', 'y'.repeat(16_000))),
    ),
  ],
}

const BEGINNINGS: Readonly<Record<string, Buffer>> = {
  'another preface': Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'),
  'HEADERS before SETTINGS': Buffer.concat([PREFACE, get(1)]),
  'an acknowledgement before SETTINGS': Buffer.concat([
    PREFACE,
    frame(FRAME.settings, 1, 0, NOTHING),
  ]),
}

/** RST_STREAM of stream 1 with this code, and the connection goes on. */
const STREAM: Readonly<Record<string, readonly [number, ...Buffer[]]>> = {
  '5.1: DATA behind END_STREAM': [CODE.closed, get(1, '/held'), data(1, 1)],
  '5.1: HEADERS behind END_STREAM': [CODE.closed, get(1, '/held'), get(1, '/held')],
  '6.9: WINDOW_UPDATE of 0': [CODE.protocol, post(1, '/held'), update(1, 0)],
  '6.9.1: a window above 2^31-1': [CODE.flowControl, post(1, '/held'), update(1, 2 ** 31 - 1)],
  '6.9.1: more content than the window': [
    CODE.flowControl,
    post(1, '/held'),
    ...Array.from({ length: 4 }, () => data(1, 16_384)),
  ],
  '8.1: HEADERS twice without END_STREAM': [
    CODE.protocol,
    post(1, '/held'),
    headers(1, literal('x', 'y'), 0),
  ],
  '8.1: trailers with a pseudo-field': [
    CODE.protocol,
    post(1, '/held'),
    trailers(literal(':path', '/')),
  ],
  '8.1: trailers with a field of the connection': [
    CODE.protocol,
    post(1, '/held'),
    trailers(literal('transfer-encoding', 'chunked')),
  ],
  '8.1.1: more content than was said': [
    CODE.protocol,
    post(1, '/held', literal('content-length', '3')),
    data(1, 4),
  ],
  '8.1.1: less content than was said': [
    CODE.protocol,
    post(1, '/held', literal('content-length', '3')),
    data(1, 2, END_STREAM),
  ],
  '8.1.1: less content than was said, and trailers': [
    CODE.protocol,
    post(1, '/held', literal('content-length', '3')),
    data(1, 2),
    trailers(literal('x', 'y')),
  ],
  '8.1.1: no content where some was said': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal('content-length', '3')])),
  ],
  '8.2.1: a name in capitals': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal('X', 'y')])),
  ],
  '8.2.1: a value with a line break': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal('x', 'y\r\nz: 1')])),
  ],
  '8.2.2: a field of the connection': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal('connection', 'close')])),
  ],
  '8.2.2: TE': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal('te', 'gzip')])),
  ],
  '8.3: a pseudo-field that nobody knows': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal(':x', 'y')])),
  ],
  '8.3: a pseudo-field of answers': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal(':status', '200')])),
  ],
  '8.3: a pseudo-field behind others': [
    CODE.protocol,
    headers(1, Buffer.concat([literal('x', 'y'), getFields('a.test', '/held')])),
  ],
  '8.3.1: a pseudo-field twice': [
    CODE.protocol,
    headers(1, Buffer.concat([getFields('a.test', '/held'), literal(':path', '/')])),
  ],
  '8.3.1: no path': [CODE.protocol, headers(1, Buffer.from([0x82, 0x86]))],
  '8.3.1: an empty path': [CODE.protocol, headers(1, getFields('a.test', ''))],
  '10.5.1: more fields than we take': [
    CODE.calm,
    headers(
      1,
      Buffer.concat([
        getFields('a.test', '/held'),
        ...Array.from({ length: 130 }, () => literal('a', 'b')),
      ]),
    ),
  ],
}

/** Stream 1 is answered. */
const ALLOWED: Readonly<Record<string, readonly Buffer[]>> = {
  '4.1: the reserved bit of a stream': [
    Buffer.concat([get(1).subarray(0, 5), Buffer.from([0x80]), get(1).subarray(6)]),
  ],
  '5.5: frames of no known type': [frame(0xbe, 0xff, 1, Buffer.alloc(100)), get(1)],
  '6.2: padding and a priority': [
    headers(
      1,
      Buffer.concat([
        Buffer.from([3, 0, 0, 0, 0, 1]),
        getFields('a.test', '/now'),
        Buffer.alloc(3),
      ]),
      END_STREAM | PADDED | PRIORITY,
    ),
  ],
  '5.3: a priority of itself': [frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 1, 9])), get(1)],
  '6.5.2: settings that nobody knows': [setting(0x99, 1), get(1)],
  '6.5.2: a table of no size': [setting(1, 0), get(1)],
  '6.10: a block in many pieces': [
    frame(FRAME.headers, END_STREAM, 1, getFields('a.test', '/now').subarray(0, 5)),
    frame(FRAME.continuation, 0, 1, NOTHING),
    frame(FRAME.continuation, END_HEADERS, 1, getFields('a.test', '/now').subarray(5)),
  ],
  '8.1: trailers': [post(1, '/now'), data(1, 3), trailers(literal('x', 'y'))],
  '5.1: WINDOW_UPDATE and RST_STREAM on a stream that is over': [
    post(1, '/held'),
    frame(FRAME.rstStream, 0, 1, uint32(8)),
    update(1, 1),
    frame(FRAME.rstStream, 0, 1, uint32(8)),
    get(3),
  ],
  '5.1: DATA on a stream that we have reset': [
    post(1, '/held'),
    update(1, 0),
    data(1, 100),
    data(1, 100, END_STREAM),
    get(3),
  ],
}

describe('the rules of HTTP/2', () => {
  let origin: Origin
  let proxy: TestProxy
  before(async () => {
    origin = await startOrigin((request, response) => {
      if (request.url !== '/unread') request.resume()
      if (request.url === '/fields') {
        for (let i = 0; i < 5; i += 1) response.setHeader(`x-${i}`, `${i}`.repeat(8000))
      }
      if (request.url === '/large') response.end(Buffer.alloc(1_000_000))
      else if (request.url !== '/held' && request.url !== '/unread') response.end('answer')
    })
    proxy = await startProxy({ listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }] })
  })
  after(async () => {
    await proxy[Symbol.asyncDispose]()
    origin[Symbol.dispose]()
  })

  const endOf = async (stranger: Stranger) => {
    const before = proxy.outcomes.length
    const code = await stranger.goaway()
    await until(() => proxy.outcomes.length > before)
    return [code, proxy.outcomes.at(-1)?.reason]
  }

  describe('of the connection', () => {
    for (const [name, [code, ...bytes]] of Object.entries(CONNECTION)) {
      it(name, async () => {
        using stranger = new Stranger(proxy.port, bytes)
        assert.deepEqual(await endOf(stranger), [code, 'protocol-error'])
      })
    }

    for (const [name, bytes] of Object.entries(BEGINNINGS)) {
      it(`3.4: ${name}`, async () => {
        using stranger = new Stranger(proxy.port, [], bytes)
        assert.deepEqual(await endOf(stranger), [CODE.protocol, 'protocol-error'])
      })
    }
  })

  describe('of a stream', () => {
    for (const [name, [code, ...bytes]] of Object.entries(STREAM)) {
      it(name, async () => {
        using stranger = new Stranger(proxy.port, bytes)
        assert.equal(await stranger.reset(1), code)
        stranger.send(get(3))
        await until(() => String(stranger.content(3)) === 'answer')
      })
    }

    it('5.1.2: more streams than we take', async () => {
      const ids = Array.from({ length: 101 }, (_, i) => 2 * i + 1)
      using stranger = new Stranger(
        proxy.port,
        ids.map((id) => get(id, '/held')),
      )
      assert.equal(await stranger.reset(201), CODE.refused)
      assert.equal(stranger.of(FRAME.rstStream).length, 1)
    })
  })

  it('5.1.2: a client that has not seen our settings is refused what is too much, without fault', async () => {
    const ids = Array.from({ length: 500 }, (_, i) => 2 * i + 1)
    using stranger = new Stranger(
      proxy.port,
      ids.flatMap((id) => [post(id, '/echo'), data(id, 1, END_STREAM)]),
    )
    await until(() => stranger.of(FRAME.rstStream).length === 400)
    await until(() => stranger.of(FRAME.data).length >= 100)
    stranger.send(get(1001))
    await until(() => String(stranger.content(1001)) === 'answer')
  })

  it('5.1.2: a client that does not care for our settings is cut off', async () => {
    using stranger = new Stranger(proxy.port, [frame(FRAME.settings, 1, 0, NOTHING)])
    const ids = Array.from({ length: 300 }, (_, i) => 2 * i + 1)
    stranger.send(...ids.map((id) => get(id, '/held')))
    assert.deepEqual(await endOf(stranger), [CODE.calm, 'protocol-error'])
  })

  describe('let pass', () => {
    for (const [name, bytes] of Object.entries(ALLOWED)) {
      it(name, async () => {
        using stranger = new Stranger(proxy.port, bytes)
        const id = bytes.at(-1)?.readUInt32BE(5) === 3 ? 3 : 1
        await until(() => String(stranger.content(id)) === 'answer')
      })
    }
  })

  describe('of ours', () => {
    it('settings as ever, before all else, and theirs acknowledged', async () => {
      using stranger = new Stranger(proxy.port)
      await until(() => stranger.of(FRAME.settings).length === 2)
      const [ours, ack] = stranger.of(FRAME.settings)
      assert.equal(stranger.frames[0], ours)
      const settings = new Map<number, number>()
      const payload = ours?.payload ?? NOTHING
      for (let at = 0; at < payload.length; at += 6) {
        settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
      }
      assert.deepEqual(
        [...settings],
        [
          [3, 100],
          [6, 65_536],
        ],
      )
      assert.equal(ack?.flags, 1)
    })

    it('a short answer is HEADERS, and DATA that ends it', async () => {
      using stranger = new Stranger(proxy.port, [get(1)])
      await until(() => String(stranger.content(1)) === 'answer')
      const kinds = stranger.frames.filter(({ stream }) => stream === 1)
      assert.deepEqual(
        kinds.map(({ type, flags }) => [type, flags]),
        [
          [FRAME.headers, END_HEADERS],
          [FRAME.data, END_STREAM],
        ],
      )
    })

    it('a head that no frame holds goes on in CONTINUATION', async () => {
      using stranger = new Stranger(proxy.port, [get(1, '/fields')])
      await until(() => String(stranger.content(1)) === 'answer')
      const kinds = stranger.frames.filter(({ stream }) => stream === 1)
      const types = kinds.map(({ type }) => type)
      assert.deepEqual(types.slice(0, 3), [FRAME.headers, FRAME.continuation, FRAME.continuation])
      assert.equal(types.at(-1), FRAME.data)
      const ends = kinds.map(({ flags }) => (flags & END_HEADERS) !== 0)
      assert.equal(ends.indexOf(true), types.lastIndexOf(FRAME.continuation))
      for (const { payload } of kinds) assert.ok(payload.length <= 16_384)
    })

    it('content keeps to the windows of stream and connection, and to settings that shrink them', async () => {
      using stranger = new Stranger(proxy.port, [setting(4, 10_000), get(1, '/large')])
      const length = () => stranger.content(1).length
      await untilStill(length)
      assert.equal(length(), 10_000)
      // 4,000 below 0.
      stranger.send(setting(4, 6000), update(1, 4000))
      await untilStill(length)
      assert.equal(length(), 10_000)
      stranger.send(update(1, 1000))
      await until(() => length() === 11_000)
      stranger.send(setting(4, 1_000_000))
      await untilStill(length)
      assert.equal(length(), WINDOW)
      stranger.send(update(0, 1_000_000))
      await until(() => length() === 1_000_000)
      const sizes = stranger.of(FRAME.data, 1).map(({ payload }) => payload.length)
      assert.ok(Math.max(...sizes) <= 16_384)
    })

    it('content that nobody reads is not acknowledged; what is read is', async () => {
      const some = Array.from({ length: 3 }, () => data(1, 16_384))
      using unread = new Stranger(proxy.port, [post(1, '/unread'), ...some])
      using read = new Stranger(proxy.port, [post(1, '/held'), ...some])
      await read.got(FRAME.windowUpdate, 1)
      for (let i = 0; i < 40; i += 1) {
        read.send(data(1, 16_384))
        await until(() => {
          const given = read.of(FRAME.windowUpdate, 1)
          const bytes = given.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), WINDOW)
          return bytes - (4 + i) * 16_384 >= 16_384
        })
      }
      assert.ok(unread.of(FRAME.windowUpdate, 1).length <= 1)
      assert.equal(unread.of(FRAME.rstStream).length, 0)
    })

    it('content of streams that are reset is given back to the connection', async () => {
      using stranger = new Stranger(proxy.port)
      // More than the connection takes unread.
      for (let id = 1; id < 600; id += 4) {
        const some = Array.from({ length: 3 }, () => data(id, 16_384))
        const reset = frame(FRAME.rstStream, 0, id, uint32(CODE.cancel))
        stranger.send(post(id, '/unread'), ...some, reset, get(id + 2))
        await until(() => String(stranger.content(id + 2)) === 'answer')
      }
      assert.ok(stranger.of(FRAME.windowUpdate, 0).length > 0)
    })

    it('an answer before the end of the request refuses the rest of it, without fault', async () => {
      using stranger = new Stranger(proxy.port, [post(1, '/now'), data(1, 10)])
      assert.equal(await stranger.reset(1), CODE.no)
      assert.equal(String(stranger.content(1)), 'answer')
      stranger.send(data(1, 1000), get(3))
      await until(() => String(stranger.content(3)) === 'answer')
    })

    it('PING is answered with what it says', async () => {
      using stranger = new Stranger(proxy.port, [frame(FRAME.ping, 0, 0, Buffer.from('12345678'))])
      const { flags, payload } = await stranger.got(FRAME.ping)
      assert.deepEqual([flags, String(payload)], [1, '12345678'])
    })

    it('a client that says GOAWAY has its answers, and then the end', async () => {
      using stranger = new Stranger(proxy.port, [get(1), frame(7, 0, 0, Buffer.alloc(8))])
      assert.deepEqual(await endOf(stranger), [CODE.no, 'completed'])
      assert.equal(String(stranger.content(1)), 'answer')
    })
  })
})

it('6.5.3: a client that does not acknowledge our settings has the time of a head for it', async () => {
  await using proxy = await startProxy({ listeners: [], limits: { headersMs: 200 } })
  using silent = new Stranger(proxy.port)
  using asking = new Stranger(proxy.port, [get(1)])
  using good = new Stranger(proxy.port, [get(1), frame(FRAME.settings, 1, 0, NOTHING)])
  assert.equal(await asking.goaway(), CODE.settingsTimeout)
  assert.equal(await silent.goaway(), CODE.no)
  await until(() => proxy.outcomes.length === 2)
  assert.deepEqual(proxy.outcomes.map(({ reason }) => reason).sort(), [
    'header-timeout',
    'protocol-error',
  ])
  assert.ok(!good.isClosed)
})
