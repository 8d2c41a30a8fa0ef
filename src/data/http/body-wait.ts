/**
 * The limit on a request body that somebody waits for: one of a known length must make progress,
 * one without may be a stream of rare messages (security.md 2.3).
 */
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'

/** Bytes of a body of known length that must come within `idleMs` (17 B/s by default). */
const MIN_PROGRESS = 1024

export class BodyWait {
  readonly #deadline: Deadline
  readonly #idleMs: number
  #isWaiting = false
  #enough = 1
  #progress = 0

  /** `sink`'s deadline fires when too little came within `idleMs` milliseconds. */
  constructor(wheel: TimerWheel, sink: TimerSink, idleMs: number) {
    this.#deadline = new Deadline(wheel, sink)
    this.#idleMs = idleMs
  }

  /** Idempotent while it lasts. */
  begin(hasLength: boolean): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#enough = hasLength ? MIN_PROGRESS : 1
    this.#restart()
  }

  progress(bytes: number): void {
    if (!this.#isWaiting) return
    this.#progress += bytes
    if (this.#progress >= this.#enough) this.#restart()
  }

  end(): void {
    this.#isWaiting = false
    this.#deadline.cancel()
  }

  /** Whether `timer` is this wait's. */
  owns(timer: Deadline): boolean {
    return timer === this.#deadline
  }

  #restart(): void {
    this.#progress = 0
    this.#deadline.arm(this.#idleMs)
  }
}
