/**
 * Bounds what the client of one HTTP/2 connection sends beside requests and their content, whatever
 * frames it is made of (security guide 2.3). nghttp2 counts some kinds and Node others, but neither
 * WINDOW_UPDATE, nor DATA on streams that are over, nor PING and SETTINGS while their
 * acknowledgements are read; and no frame that it drops reaches JavaScript. So bytes are counted: all
 * that came, less what served a stream.
 */
import type { Socket } from 'node:net'
import { Deadline, type TimerSink, type TimerWheel } from '../../timer-wheel.ts'

const CHECK_MS = 500
/** Bytes that may come beside everything else, at once and each second: of PING, 900 and 240 frames. */
const FREE_BYTES = 131_072
const FREE_BYTES_PER_SECOND = 4096
/** What a piece of content that comes or goes may cost in heads of frames, padding and WINDOW_UPDATE. */
const PIECE_BYTES = 64
/** What a stream that is cut off may still have on the way: its window (RFC 9113 section 6.9.2). */
const WINDOW_BYTES = 65_535
/** Of those that were cut off before the last check, so many may still be unknown to the client. */
const MAX_LATE_BYTES = 100 * WINDOW_BYTES

export interface FloodSink {
  /** Called once. */
  onFlood(): void
  onDefect(error: unknown): void
}

export class FloodGuard implements TimerSink {
  readonly #socket: Pick<Socket, 'bytesRead'>
  readonly #wheel: TimerWheel
  readonly #sink: FloodSink
  readonly #timer: Deadline
  #checkedAt: number
  #read = 0
  #useful = 0
  /** Bytes that served nothing and are not forgiven. */
  #debt = 0
  /** Bytes that may still come for streams that are gone. */
  #late = 0

  constructor(socket: Pick<Socket, 'bytesRead'>, wheel: TimerWheel, sink: FloodSink) {
    this.#socket = socket
    this.#wheel = wheel
    this.#sink = sink
    this.#timer = new Deadline(wheel, this)
    this.#checkedAt = wheel.now
    this.#timer.arm(CHECK_MS)
  }

  /** A request came; `rawHeaders` as Node has them. */
  request(rawHeaders: readonly string[]): void {
    let bytes = 2 * PIECE_BYTES
    for (const text of rawHeaders) bytes += text.length + 4
    this.#useful += bytes
  }

  /** Content came, or goes out. */
  content(bytes: number): void {
    this.#useful += bytes + PIECE_BYTES
  }

  /** A stream ends here whose client may not know it yet. */
  cutStream(): void {
    this.#late += WINDOW_BYTES
  }

  close(): void {
    this.#timer.cancel()
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  onDeadline(): void {
    const { now } = this.#wheel
    const { bytesRead } = this.#socket
    const free = ((now - this.#checkedAt) * FREE_BYTES_PER_SECOND) / 1000
    const debt = Math.max(0, this.#debt + bytesRead - this.#read - this.#useful - free)
    const late = Math.min(debt, this.#late)
    this.#debt = debt - late
    this.#late = Math.min(this.#late - late, MAX_LATE_BYTES)
    this.#checkedAt = now
    this.#read = bytesRead
    this.#useful = 0
    if (this.#debt > FREE_BYTES) this.#sink.onFlood()
    else this.#timer.arm(CHECK_MS)
  }
}
