/**
 * Deadlines of connections: one coarse timer for all of them instead of a Timeout each. A deadline
 * fires up to one tick late, never early. Moving one (idle limits) is a write to a field.
 */
import type { Clock } from '../base/clock.ts'

const SLOTS = 512

/** What a deadline calls; implemented by the owner, so that arming makes no closure. */
export interface TimerSink {
  onDeadline(timer: Deadline): void
}

/** One owner's deadline. It may be armed again and again. */
export class Deadline {
  readonly #wheel: TimerWheel
  readonly #sink: TimerSink
  /** Monotonic milliseconds; Infinity: not armed. */
  #at = Infinity
  /** Whether some slot of the wheel holds it. */
  #queued = false

  constructor(wheel: TimerWheel, sink: TimerSink) {
    this.#wheel = wheel
    this.#sink = sink
  }

  /** Fires `delayMs` from now, instead of any earlier arming. */
  arm(delayMs: number): void {
    this.#at = this.#wheel.now + delayMs
    if (this.#queued) return
    this.#queued = true
    this.#wheel.queue(this, this.#at)
  }

  cancel(): void {
    this.#at = Infinity
  }

  /** Called by the wheel when the slot that holds this deadline comes up. */
  visit(now: number): void {
    this.#queued = false
    if (this.#at === Infinity) return
    if (this.#at <= now) {
      this.#at = Infinity
      this.#sink.onDeadline(this)
      return
    }
    this.#queued = true
    this.#wheel.queue(this, this.#at)
  }
}

/** Lives as long as its worker; `stop` ends its only interval. */
export class TimerWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #slots: Deadline[][] = Array.from({ length: SLOTS }, () => [])
  #tick = 0
  #now: number
  readonly #interval: NodeJS.Timeout

  constructor(clock: Clock, tickMs = 50) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#now = clock.monotonic()
    this.#interval = setInterval(() => this.advance(), tickMs)
    this.#interval.unref()
  }

  /** Monotonic milliseconds, at most one tick old while the event loop is free. */
  get now(): number {
    return this.#now
  }

  queue(deadline: Deadline, at: number): void {
    const ticks = Math.ceil((at - this.#now) / this.#tickMs)
    // A far deadline is looked at once a round and queued again.
    const ahead = Math.min(Math.max(ticks, 1), SLOTS - 1)
    this.#slots[(this.#tick + ahead) % SLOTS]?.push(deadline)
  }

  /** One tick; late ticks of a busy event loop are caught up slot by slot. */
  advance(): void {
    const now = this.#clock.monotonic()
    const ticks = Math.min(Math.max(1, Math.floor((now - this.#now) / this.#tickMs)), SLOTS)
    this.#now = now
    for (let i = 0; i < ticks; i++) {
      this.#tick = (this.#tick + 1) % SLOTS
      const due = this.#slots[this.#tick] ?? []
      if (due.length === 0) continue
      this.#slots[this.#tick] = []
      for (const deadline of due) deadline.visit(now)
    }
  }

  stop(): void {
    clearInterval(this.#interval)
  }
}
