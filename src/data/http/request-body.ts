/**
 * The request body of one exchange: read from the client once, sent by one attempt and copied to
 * the mirrors that tap it. Only the attempt pulls: a mirror never sets the pace.
 */
import type { RequestHead } from './normalize.ts'

/** What is read of a client's body, whichever protocol brings it: a Readable's part of that name. */
export interface RequestStream {
  /** It broke off: what was read is not all. */
  readonly aborted: boolean
  readonly readableEnded: boolean
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end', listener: () => void): unknown
  off(event: 'data', listener: (chunk: Buffer) => void): unknown
  off(event: 'end', listener: () => void): unknown
  pause(): unknown
  resume(): unknown
}

/** Sees a body pass by. */
export interface BodyTap {
  onChunk(chunk: Buffer): void
  onWhole(): void
  /** The rest will not come. */
  onCut(): void
}

/** A longer body is sent once only. */
const MAX_REPLAY = 65_536

/** undefined: the request has none. `replay`: it is kept for further tries, if it is short enough. */
export function requestBodyOf(
  { body }: Pick<RequestHead, 'body'>,
  source: { readonly body: RequestStream },
  replay: boolean,
): RequestBody | undefined {
  if (body.kind === 'none') return undefined
  const bytes = body.kind === 'length' ? body.bytes : MAX_REPLAY
  return new RequestBody(source.body, replay && bytes <= MAX_REPLAY ? bytes : 0)
}

export class RequestBody {
  readonly stream: RequestStream
  readonly #taps: BodyTap[] = []
  readonly #keepBytes: number
  /** What was read, in one piece: many small chunks would cost far more than their bytes. */
  #kept: Buffer | undefined
  #keptBytes = 0
  #isRead = false
  #isOver = false

  /** `keepBytes`: as long as no more was read, another attempt can send it again. */
  constructor(stream: RequestStream, keepBytes = 0) {
    this.stream = stream
    this.#keepBytes = keepBytes
  }

  /** Before the first attempt; what was read already, if all of it is kept, is told at once. */
  tap(tap: BodyTap): void {
    this.#taps.push(tap)
    if (this.#keptBytes > 0) tap.onChunk(this.replay)
    if (this.#isOver) tap.onWhole()
  }

  /** Whether another attempt can still send all of it. */
  get replayable(): boolean {
    return !this.#isRead || this.#kept !== undefined
  }

  /** What the attempts before have read; call only while `replayable`. */
  get replay(): Buffer {
    // An attempt that was given up may still hold it: none of these bytes is written again.
    return this.#kept?.subarray(0, this.#keptBytes) ?? Buffer.alloc(0)
  }

  /** Called by the attempt that reads, for each chunk. */
  passed(chunk: Buffer): void {
    this.#keep(chunk)
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

  #keep(chunk: Buffer): void {
    if (this.#isRead && this.#kept === undefined) return
    const bytes = this.#keptBytes + chunk.length
    if (bytes > this.#keepBytes) {
      this.#kept = undefined
      return
    }
    this.#kept = withRoom(this.#kept, this.#keptBytes, bytes, this.#keepBytes)
    this.#keptBytes += chunk.copy(this.#kept, this.#keptBytes)
  }
}

/** Room for `bytes`: twice as much each time, but for what is never needed. */
function withRoom(kept: Buffer | undefined, used: number, bytes: number, most: number): Buffer {
  if (kept !== undefined && kept.length >= bytes) return kept
  const larger = Buffer.allocUnsafe(Math.min(most, Math.max(bytes, 2 * (kept?.length ?? 0))))
  kept?.copy(larger, 0, 0, used)
  return larger
}
