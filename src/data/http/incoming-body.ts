/**
 * The body of one HTTP/1.1 request on its way in: finds its end in the connection's bytes, and hands
 * it on as a stream or drops what nobody wants. Owns neither the socket nor its flow.
 */
import { Readable } from 'node:stream'
import type { ChunkedDecoder } from '../../wire/http1/chunked-decoder.ts'
import type { Reason } from '../../model/outcome.ts'

/** Buffered for a reader that takes its time; then the client waits. */
const HIGH_WATER = 65_536

/** The connection that the body comes from. */
export interface BodyFlow {
  /** The reader takes more, or takes no more for now. */
  onBodyFlow(flows: boolean): void
}

/** What the exchange reads. Destroying it stops nothing: the rest is dropped. */
export class BodyStream extends Readable {
  /** The client broke off: what was read is not all. */
  aborted = false
  readonly #flow: BodyFlow

  constructor(flow: BodyFlow) {
    super({ highWaterMark: HIGH_WATER })
    this.#flow = flow
  }

  override _read(): void {
    this.#flow.onBodyFlow(true)
  }
}

export interface BodyFault {
  readonly reason: Reason
  readonly detail: string
}

export class IncomingBody {
  /** Set by `read`: what followed cannot be told from the body. */
  fault: BodyFault | undefined
  /** The whole body was read. */
  isComplete = false
  readonly #flow: BodyFlow
  /** undefined: of a known length. */
  readonly #decoder: ChunkedDecoder | undefined
  #left: number
  #stream: BodyStream | undefined
  #isDropped = false

  /** `bytes`: its length; with a decoder it is chunked. */
  constructor(flow: BodyFlow, bytes: number, decoder?: ChunkedDecoder) {
    this.#flow = flow
    this.#left = bytes
    this.#decoder = decoder
  }

  /** Made when somebody asks, or when bytes come before that. */
  get stream(): BodyStream {
    if (this.#stream === undefined) {
      this.#stream = new BodyStream(this.#flow)
      if (this.isComplete) this.#stream.push(null)
    }
    return this.#stream
  }

  /** Takes what belongs to the body of `bytes` from `from` on; returns where that ends. */
  read(bytes: Buffer, from: number): number {
    return this.#decoder === undefined
      ? this.#readLength(bytes, from)
      : this.#readChunked(this.#decoder, bytes, from)
  }

  /** Nobody reads on: what comes is passed over. */
  drop(): void {
    this.#isDropped = true
    this.#stream = undefined
    this.#flow.onBodyFlow(true)
  }

  /** The rest will not come. */
  abort(): void {
    if (this.isComplete || this.#stream === undefined) return
    this.#stream.aborted = true
    this.#stream.destroy()
  }

  #readLength(bytes: Buffer, from: number): number {
    const end = Math.min(bytes.length, from + this.#left)
    this.#left -= end - from
    this.#pass(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end))
    if (this.#left === 0) this.#complete()
    return end
  }

  #readChunked(decoder: ChunkedDecoder, bytes: Buffer, from: number): number {
    const verdict = decoder.read(bytes, from)
    if (verdict === 'malformed' || verdict === 'too-large') {
      this.fault =
        verdict === 'malformed'
          ? { reason: 'bad-request', detail: decoder.detail }
          : { reason: 'headers-too-large', detail: 'chunk extensions or trailers' }
      return bytes.length
    }
    if (decoder.data !== undefined) this.#pass(decoder.data)
    if (verdict === 'more') return bytes.length
    this.#complete()
    return decoder.end
  }

  #pass(chunk: Buffer): void {
    if (!this.#isDropped && !this.stream.push(chunk)) this.#flow.onBodyFlow(false)
  }

  #complete(): void {
    this.isComplete = true
    this.#stream?.push(null)
  }
}

/** Of a request without body. */
export function noBody(): BodyStream {
  const stream = new BodyStream({ onBodyFlow: () => {} })
  stream.push(null)
  return stream
}
