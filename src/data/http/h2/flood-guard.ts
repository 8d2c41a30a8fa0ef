/**
 * Bounds what the peer of one HTTP/2 connection sends beside messages and their content, whatever
 * frames it is made of (security guide 2.3): each that serves no stream is a debt, in bytes, which time
 * forgives, and so does what serves one.
 */

/** Bytes that may come beside everything else, at once and each second: of PING, 7,710 and 240 frames. */
const FREE_BYTES = 131_072
const FREE_BYTES_PER_SECOND = 4096
/** What a piece of content that comes or goes may cost in padding and WINDOW_UPDATE. */
const PIECE_BYTES = 64
/** What a message may cost beside its fields. */
const MESSAGE_BYTES = 128
/** What a stream that is cut off may still have on the way: its window (RFC 9113 section 6.9.2). */
const WINDOW_BYTES = 65_535
/** Of those that were cut off lately, so many may still be unknown to the peer. */
const MAX_LATE_BYTES = 100 * WINDOW_BYTES

/** Monotonic milliseconds. */
export interface Ticker {
  readonly now: number
}

export class FloodGuard {
  readonly #ticker: Ticker
  #paidAt: number
  /** Bytes that served nothing and are not forgiven. */
  #debt = 0
  /** Bytes that may still come for streams that are gone. */
  #late = 0

  constructor(ticker: Ticker) {
    this.#ticker = ticker
    this.#paidAt = ticker.now
  }

  /** A request or a response came. */
  message(): void {
    this.#earn(MESSAGE_BYTES)
  }

  /** A piece of content came, or goes out. */
  content(): void {
    this.#earn(PIECE_BYTES)
  }

  /** A stream ends here whose peer may not know it yet. */
  cutStream(): void {
    this.#late = Math.min(this.#late + WINDOW_BYTES, MAX_LATE_BYTES)
  }

  /** So much came for a stream that was cut off. False: as `useless`. */
  late(bytes: number): boolean {
    const forgiven = Math.min(bytes, this.#late)
    this.#late -= forgiven
    return this.useless(bytes - forgiven)
  }

  /** So much served nothing. False: it was too much. */
  useless(bytes: number): boolean {
    const { now } = this.#ticker
    if (now !== this.#paidAt) this.#earn(((now - this.#paidAt) * FREE_BYTES_PER_SECOND) / 1000)
    this.#paidAt = now
    this.#debt += bytes
    return this.#debt <= FREE_BYTES
  }

  #earn(bytes: number): void {
    this.#debt = Math.max(this.#debt - bytes, 0)
  }
}
