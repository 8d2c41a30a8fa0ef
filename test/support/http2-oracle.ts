/**
 * HTTP/2 field sections judged and read by nghttp2, through node:http2 in this process: an oracle of
 * the tests and nothing else. What goes to it is written here by hand, since no library would.
 */
import http2 from 'node:http2'
import { type Duplex, duplexPair } from 'node:stream'
import { FrameReader, type FrameSink } from '../../src/wire/http2/frames.ts'
import { END_HEADERS, END_STREAM, FRAME, frame, literal, PREFACE, SETTINGS } from './h2-frames.ts'

/** The fields as Node gave them; undefined: refused. */
export type Verdict = readonly string[] | undefined

export type Kind = 'request' | 'response' | 'request-trailers' | 'response-trailers'

/** nghttp2 ends a session that sends too many resets. */
const BATCH = 200
const PING = Buffer.from('oracle..')
const ACK = 1
const LIMITS = { maxFrameSize: 16_384, maxBlockBytes: 65_536, maxContinuations: 8 }
const SOUND_REQUEST = [':method', 'POST', ':scheme', 'http', ':path', '/', ':authority', 'a']

/** Each list as a section of its own stream. */
export async function judge(
  kind: Kind,
  lists: readonly (readonly string[])[],
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = []
  for (let at = 0; at < lists.length; at += BATCH) {
    const batch = lists.slice(at, at + BATCH)
    verdicts.push(...(await (kind.startsWith('request') ? toServer : toClient)(kind, batch)))
  }
  return verdicts
}

async function toServer(
  kind: Kind,
  lists: readonly (readonly string[])[],
): Promise<readonly Verdict[]> {
  const verdicts = new Map<number, Verdict>()
  const server = nodeServer()
  server.on('stream', (stream, _headers, _flags, raw) => {
    const id = stream.id ?? 0
    stream.on('error', ignore)
    if (kind === 'request') verdicts.set(id, raw)
    stream.on('trailers', (_fields: unknown, _bits: number, rawTrailers: string[]) => {
      verdicts.set(id, rawTrailers)
    })
    stream.resume()
  })
  const [near, far] = duplexPair()
  const wire = new Wire(near)
  server.emit('connection', far)
  near.write(Buffer.concat([PREFACE, SETTINGS]))
  for (const [at, fields] of lists.entries()) {
    const id = 2 * at + 1
    if (kind === 'request') near.write(frame(FRAME.headers, END_HEADERS, id, block(fields)))
    else {
      near.write(frame(FRAME.headers, END_HEADERS, id, block(SOUND_REQUEST)))
      near.write(frame(FRAME.headers, END_HEADERS | END_STREAM, id, block(fields)))
    }
  }
  await wire.settled()
  near.destroy()
  return lists.map((_, at) => (wire.resets.has(2 * at + 1) ? undefined : verdicts.get(2 * at + 1)))
}

async function toClient(
  kind: Kind,
  lists: readonly (readonly string[])[],
): Promise<readonly Verdict[]> {
  const verdicts = new Map<number, Verdict>()
  const [near, far] = duplexPair()
  const wire = new Wire(near, PREFACE)
  near.write(SETTINGS)
  const session = nodeClient(far)
  for (const _ of lists) {
    const stream = session.request({ ':method': 'GET', ':path': '/' })
    stream.on('error', ignore)
    const take = (_headers: unknown, _flags: number, raw: string[]): void => {
      verdicts.set(stream.id ?? 0, raw)
    }
    if (kind === 'response') {
      stream.on('response', take)
      stream.on('headers', take)
    } else stream.on('trailers', take)
    stream.resume()
  }
  await wire.requested(lists.length)
  for (const [at, fields] of lists.entries()) {
    const id = 2 * at + 1
    if (kind === 'response') near.write(frame(FRAME.headers, END_HEADERS, id, block(fields)))
    else {
      near.write(frame(FRAME.headers, END_HEADERS, id, block([':status', '200'])))
      near.write(frame(FRAME.headers, END_HEADERS | END_STREAM, id, block(fields)))
    }
  }
  await wire.settled()
  near.destroy()
  session.destroy()
  return lists.map((_, at) => (wire.resets.has(2 * at + 1) ? undefined : verdicts.get(2 * at + 1)))
}

/** As gwproxy had it while nghttp2 served its clients; more streams, and sent twice is read twice. */
export function nodeServer(settings: http2.Settings = {}): http2.Http2Server {
  const server = http2.createServer({
    maxHeaderListPairs: 1024,
    strictSingleValueFields: false,
    settings: { maxConcurrentStreams: 10_000, maxHeaderListSize: 65_535, ...settings },
  })
  server.on('sessionError', ignore)
  server.on('session', (session) => session.on('error', ignore))
  return server
}

export function nodeClient(far: Duplex, settings: http2.Settings = {}): http2.ClientHttp2Session {
  const options: http2.ClientSessionOptions & { strictSingleValueFields: boolean } = {
    createConnection: () => far,
    maxHeaderListPairs: 1024,
    strictSingleValueFields: false,
    settings: { maxHeaderListSize: 65_535, ...settings },
  }
  const session = http2.connect('http://a', options)
  session.on('error', ignore)
  return session
}

/** Literals that no table keeps, whatever is in them. */
export function block(fields: readonly string[]): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    parts.push(literal(fields[i] as string, fields[i + 1] as string))
  }
  return Buffer.concat(parts)
}

/** Our end of a session: acknowledges what Node sends, and hears what it resets. */
class Wire implements FrameSink {
  readonly resets = new Map<number, number>()
  readonly #near: Duplex
  #requests = 0
  #onRequest = (): void => {}
  #onPong = (): void => {}

  constructor(near: Duplex, prefix?: Buffer) {
    this.#near = near
    const reader = new FrameReader(this, LIMITS, prefix)
    near.on('error', ignore)
    near.on('data', (chunk: Buffer) => reader.read(chunk))
  }

  /** Everything that was written is judged. */
  async settled(): Promise<void> {
    for (let i = 0; i < 2; i++) {
      await new Promise<void>((resolve) => {
        this.#onPong = resolve
        this.#near.once('close', resolve)
        this.#near.write(frame(FRAME.ping, 0, 0, PING))
      })
    }
  }

  async requested(count: number): Promise<void> {
    while (this.#requests < count) {
      await new Promise<void>((resolve) => {
        this.#onRequest = resolve
      })
    }
  }

  onData(): void {}
  onHeaders(): void {
    this.#requests += 1
    this.#onRequest()
  }
  onReset(streamId: number, code: number): void {
    this.resets.set(streamId, code)
  }
  onSettings(): void {
    this.#near.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)))
  }
  onSettingsAck(): void {}
  onPing(payload: Buffer): void {
    this.#near.write(frame(FRAME.ping, ACK, 0, Buffer.from(payload)))
  }
  onPingAck(): void {
    this.#onPong()
  }
  onGoaway(): void {}
  onWindowUpdate(): void {}
  onIgnored(): void {}
}

function ignore(): void {}
