/**
 * Deadlines of connections: one coarse timer for all of them instead of a Timeout each. A deadline
 * fires up to two ticks late, never early. Moving one (idle limits) is a write to a field.
 */
import type { Clock } from '../base/clock.ts'

const SLOTS = 512
/** Times are whole milliseconds and this is one, too: V8 boxes a field that ever was no small integer. */
const NEVER = -1

/** What a deadline calls; implemented by the owner, so that arming makes no closure. */
export interface TimerSink {
  onDeadline(timer: Deadline): void
  /** It threw: a fault of ours, which costs the owner's connection and no other. */
  onDefect(error: unknown): void
}

/** One owner's deadline. It may be armed again and again. */
export class Deadline {
  readonly #wheel: TimerWheel
  readonly #sink: TimerSink
  /** Monotonic milliseconds. */
  #at = NEVER
  /** The tick at which the wheel looks at it next, and its neighbours there: the wheel's own. */
  visitTick = NEVER
  next: Deadline | undefined = undefined
  previous: Deadline | undefined = undefined

  constructor(wheel: TimerWheel, sink: TimerSink) {
    this.#wheel = wheel
    this.#sink = sink
  }

  /** Fires `delayMs` from now, instead of any earlier arming. */
  arm(delayMs: number): void {
    this.#at = this.#wheel.after(delayMs)
    // A later time is found out when the earlier visit comes: moving out costs nothing.
    this.#wheel.look(this, this.#at)
  }

  /** The wheel lets go of it, and with it of its owner. */
  cancel(): void {
    this.#at = NEVER
    this.#wheel.forget(this)
  }

  /** Called by the wheel, which holds it no more, when its slot comes up. */
  visit(now: number): void {
    if (this.#at > now) {
      this.#wheel.look(this, this.#at)
      return
    }
    this.#at = NEVER
    try {
      this.#sink.onDeadline(this)
    } catch (error) {
      this.#sink.onDefect(error)
    }
  }
}

/** Lives as long as its worker; `stop` ends its only interval. Without deadlines nothing ticks. */
export class TimerWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  /** The first of each slot's list. */
  readonly #slots: (Deadline | undefined)[] = new Array(SLOTS).fill(undefined)
  #queued = 0
  #tick = 0
  #now = 0
  #interval: NodeJS.Timeout | undefined

  constructor(clock: Clock, tickMs = 50) {
    this.#clock = clock
    this.#tickMs = tickMs
  }

  /** Whole monotonic milliseconds, up to a tick old. */
  get now(): number {
    return this.#interval === undefined ? this.#read() : this.#now
  }

  /** When something that lasts `delayMs` from now is over for certain, as old as `now` may be. */
  after(delayMs: number): number {
    // The last one is what `now` was rounded by.
    return this.now + Math.ceil(delayMs) + this.#tickMs + 1
  }

  /** Visits the deadline at the time `at`, or earlier: a far one is looked at once a round. */
  look(deadline: Deadline, at: number): void {
    this.#start()
    const ahead = Math.ceil((at - this.#now) / this.#tickMs)
    const tick = this.#tick + Math.min(Math.max(ahead, 1), SLOTS - 1)
    if (deadline.visitTick !== NEVER && tick >= deadline.visitTick) return
    this.forget(deadline)
    const first = this.#slots[tick % SLOTS]
    deadline.visitTick = tick
    deadline.next = first
    if (first !== undefined) first.previous = deadline
    this.#slots[tick % SLOTS] = deadline
    this.#queued++
  }

  /** Idempotent. */
  forget(deadline: Deadline): void {
    const { visitTick, next, previous } = deadline
    if (visitTick === NEVER) return
    if (previous === undefined) this.#slots[visitTick % SLOTS] = next
    else previous.next = next
    if (next !== undefined) next.previous = previous
    deadline.visitTick = NEVER
    deadline.next = undefined
    deadline.previous = undefined
    this.#queued--
  }

  stop(): void {
    clearInterval(this.#interval)
    this.#interval = undefined
  }

  #read(): number {
    return Math.floor(this.#clock.monotonic())
  }

  #start(): void {
    if (this.#interval !== undefined) return
    this.#now = this.#read()
    this.#interval = setInterval(() => this.#advance(), this.#tickMs)
    this.#interval.unref()
  }

  /** One tick; those that a busy event loop missed are caught up slot by slot. */
  #advance(): void {
    const now = this.#read()
    const ticks = Math.min(Math.max(1, Math.round((now - this.#now) / this.#tickMs)), SLOTS)
    this.#now = now
    for (let i = 0; i < ticks; i++) {
      this.#tick++
      // What is queued meanwhile comes into another slot: less than a round ahead.
      for (;;) {
        const due = this.#slots[this.#tick % SLOTS]
        if (due === undefined) break
        this.forget(due)
        due.visit(now)
      }
    }
    // Not when the last one is cancelled: requests that follow each other would start it anew each.
    if (this.#queued === 0) this.stop()
  }
}
