/** The HTTP/2 client on upstreams by hand: connections, request bodies and windows. */
import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { describe, it } from 'node:test'
import type { UpstreamRequest } from '../../src/data/http/upstream-client.ts'
import { END_STREAM, FRAME, setting } from '../support/h2-frames.ts'
import {
  data,
  goaway,
  H2_END,
  H2_PAUSE,
  type H2Script,
  h2Peer,
  head,
  reset,
  whole,
  windowUpdate,
} from '../support/h2-peer.ts'
import { closedPort } from '../support/http-origin.ts'
import { until, untilStill } from '../support/until.ts'
import { begin, clientOf, GET } from '../support/upstream-calls.ts'

const OK = { ':status': '200' }
const MAX_CONCURRENT_STREAMS = 3
const INITIAL_WINDOW_SIZE = 4
const MAX_FRAME_SIZE = 5
const WINDOW = 65_535

const answered: H2Script = (id) => [whole(id, 'a')]
const held: H2Script = () => []

describe('HTTP/2 client: connections', () => {
  it('one for all requests, at once and one after the other', async () => {
    using peer = await h2Peer([answered])
    const client = clientOf('own h2', peer.port)
    const first = await Promise.all(Array.from({ length: 50 }, () => begin(client, GET).over))
    for (let i = 0; i < 5; i += 1) first.push(await begin(client, GET).over)
    assert.deepEqual([...new Set(first.map(({ body, outcome }) => body + outcome))], ['aend'])
    assert.equal(peer.connections.length, 1)
    const streams = peer.connections[0]?.of(FRAME.headers).map(({ stream }) => stream)
    assert.deepEqual(
      streams,
      Array.from({ length: 55 }, (_, i) => 2 * i + 1),
    )
    client.close()
    await until(() => peer.connections[0]?.isClosed === true)
  })

  it('says first that it takes no push, and how large a head may be', async () => {
    using peer = await h2Peer([answered])
    const client = clientOf('own h2', peer.port)
    await begin(client, GET).over
    const [first] = peer.connections[0]?.frames ?? []
    assert.equal(first?.type, FRAME.settings)
    const settings = new Map<number, number>()
    for (let at = 0; at < (first?.payload.length ?? 0); at += 6) {
      settings.set(first?.payload.readUInt16BE(at) ?? 0, first?.payload.readUInt32BE(at + 2) ?? 0)
    }
    assert.deepEqual([settings.get(2), settings.get(6)], [0, 16_384])
    client.close()
  })

  it('a hundred streams on each, sixteen connections; further ones are refused at once', async () => {
    using peer = await h2Peer([held])
    const client = clientOf('own h2', peer.port)
    const runs = Array.from({ length: 1601 }, () => begin(client, GET))
    assert.equal((await runs[1600]?.over)?.outcome, 'upstream-overflow')
    await until(
      () => peer.requests() === 1600,
      () => `${peer.requests()}`,
    )
    assert.equal(peer.connections.length, 16)
    runs[0]?.call.abort()
    const last = begin(client, GET)
    await until(() => peer.requests() === 1601)
    assert.equal(last.result.outcome, '')
    for (const { call } of runs) call.abort()
    last.call.abort()
    client.close()
  })

  it('no more streams than the upstream allows', async () => {
    using peer = await h2Peer([answered, held], { opening: setting(MAX_CONCURRENT_STREAMS, 2) })
    const client = clientOf('own h2', peer.port)
    await begin(client, GET).over
    const runs = Array.from({ length: 5 }, () => begin(client, GET))
    await until(() => peer.requests() === 6)
    const counts = peer.connections.map((one) => one.of(FRAME.headers).length)
    assert.deepEqual(counts.slice(0, 1), [3])
    for (const { call } of runs) call.abort()
    client.close()
  })

  it('an upstream that takes no streams gets no further one', async () => {
    using peer = await h2Peer([answered], { opening: setting(MAX_CONCURRENT_STREAMS, 0) })
    const client = clientOf('own h2', peer.port)
    await begin(client, GET).over
    const { outcome } = await begin(client, GET).over
    assert.equal(outcome, 'end')
    assert.equal(peer.connections.length, 2)
    for (const one of peer.connections) assert.equal(one.of(FRAME.headers).length, 1)
    client.close()
  })

  it('GOAWAY: what it takes is finished, what it has passed over gets another connection', async () => {
    using peer = await h2Peer([held, (id) => [goaway(id - 2, 0)], answered])
    const client = clientOf('own h2', peer.port)
    const first = begin(client, GET)
    await until(() => peer.requests() === 1)
    const { body, outcome } = await begin(client, GET).over
    assert.deepEqual([body, outcome], ['a', 'end'])
    assert.equal(peer.connections.length, 2)
    peer.connections[0]?.send(whole(1, 'late'))
    assert.equal((await first.over).body, 'late')
    await until(() => peer.connections[0]?.isClosed === true)
    client.close()
  })

  it('a body that was passed over is sent again, and the rest behind it', async () => {
    using peer = await h2Peer([held, held])
    const client = clientOf('own h2', peer.port)
    const body = new PassThrough()
    const { over, result } = begin(client, { ...GET, method: 'POST', body, contentLength: 9 })
    body.write('one')
    const first = await peer.connection()
    await until(() => first.of(FRAME.data).length === 1)
    body.write('two')
    first.send(goaway(0, 0))
    const second = await peer.connection(1)
    await second.got(FRAME.headers, 1)
    body.end('six')
    const sent = () => String(Buffer.concat(second.of(FRAME.data).map(({ payload }) => payload)))
    await until(() => sent() === 'onetwosix')
    await until(() => second.of(FRAME.data).at(-1)?.flags === END_STREAM)
    assert.equal(result.outcome, '')
    second.send(whole(1, 'a'))
    assert.equal((await over).body, 'a')
    await until(() => first.isClosed)
    client.close()
  })

  it('a body too large to be kept is not sent again, and never without end', async () => {
    using peer = await h2Peer([() => [goaway(0, 0)]], {
      opening: Buffer.concat([setting(INITIAL_WINDOW_SIZE, 1_000_000), windowUpdate(0, 1_000_000)]),
    })
    const client = clientOf('own h2', peer.port)
    const body = Readable.from([Buffer.alloc(65_536), Buffer.alloc(1)])
    const large = await begin(client, { ...GET, method: 'POST', body }).over
    assert.deepEqual([large.outcome, large.unsent], ['connect-refused', true])
    const connections = peer.connections.length
    const { outcome, unsent } = await begin(client, GET).over
    assert.deepEqual([outcome, unsent], ['connect-refused', true])
    assert.equal(peer.connections.length - connections, 4)
    client.close()
  })

  it('GOAWAY twice: the second one names fewer streams', async () => {
    using peer = await h2Peer([held, held, answered])
    const client = clientOf('own h2', peer.port)
    const runs = [begin(client, GET), begin(client, GET)]
    await until(() => peer.requests() === 2)
    peer.connections[0]?.send(goaway(2 ** 31 - 1, 0), goaway(1, 0))
    assert.equal((await runs[1]?.over)?.body, 'a')
    assert.equal(peer.connections.length, 2)
    peer.connections[0]?.send(whole(1, 'b'))
    assert.equal((await runs[0]?.over)?.body, 'b')
    client.close()
  })

  it('GOAWAY in the middle of an answer leaves it whole', async () => {
    using peer = await h2Peer([
      (id) => [head(id, OK), goaway(id, 0), H2_PAUSE, data(id, 'a', END_STREAM)],
    ])
    const client = clientOf('own h2', peer.port)
    const { body, outcome } = await begin(client, GET).over
    assert.deepEqual([body, outcome], ['a', 'end'])
    client.close()
  })

  it('a GOAWAY that nobody needs is followed by another connection', async () => {
    using peer = await h2Peer([answered])
    const client = clientOf('own h2', peer.port)
    await begin(client, GET).over
    peer.connections[0]?.send(goaway(1, 0))
    await until(() => peer.connections[0]?.isClosed === true)
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.equal(peer.connections.length, 2)
    client.close()
  })

  it('an idle connection that the upstream has closed is no error', async () => {
    using peer = await h2Peer([(id) => [whole(id, 'a'), H2_PAUSE, H2_END]])
    const client = clientOf('own h2', peer.port)
    for (let i = 0; i < 3; i += 1) {
      assert.equal((await begin(client, GET).over).body, 'a')
      await until(() => peer.connections[i]?.isClosed === true)
    }
    client.close()
  })

  it('close lets what runs finish', async () => {
    using peer = await h2Peer([held])
    const client = clientOf('own h2', peer.port)
    const { over } = begin(client, GET)
    await until(() => peer.requests() === 1)
    client.close()
    peer.connections[0]?.send(whole(1, 'a'))
    assert.equal((await over).body, 'a')
    await until(() => peer.connections[0]?.isClosed === true)
  })

  it('a failure to connect says that nothing was sent', async () => {
    const client = clientOf('own h2', await closedPort())
    const { over, result } = begin(client, GET)
    assert.equal(result.outcome, '', 'told after the call has returned')
    const { outcome, unsent } = await over
    assert.deepEqual([outcome, unsent], ['connect-refused', true])
  })

  it('an upstream that speaks HTTP/1.1 is no upstream', async () => {
    using peer = await h2Peer([held], {
      opening: Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
    })
    const { outcome } = await begin(clientOf('own h2', peer.port), GET).over
    assert.equal(outcome, 'upstream-protocol-error')
  })
})

describe('HTTP/2 client: requests', () => {
  const impossible: Readonly<Record<string, Partial<UpstreamRequest>>> = {
    'a line end in a value': { fields: ['X', 'a\r\nInjected: b'] },
    'a line end in a name': { fields: ['X\r\nInjected', 'a'] },
    'a blank in a name': { fields: ['X ', 'a'] },
    'an empty name': { fields: ['', 'a'] },
    'a pseudo-field': { fields: [':path', '/b'] },
    'a character beyond latin1': { fields: ['X', 'a\u010d\u010aY: b'] },
    'a field of the connection': { fields: ['Connection', 'close'] },
    'a transfer coding': { fields: ['Transfer-Encoding', 'chunked'] },
    'a line end in the host': { host: 'a\r\nX: b' },
    'a line end in the target': { target: '/\r\nX: b' },
    'a line end in the method': { method: 'GET\r\n' },
  }
  for (const [name, request] of Object.entries(impossible)) {
    it(`never sends ${name}`, async () => {
      using peer = await h2Peer([answered])
      const client = clientOf('own h2', peer.port)
      const { over, result } = begin(client, { ...GET, ...request })
      assert.equal(result.outcome, '', 'told after the call has returned')
      assert.equal((await over).outcome, 'internal-error')
      assert.equal((await begin(client, GET).over).body, 'a')
      assert.equal(peer.requests(), 1)
      client.close()
    })
  }

  it('a body in frames of the size that the upstream takes, and its end', async () => {
    using peer = await h2Peer([held], { opening: setting(INITIAL_WINDOW_SIZE, 1_000_000) })
    const client = clientOf('own h2', peer.port)
    const body = new PassThrough({ highWaterMark: 1_000_000 })
    const { over } = begin(client, { ...GET, method: 'POST', body, contentLength: 50_000 })
    const connection = await peer.connection()
    await connection.got(FRAME.settings)
    body.end(Buffer.alloc(50_000, 'x'))
    await until(() => connection.of(FRAME.data).some(({ flags }) => flags === END_STREAM))
    const pieces = connection.of(FRAME.data)
    assert.equal(Buffer.concat(pieces.map(({ payload }) => payload)).length, 50_000)
    assert.ok(pieces.every(({ payload }) => payload.length <= 16_384))
    connection.send(whole(1, 'a'))
    assert.equal((await over).outcome, 'end')
    client.close()
  })

  it('no frame larger than the upstream has said, and none smaller than it must be', async () => {
    using peer = await h2Peer([answered, held], { opening: setting(MAX_FRAME_SIZE, 16_384) })
    const client = clientOf('own h2', peer.port)
    await begin(client, GET).over
    // Behind HEADERS of more than a frame.
    const large = {
      ...GET,
      fields: Array.from({ length: 40 }, (_, i) => (i % 2 ? '\xe9'.repeat(1500) : `x-${i}`)),
    }
    const { over } = begin(client, large)
    const connection = await peer.connection()
    await connection.got(FRAME.continuation, 3)
    const block = connection.frames.filter(({ stream }) => stream === 3)
    assert.ok(block.every(({ payload }) => payload.length <= 16_384))
    assert.deepEqual(block.map(({ type }) => type).slice(0, 2), [FRAME.headers, FRAME.continuation])
    connection.send(whole(3, 'b'))
    assert.equal((await over).body, 'b')
    client.close()
  })

  it('a body waits for the window of its stream, and others go on', async () => {
    using peer = await h2Peer([held, answered])
    const client = clientOf('own h2', peer.port)
    const body = Readable.from([Buffer.alloc(100_000), Buffer.alloc(100_000)])
    const { over } = begin(client, { ...GET, method: 'POST', body, contentLength: 200_000 })
    const connection = await peer.connection()
    const sent = () =>
      connection.of(FRAME.data, 1).reduce((sum, { payload }) => sum + payload.length, 0)
    await untilStill(sent, 100)
    assert.equal(sent(), WINDOW)
    assert.equal((await begin(client, GET).over).body, 'a')
    connection.send(windowUpdate(1, 100_000))
    await untilStill(sent, 100)
    assert.equal(sent(), WINDOW, 'the window of the connection counts too')
    connection.send(windowUpdate(0, 1_000_000))
    await until(() => sent() === WINDOW + 100_000)
    connection.send(windowUpdate(1, 1_000_000))
    await until(() => connection.of(FRAME.data, 1).some(({ flags }) => flags === END_STREAM))
    assert.equal(sent(), 200_000)
    connection.send(whole(1, 'a'))
    assert.equal((await over).outcome, 'end')
    client.close()
  })

  it('an initial window that shrinks below what was sent is made up first', async () => {
    using peer = await h2Peer([held])
    const client = clientOf('own h2', peer.port)
    const body = new PassThrough({ highWaterMark: 1_000_000 })
    begin(client, { ...GET, method: 'POST', body })
    const connection = await peer.connection()
    const sent = () => connection.of(FRAME.data).reduce((sum, one) => sum + one.payload.length, 0)
    body.write(Buffer.alloc(60_000))
    await until(() => sent() === 60_000)
    connection.send(windowUpdate(0, 1_000_000), setting(INITIAL_WINDOW_SIZE, 10_000))
    await until(() => connection.of(FRAME.settings).filter(({ flags }) => flags === 1).length === 2)
    body.write(Buffer.alloc(60_000))
    // 50,000 are missing.
    connection.send(windowUpdate(1, 50_000))
    await untilStill(sent, 100)
    assert.equal(sent(), 60_000)
    connection.send(windowUpdate(1, 1))
    await until(() => sent() === 60_001)
    connection.send(setting(INITIAL_WINDOW_SIZE, WINDOW))
    await until(() => sent() === 60_001 + WINDOW - 10_000)
    client.close()
    body.destroy()
  })

  it('an upstream that reads no body makes it wait', async () => {
    using peer = await h2Peer([held], {
      deaf: true,
      opening: Buffer.concat([setting(INITIAL_WINDOW_SIZE, 2 ** 31 - 1), windowUpdate(0, 2 ** 30)]),
    })
    let made = 0
    const body = new Readable({
      read() {
        made += 65_536
        this.push(Buffer.alloc(65_536))
      },
    })
    const client = clientOf('own h2', peer.port)
    const { call } = begin(client, { ...GET, method: 'POST', body })
    await untilStill(() => made)
    assert.ok(made > 0 && made < 16 * 1024 * 1024, `${made} bytes were read ahead`)
    call.abort()
    client.close()
  })

  it('a body that breaks off is reset, and no fault of the upstream', async () => {
    using peer = await h2Peer([held, answered])
    const client = clientOf('own h2', peer.port)
    const body = new PassThrough()
    const { over } = begin(client, { ...GET, method: 'POST', body, contentLength: 5 })
    body.write('hel')
    const connection = await peer.connection()
    await connection.got(FRAME.data)
    body.destroy()
    assert.equal((await over).outcome, 'client-closed')
    const { payload } = await connection.got(FRAME.rstStream, 1)
    assert.notEqual(payload.readUInt32BE(0), 0)
    assert.ok(connection.of(FRAME.data).every(({ flags }) => flags === 0))
    assert.equal((await begin(client, GET).over).body, 'a')
    client.close()
  })

  for (const [name, text] of Object.entries({ more: 'hello!', less: 'hell' })) {
    it(`never ends ${name} body than its length`, async () => {
      using peer = await h2Peer([held, answered])
      const client = clientOf('own h2', peer.port)
      const body = Readable.from([Buffer.from(text)])
      const { outcome } = await begin(client, { ...GET, method: 'POST', body, contentLength: 5 })
        .over
      assert.equal(outcome, 'internal-error')
      const connection = await peer.connection()
      await connection.got(FRAME.rstStream, 1)
      const pieces = connection.of(FRAME.data)
      assert.ok(pieces.every(({ flags }) => flags === 0))
      assert.doesNotMatch(String(Buffer.concat(pieces.map(({ payload }) => payload))), /!/)
      assert.equal((await begin(client, GET).over).body, 'a')
      client.close()
    })
  }

  it('an answer before the body was sent ends the body, not the connection', async () => {
    using peer = await h2Peer([(id) => [whole(id, 'no'), reset(id, 0)], answered])
    const client = clientOf('own h2', peer.port)
    const body = new PassThrough()
    const { over } = begin(client, { ...GET, method: 'POST', body, contentLength: 500 })
    body.write('hello')
    const { status, body: text, outcome } = await over
    assert.deepEqual([status, text, outcome], [200, 'no', 'end'])
    await until(() => body.destroyed)
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.equal(peer.connections.length, 1)
    client.close()
  })

  it('an early answer that the upstream does not end itself is ended here', async () => {
    using peer = await h2Peer([answered])
    const client = clientOf('own h2', peer.port)
    const body = new PassThrough()
    assert.equal((await begin(client, { ...GET, method: 'POST', body }).over).outcome, 'end')
    const connection = await peer.connection()
    const { payload } = await connection.got(FRAME.rstStream, 1)
    assert.notEqual(payload.readUInt32BE(0), 0)
    assert.ok(connection.of(FRAME.data).every(({ flags }) => flags === 0))
    client.close()
  })
})
