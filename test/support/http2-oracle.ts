/**
 * HTTP/2 field sections judged, read and written by nghttp2, through node:http2 in this process: an
 * oracle of the tests and nothing else.
 */
import http2 from 'node:http2'
import { type Duplex, duplexPair } from 'node:stream'
import { FrameReader, type FrameSink } from '../../src/wire/http2/frames.ts'
import { END_HEADERS, END_STREAM, FRAME, frame, literal, PREFACE, SETTINGS } from './h2-frames.ts'

/** Flat names and values. */
export type FieldList = readonly string[]
/** The fields as Node gave them; undefined: refused. */
export type Verdict = FieldList | undefined
export type Kind = 'request' | 'response' | 'request-trailers' | 'response-trailers'

/** nghttp2 ends a session that sends too many resets. */
const BATCH = 200
const ACK = 1
const LIMITS = { maxFrameSize: 16_384, maxBlockBytes: 65_536, maxContinuations: 8 }
const REQUEST: FieldList = [':method', 'POST', ':scheme', 'http', ':path', '/', ':authority', 'a']

/** Each list as a section of its own stream, written as literals whatever is in them. */
export async function judge(kind: Kind, lists: readonly FieldList[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  for (let at = 0; at < lists.length; at += BATCH) {
    const blocks = lists.slice(at, at + BATCH).map(literalBlock)
    const end = kind.startsWith('request') ? new NodeServerEnd() : new NodeClientEnd()
    verdicts.push(...(await end.read(blocks, kind.endsWith('trailers'))))
    end.close()
  }
  return verdicts
}

/** Literals that no table keeps. */
export function literalBlock(fields: FieldList): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    parts.push(literal(fields[i] as string, fields[i + 1] as string))
  }
  return Buffer.concat(parts)
}

/** Our end of a session with a server of Node's. */
export class NodeServerEnd {
  readonly #wire: Wire
  readonly #session: http2.ServerHttp2Session
  readonly #verdicts = new Map<number, Verdict>()
  #nextId = 1

  constructor() {
    const server = http2.createServer({
      maxHeaderListPairs: 4096,
      maxSessionMemory: 100,
      // What is sent twice is read twice.
      strictSingleValueFields: false,
      settings: { maxConcurrentStreams: 100_000, maxHeaderListSize: 1_000_000 },
    })
    server.on('sessionError', ignore)
    let opened: http2.ServerHttp2Session | undefined
    server.on('session', (session) => {
      opened = session
      session.on('error', ignore)
    })
    server.on('stream', (stream, _fields, _flags, raw) => {
      stream.on('error', ignore)
      const id = stream.id ?? 0
      this.#verdicts.set(id, raw)
      stream.on('trailers', (_trailers: unknown, _bits: number, rawTrailers: string[]) => {
        this.#verdicts.set(id, rawTrailers)
      })
      stream.resume()
    })
    const [near, far] = duplexPair()
    this.#wire = new Wire(near)
    server.emit('connection', far)
    if (opened === undefined) throw new Error('no session')
    this.#session = opened
    this.#wire.write(PREFACE, SETTINGS)
  }

  /** Its SETTINGS_HEADER_TABLE_SIZE is this when the promise is kept. */
  async setTableSize(headerTableSize: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#session.settings({ headerTableSize }, () => resolve())
    })
  }

  /** Field blocks of requests, or of their trailers. */
  async read(blocks: readonly Buffer[], areTrailers = false): Promise<Verdict[]> {
    const wire = this.#wire
    const ids = blocks.map((block) => {
      const id = this.#nextId
      this.#nextId += 2
      if (areTrailers) wire.write(...headers(id, literalBlock(REQUEST), 0))
      wire.write(...headers(id, block, areTrailers ? END_STREAM : 0))
      return id
    })
    await wire.settled()
    return ids.map((id) => (wire.resets.has(id) ? undefined : this.#verdicts.get(id)))
  }

  close(): void {
    this.#wire.close()
    this.#session.destroy()
  }
}

/** Our end of a session with a client of Node's. */
export class NodeClientEnd {
  readonly #wire: Wire
  readonly #session: http2.ClientHttp2Session

  constructor() {
    const [near, far] = duplexPair()
    this.#wire = new Wire(near, PREFACE)
    this.#wire.write(SETTINGS)
    const options: http2.ClientSessionOptions & { strictSingleValueFields: boolean } = {
      createConnection: () => far,
      maxHeaderListPairs: 4096,
      maxSessionMemory: 100,
      strictSingleValueFields: false,
      settings: { maxHeaderListSize: 1_000_000 },
    }
    this.#session = http2.connect('http://a', options)
    this.#session.on('error', ignore)
  }

  /** Its encoder has no more than this at hand when the promise is kept. */
  async setTableSize(bytes: number): Promise<void> {
    const payload = Buffer.alloc(6)
    payload.writeUInt16BE(1)
    payload.writeUInt32BE(bytes, 2)
    this.#wire.write(frame(FRAME.settings, 0, 0, payload))
    await this.#wire.settled()
  }

  /** Field blocks of responses, or of their trailers. */
  async read(blocks: readonly Buffer[], areTrailers = false): Promise<Verdict[]> {
    const verdicts: Verdict[] = []
    const wire = this.#wire
    for (const at of blocks.keys()) {
      const stream = this.#session.request({ ':method': 'GET', ':path': '/' })
      stream.on('error', ignore)
      const take = (_fields: unknown, _flags: number, raw: string[]): void => {
        verdicts[at] = raw
      }
      if (areTrailers) stream.on('trailers', take)
      else stream.on('response', take).on('headers', take)
      stream.resume()
    }
    const ids = await wire.requested(blocks.length)
    for (const [at, block] of blocks.entries()) {
      const id = ids[at] as number
      if (areTrailers) wire.write(...headers(id, literalBlock([':status', '200']), 0))
      wire.write(...headers(id, block, areTrailers ? END_STREAM : 0))
    }
    await wire.settled()
    return ids.map((id, at) => (wire.resets.has(id) ? undefined : verdicts[at]))
  }

  /** The blocks that it makes of these requests. */
  async write(lists: readonly FieldList[]): Promise<Buffer[]> {
    const before = this.#wire.blocks.length
    for (const fields of lists) this.#session.request(fields).on('error', ignore).resume()
    await this.#wire.requested(lists.length)
    return this.#wire.blocks.slice(before)
  }

  close(): void {
    this.#wire.close()
    this.#session.destroy()
  }
}

/** HEADERS with as many CONTINUATION as it takes. */
function headers(id: number, block: Buffer, flags: number): Buffer[] {
  const { maxFrameSize } = LIMITS
  const frames: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += maxFrameSize) {
    const isLast = at + maxFrameSize >= block.length
    const type = at === 0 ? FRAME.headers : FRAME.continuation
    const bits = (at === 0 ? flags : 0) | (isLast ? END_HEADERS : 0)
    frames.push(frame(type, bits, id, block.subarray(at, at + maxFrameSize)))
  }
  return frames
}

/** Acknowledges what Node sends, and hears what it asks for and resets. */
class Wire implements FrameSink {
  readonly resets = new Map<number, number>()
  readonly blocks: Buffer[] = []
  readonly #ids: number[] = []
  readonly #near: Duplex
  #told = 0
  #wake = ignore

  constructor(near: Duplex, prefix?: Buffer) {
    this.#near = near
    const reader = new FrameReader(this, LIMITS, prefix)
    near.on('error', ignore)
    near.on('close', () => this.#wake())
    near.on('data', (chunk: Buffer) => reader.read(chunk))
  }

  write(...frames: readonly Buffer[]): void {
    this.#near.write(Buffer.concat(frames))
  }

  /** Everything that was written is judged, and told: Node tells some things a turn later. */
  async settled(): Promise<void> {
    for (let i = 0; i < 2 && !this.#near.destroyed; i++) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)))
      })
    }
    this.#wake = ignore
  }

  /** So many more requests came; their ids. */
  async requested(count: number): Promise<number[]> {
    const from = this.#told
    this.#told += count
    while (this.#ids.length < this.#told) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#wake = ignore
    return this.#ids.slice(from, this.#told)
  }

  close(): void {
    this.#near.destroy()
  }

  onHeaders(streamId: number, block: Buffer): void {
    this.#ids.push(streamId)
    this.blocks.push(Buffer.from(block))
    this.#wake()
  }
  onReset(streamId: number, code: number): void {
    this.resets.set(streamId, code)
  }
  onSettings(): void {
    this.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)))
  }
  onPing(payload: Buffer): void {
    this.write(frame(FRAME.ping, ACK, 0, payload))
  }
  onPingAck(): void {
    this.#wake()
  }
  onSettingsAck(): void {}
  onData(): void {}
  onGoaway(): void {}
  onWindowUpdate(): void {}
  onIgnored(): void {}
}

function ignore(): void {}
