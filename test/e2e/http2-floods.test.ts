/**
 * Frames that ask for nothing, without end: each kind closes the connection (security guide 2.3).
 * `attack-http2` has the whole daemon under some of them.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { after, before, describe, it } from 'node:test'
import { h2Request } from '../support/h2-client.ts'
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  getFields,
  PREFACE,
  SETTINGS,
  setting,
  uint32,
} from '../support/h2-frames.ts'
import { type Origin, startOrigin } from '../support/http-origin.ts'
import { startProxy, type TestProxy } from '../support/http-proxy.ts'
import { Stranger } from '../support/h2-stranger.ts'
import { until, untilStill } from '../support/until.ts'

const BODY = Buffer.alloc(1 << 17)
/** Of the guard's checks. */
const SOME_CHECKS_MS = 1500
const NOTHING = Buffer.alloc(0)
const INITIAL_WINDOW_SIZE = 4
const PADDED = 8

const get = (id: number, path: string, flags = END_STREAM) =>
  frame(FRAME.headers, END_HEADERS | flags, id, getFields('a.test', path))

interface Flood {
  readonly opening?: Buffer
  /** The flood begins when stream 1 is over. */
  readonly isAnswered?: true
  readonly frame: Buffer
}

const answered = { opening: get(1, '/now', 0), isAnswered: true } as const
const held = get(1, '/held', 0)

const FLOODS: Readonly<Record<string, Flood>> = {
  'empty DATA before the answer': { opening: held, frame: frame(FRAME.data, 0, 1, NOTHING) },
  'empty DATA after the answer': { ...answered, frame: frame(FRAME.data, 0, 1, NOTHING) },
  'DATA of padding before the answer': {
    opening: held,
    frame: frame(FRAME.data, PADDED, 1, Buffer.alloc(1)),
  },
  'DATA of padding after the answer': {
    ...answered,
    frame: frame(FRAME.data, PADDED, 1, Buffer.alloc(1)),
  },
  'DATA after the answer': { ...answered, frame: frame(FRAME.data, 0, 1, Buffer.alloc(512)) },
  PING: { frame: frame(FRAME.ping, 0, 0, Buffer.alloc(8)) },
  'PING that answers none': { frame: frame(FRAME.ping, 1, 0, Buffer.alloc(8)) },
  SETTINGS: { frame: setting(INITIAL_WINDOW_SIZE, 65_535) },
  'empty SETTINGS': { frame: SETTINGS },
  'PRIORITY of a stream that is held': {
    opening: held,
    frame: frame(FRAME.priority, 0, 1, Buffer.alloc(5)),
  },
  'PRIORITY of idle streams': { frame: frame(FRAME.priority, 0, 99, Buffer.alloc(5)) },
  'WINDOW_UPDATE of the connection': { frame: frame(FRAME.windowUpdate, 0, 0, uint32(1)) },
  'WINDOW_UPDATE before the answer': {
    opening: held,
    frame: frame(FRAME.windowUpdate, 0, 1, uint32(1)),
  },
  'WINDOW_UPDATE after the answer': {
    ...answered,
    frame: frame(FRAME.windowUpdate, 0, 1, uint32(1)),
  },
  'RST_STREAM after the answer': {
    ...answered,
    frame: frame(FRAME.rstStream, 0, 1, uint32(8)),
  },
  'HEADERS after the answer': { opening: get(1, '/now'), frame: get(1, '/now') },
  CONTINUATION: {
    opening: frame(FRAME.headers, 0, 1, getFields('a.test', '/')),
    frame: frame(FRAME.continuation, 0, 1, NOTHING),
  },
  'frames of no known type': { frame: frame(0xbe, 0, 0, NOTHING) },
}

describe('HTTP/2 floods', () => {
  let origin: Origin
  let proxy: TestProxy
  let sent = 0
  const endless = (response: ServerResponse): void => {
    const more = (): void => {
      do sent += BODY.length
      while (response.write(BODY))
    }
    response.on('drain', more)
    more()
  }
  before(async () => {
    origin = await startOrigin((request, response) => {
      request.resume()
      if (request.url === '/endless') endless(response)
      else if (request.url !== '/held') response.end('x')
    })
    proxy = await startProxy({ listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }] })
  })
  after(async () => {
    await proxy[Symbol.asyncDispose]()
    origin[Symbol.dispose]()
  })

  for (const [name, flood] of Object.entries(FLOODS)) {
    it(name, () => isCutOff(proxy, flood))
  }

  it('uploads that are answered early, and large heads, are no flood', async () => {
    // What is left of a body when its stream is reset counts for ever in a client session of Node.
    const session = http2.connect(proxy.origin, { maxSessionMemory: 10_000 })
    for (const end = Date.now() + SOME_CHECKS_MS; Date.now() < end; ) {
      const headers = {
        ':method': 'POST',
        ':path': '/now',
        'x-random': randomBytes(6000).toString('hex'),
      }
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => h2Request(session, headers, BODY)),
      )
      for (const { status } of answers) assert.equal(status, 200)
    }
    session.destroy()
  })

  it('PING whose answers are not read', async () => {
    using stranger = new Stranger(proxy.port, [
      setting(INITIAL_WINDOW_SIZE, 2 ** 31 - 1),
      frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 31 - 1 - 65_535)),
      get(1, '/endless'),
    ])
    const ended = proxy.outcomes.length
    stranger.socket.pause()
    await untilStill(() => sent)
    // As many as the guard lets pass.
    for (let i = 0; i < 20; i += 1) {
      stranger.send(...Array.from({ length: 100 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until(() => proxy.outcomes.length > ended)
    const { reason, detail } = proxy.outcomes.at(-1) ?? {}
    assert.deepEqual([reason, detail], ['protocol-error', 'answers that nobody reads'])
  })

  it('a window that is opened by one byte at a time', async () => {
    using stranger = new Stranger(proxy.port, [
      setting(INITIAL_WINDOW_SIZE, 0),
      frame(FRAME.windowUpdate, 0, 0, uint32(1 << 30)),
      get(1, '/endless'),
    ])
    await stranger.got(FRAME.headers, 1)
    await untilStill(() => sent)
    const ended = proxy.outcomes.length
    const crumbs = Buffer.concat(
      Array.from({ length: 500 }, () => frame(FRAME.windowUpdate, 0, 1, uint32(1))),
    )
    for (const end = Date.now() + FLOOD_MS; !stranger.isClosed && Date.now() < end; ) {
      stranger.send(crumbs)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.ok(stranger.isClosed, `${stranger.content(1).length} bytes`)
    await until(() => proxy.outcomes.length > ended)
    const { reason, detail } = proxy.outcomes.at(-1) ?? {}
    assert.deepEqual([reason, detail], ['protocol-error', 'frames without use'])
  })

  it('content in small pieces is no flood', async () => {
    const socket = net.connect({ host: '127.0.0.1', port: proxy.port })
    socket.write(Buffer.concat([PREFACE, SETTINGS, held]))
    const update = (stream: number) => frame(FRAME.windowUpdate, 0, stream, uint32(1))
    const piece = Buffer.concat([frame(FRAME.data, 0, 1, Buffer.alloc(1)), update(0), update(1)])
    const pieces = Buffer.concat(Array.from({ length: 1000 }, () => piece))
    for (const end = Date.now() + SOME_CHECKS_MS; Date.now() < end; ) {
      socket.write(pieces)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    socket.write(get(3, '/now'))
    await comes(socket, Buffer.concat([uint32(3), Buffer.from('x')]))
    socket.destroy()
  })
})

/** As fast as a stranger might; no kind of frame lives so long. */
const FLOOD_MS = 5000
const FRAMES_AT_ONCE = 500
/** RST_STREAM with NO_ERROR on stream 1: answered, and the rest of the request is not wanted. */
const CUT = frame(FRAME.rstStream, 0, 1, uint32(0))

async function isCutOff({ port, outcomes }: TestProxy, flood: Flood): Promise<void> {
  const ended = outcomes.length
  const { opening = NOTHING, isAnswered = false } = flood
  const socket = net.connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  socket.write(Buffer.concat([PREFACE, SETTINGS, opening]))
  if (isAnswered) await comes(socket, CUT)
  socket.resume()
  const frames = Buffer.concat(Array.from({ length: FRAMES_AT_ONCE }, () => flood.frame))
  let count = 0
  for (const end = Date.now() + FLOOD_MS; !socket.destroyed && Date.now() < end; ) {
    count += FRAMES_AT_ONCE
    socket.write(frames)
    if (socket.writableNeedDrain) await drainedOrClosed(socket)
    else await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const isCut = socket.destroyed
  socket.destroy()
  assert.ok(isCut, `${count} frames`)
  await until(() => outcomes.length > ended)
  assert.equal(outcomes.at(-1)?.reason, 'protocol-error')
}

async function comes(socket: net.Socket, bytes: Buffer): Promise<void> {
  let seen = NOTHING
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    seen = Buffer.concat([seen, chunk])
    if (seen.includes(bytes)) return
  }
  assert.fail('the connection ended before')
}

function drainedOrClosed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}
