/**
 * The request body of one exchange: read from the client once, sent by one attempt and copied to
 * the mirrors that tap it. Only the attempt pulls: a mirror never sets the pace.
 */
import type { Readable } from 'node:stream'

/** IncomingMessage and Http2Stream. */
export type RequestStream = Readable & { readonly aborted: boolean }

/** Sees a body pass by. */
export interface BodyTap {
  onChunk(chunk: Buffer): void
  onWhole(): void
  /** The rest will not come. */
  onCut(): void
}

export class RequestBody {
  readonly stream: RequestStream
  readonly #taps: BodyTap[] = []
  #isRead = false
  #isOver = false

  constructor(stream: RequestStream) {
    this.stream = stream
  }

  /** Before the first attempt. */
  tap(tap: BodyTap): void {
    this.#taps.push(tap)
  }

  /** Whether another attempt can still send all of it. */
  get replayable(): boolean {
    return !this.#isRead
  }

  /** Called by the attempt that reads, for each chunk. */
  passed(chunk: Buffer): void {
    this.#isRead = true
    for (const tap of this.#taps) tap.onChunk(chunk)
  }

  /** Idempotent: the end was reached. */
  ended(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const tap of this.#taps) tap.onWhole()
  }

  /** Idempotent: nobody reads on. */
  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const tap of this.#taps) tap.onCut()
  }
}
