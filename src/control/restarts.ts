/** When a worker that ended is started again: at once, then ever later while it keeps ending. */
import type { Clock } from '../base/clock.ts'

const FIRST_DELAY_MS = 100
const LAST_DELAY_MS = 10_000
/** A worker that lived this long was sound: its end starts a new count. */
const STABLE_MS = 30_000
/** So many ends in a row are worth an operator's attention. */
const LOOP = 3

export class Restarts {
  readonly #clock: Clock
  #ends = 0
  #startedAt: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.monotonic()
  }

  started(): void {
    this.#startedAt = this.#clock.monotonic()
  }

  /** Milliseconds to wait before the next start. */
  ended(): number {
    if (this.#clock.monotonic() - this.#startedAt >= STABLE_MS) this.#ends = 0
    this.#ends += 1
    return Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#ends - 1))
  }

  /** The ends so far were no fault of its own. */
  forgive(): void {
    this.#ends = 0
  }

  /** How often it ended in a row; 0 while it looks sound. */
  get loop(): number {
    const sound = this.#clock.monotonic() - this.#startedAt >= STABLE_MS
    return !sound && this.#ends >= LOOP ? this.#ends : 0
  }
}
