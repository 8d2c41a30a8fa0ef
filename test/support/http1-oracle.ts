/**
 * One HTTP/1.1 message read by the parsers of wire/http1 and by llhttp in its strict mode, in one form.
 * llhttp is an oracle here and nowhere else: everything that we accept it accepts with the same meaning.
 */
import { createRequire } from 'node:module'
import { ChunkedDecoder } from '../../src/wire/http1/chunked-decoder.ts'
import { HeadReader } from '../../src/wire/http1/head-reader.ts'
import { responseFraming } from '../../src/wire/http1/response-framing.ts'

export const LIMITS = { maxBytes: 65_536, maxFields: 256 }

export interface Message {
  readonly kind: 'message'
  /** `GET /path` or the status. */
  readonly line: string
  readonly minorVersion: number
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

export interface NoMessage {
  readonly kind: 'more' | 'malformed' | 'too-large'
}

export type Direction = 'request' | 'response'

/** `ends`: where the segments end; the last one ends with the bytes. Answers to GET. */
export function readMessage(
  direction: Direction,
  bytes: Buffer,
  ends: readonly number[] = [],
): Message | NoMessage {
  const reader = new MessageReader(direction)
  let at = 0
  for (const end of [...ends.toSorted((a, b) => a - b), bytes.length]) {
    // A copy: the decoder moves bytes within what it gets.
    const segment = Buffer.from(bytes.subarray(at, end))
    at = end
    const verdict = reader.read(segment)
    if (verdict !== undefined) return verdict
  }
  return reader.close()
}

class MessageReader {
  readonly #direction: Direction
  readonly #head: HeadReader
  readonly #decoder = new ChunkedDecoder(LIMITS)
  #framing: { readonly kind: string; readonly bytes: number } | undefined
  #body = Buffer.alloc(0)

  constructor(direction: Direction) {
    this.#direction = direction
    this.#head = new HeadReader(direction, LIMITS)
  }

  /** undefined: more bytes are needed. */
  read(segment: Buffer): Message | NoMessage | undefined {
    let at = 0
    if (this.#framing === undefined) {
      const verdict = this.#head.read(segment, 0)
      if (verdict === 'more') return undefined
      if (verdict !== 'complete') return { kind: verdict }
      at = this.#head.end
      this.#framing = this.#frame()
      if (this.#framing === undefined) return { kind: 'malformed' }
    }
    const { kind, bytes } = this.#framing
    if (kind === 'chunked') {
      const verdict = this.#decoder.read(segment, at)
      this.#append(this.#decoder.data ?? Buffer.alloc(0))
      if (verdict === 'complete') return this.#message()
      return verdict === 'more' ? undefined : { kind: verdict }
    }
    const left = kind === 'until-close' ? Infinity : bytes - this.#body.length
    this.#append(segment.subarray(at, Math.min(segment.length, at + left)))
    return kind !== 'until-close' && this.#body.length === bytes ? this.#message() : undefined
  }

  close(): Message | NoMessage {
    return this.#framing?.kind === 'until-close' ? this.#message() : { kind: 'more' }
  }

  #append(piece: Buffer): void {
    this.#body = Buffer.concat([this.#body, piece])
  }

  #frame(): { readonly kind: string; readonly bytes: number } | undefined {
    const { method, status, minorVersion, fields } = this.#head
    if (this.#direction === 'response') return responseFraming('GET', status, minorVersion, fields)
    const framing = responseFraming('', 200, minorVersion, fields)
    // A CONNECT has no content, whatever its fields say (RFC 9110 section 9.3.6); ours is refused.
    if (framing !== undefined && method === 'CONNECT') return { kind: 'none', bytes: 0 }
    return framing?.kind === 'until-close' ? { kind: 'none', bytes: 0 } : framing
  }

  #message(): Message {
    const { method, target, status, minorVersion, fields } = this.#head
    const line = this.#direction === 'request' ? `${method} ${target}` : String(status)
    const body = this.#body.toString('latin1')
    const { trailers } = this.#decoder
    return { kind: 'message', line, minorVersion, fields, body, trailers }
  }
}

interface Llhttp {
  initialize(type: number, resource: object): void
  execute(bytes: Buffer): number | Error
  finish(): undefined | Error
  [event: number]: (...args: never[]) => unknown
}

interface LlhttpClass {
  new (): Llhttp
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
}

const { HTTPParser }: { HTTPParser: LlhttpClass } = createRequire(import.meta.url)('_http_common')
const METHODS: readonly string[] = createRequire(import.meta.url)('_http_common').methods

/** The first message, as llhttp reads it; undefined: it refuses, or wants more. */
export function readByLlhttp(direction: Direction, bytes: Buffer): Message | undefined {
  let line = ''
  let minorVersion = 0
  let fields: string[] = []
  let body = ''
  let late: string[] = []
  let message: Message | undefined
  const parser = new HTTPParser()
  parser.initialize(direction === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {})
  parser[HTTPParser.kOnHeaders] = (raw: string[]) => {
    late.push(...raw)
  }
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    minor: number,
    raw: string[] | undefined,
    method: number,
    url: string,
    status: number,
  ) => {
    if (message !== undefined) return 0
    line = direction === 'request' ? `${METHODS[method]} ${url}` : String(status)
    minorVersion = minor
    fields = raw ?? late
    late = []
    return 0
  }
  parser[HTTPParser.kOnBody] = (piece: Buffer) => {
    if (message === undefined) body += piece.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    message ??= { kind: 'message', line, minorVersion, fields, body, trailers: late }
  }
  if (!(parser.execute(Buffer.from(bytes)) instanceof Error)) parser.finish()
  return message
}
