/**
 * Deadlines of connections: one coarse timer for all of them instead of a Timeout each. A deadline
 * fires up to two ticks late, never early. Moving one (idle limits) is a write to a field.
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
  /** The tick at which the wheel looks at it next; Infinity: it is in no slot. */
  #visitTick = Infinity

  constructor(wheel: TimerWheel, sink: TimerSink) {
    this.#wheel = wheel
    this.#sink = sink
  }

  /** Fires `delayMs` from now, instead of any earlier arming. */
  arm(delayMs: number): void {
    this.#at = this.#wheel.after(delayMs)
    const tick = this.#wheel.tickOf(this.#at)
    // A later time is found out when the earlier visit comes: moving out costs nothing.
    if (tick < this.#visitTick) this.#queue(tick)
  }

  cancel(): void {
    this.#at = Infinity
  }

  /** Called by the wheel when a slot that holds this deadline comes up. */
  visit(tick: number, now: number): void {
    // Left over from before it was moved in: another slot holds it as well.
    if (tick < this.#visitTick) return
    this.#visitTick = Infinity
    if (this.#at === Infinity) return
    if (this.#at > now) {
      this.#queue(this.#wheel.tickOf(this.#at))
      return
    }
    this.#at = Infinity
    this.#sink.onDeadline(this)
  }

  #queue(tick: number): void {
    this.#visitTick = tick
    this.#wheel.queue(this, tick)
  }
}

/** Lives as long as its worker; `stop` ends its only interval. Without deadlines nothing ticks. */
export class TimerWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #slots: Deadline[][] = Array.from({ length: SLOTS }, () => [])
  #queued = 0
  #tick = 0
  #now = 0
  #interval: NodeJS.Timeout | undefined

  constructor(clock: Clock, tickMs = 50) {
    this.#clock = clock
    this.#tickMs = tickMs
  }

  /** Monotonic milliseconds, up to a tick old. */
  get now(): number {
    return this.#interval === undefined ? this.#clock.monotonic() : this.#now
  }

  /** When something that lasts `delayMs` from now is over for certain, as old as `now` may be. */
  after(delayMs: number): number {
    return this.now + delayMs + this.#tickMs
  }

  /** The tick to look at a deadline; a far one is looked at once a round. Starts the wheel. */
  tickOf(at: number): number {
    this.#start()
    const ahead = Math.ceil((at - this.#now) / this.#tickMs)
    return this.#tick + Math.min(Math.max(ahead, 1), SLOTS - 1)
  }

  queue(deadline: Deadline, tick: number): void {
    this.#slots[tick % SLOTS]?.push(deadline)
    this.#queued++
  }

  stop(): void {
    clearInterval(this.#interval)
    this.#interval = undefined
  }

  #start(): void {
    if (this.#interval !== undefined) return
    this.#now = this.#clock.monotonic()
    this.#interval = setInterval(() => this.#advance(), this.#tickMs)
    this.#interval.unref()
  }

  /** One tick; those that a busy event loop missed are caught up slot by slot. */
  #advance(): void {
    const now = this.#clock.monotonic()
    const ticks = Math.min(Math.max(1, Math.round((now - this.#now) / this.#tickMs)), SLOTS)
    this.#now = now
    for (let i = 0; i < ticks; i++) {
      this.#tick++
      const due = this.#slots[this.#tick % SLOTS] ?? []
      if (due.length === 0) continue
      this.#slots[this.#tick % SLOTS] = []
      this.#queued -= due.length
      for (const deadline of due) deadline.visit(this.#tick, now)
    }
    if (this.#queued === 0) this.stop()
  }
}
