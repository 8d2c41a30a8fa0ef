/**
 * The flows of one bind: found by client and local address, expired when silent, evicted when there
 * are too many. A storm of datagrams from made-up ports must not push out those who really talk
 * (as in connection tracking): flows without an answer, or with a single one, go first.
 */
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'
import type { Flow } from './flow.ts'
import { FlowList } from './flow-list.ts'

/** A refused flow swallows what its client sends for so long: a log line a second, not one a datagram. */
const REFUSED_HOLD_MS = 1000
/** While draining, silence of this length means that a flow has nothing more to say. */
const DRAIN_IDLE_MS = 1000
/**
 * Where a successor has the sockets nobody waits for us: as long as a client waits for an answer
 * (resolv.conf(5), timeout).
 */
const ANSWER_MS = 5000

/**
 * Evictions in one tick of the wheel (50 ms). A flow costs ten times what dropping a datagram does:
 * without a bound a storm would take all the time there is from those who talk.
 */
const EVICTIONS_PER_TICK = 400

/** How many flows all binds of a worker may have: UDP shall not use up the descriptors of TCP. */
export class FlowBudget {
  readonly max: number
  used = 0

  constructor(max: number) {
    this.max = max
  }
}

export interface FlowTableOptions {
  readonly wheel: TimerWheel
  readonly budget: FlowBudget
  /** Of this bind. */
  readonly maxFlows: number
  readonly idleMs: number
  /** The last flow ended. */
  onEmpty(): void
  /** A fault of ours. */
  onDefect(error: unknown): void
}

export class FlowTable implements TimerSink {
  readonly #options: FlowTableOptions
  readonly #flows = new Map<string, Flow>()
  readonly #refused = new FlowList(REFUSED_HOLD_MS)
  /** Not yet seen to be a conversation: the client has not sent again after an answer. */
  readonly #tentative: FlowList
  readonly #assured: FlowList
  readonly #deadline: Deadline
  #dueAt = Infinity
  #evictionTick = 0
  #evictions = 0
  /** Datagrams for which there was no room since the last eviction. */
  #turnedAway = 0

  constructor(options: FlowTableOptions) {
    this.#options = options
    this.#tentative = new FlowList(options.idleMs)
    this.#assured = new FlowList(options.idleMs)
    this.#deadline = new Deadline(options.wheel, this)
  }

  get size(): number {
    return this.#flows.size
  }

  get flows(): readonly Flow[] {
    return [...this.#flows.values()]
  }

  find(key: string): Flow | undefined {
    return this.#flows.get(key)
  }

  /** Room for one more, by eviction where needed; false: the datagram is dropped. */
  makeRoom(): boolean {
    const { budget, maxFlows } = this.#options
    if (this.#flows.size < maxFlows && budget.used < budget.max) return true
    const oldest = this.#refused.head ?? this.#tentative.head ?? this.#assured.head
    if (oldest === undefined || !this.#mayEvict()) {
      this.#turnedAway++
      return false
    }
    const others = this.#turnedAway === 0 ? '' : `; ${this.#turnedAway} newcomers dropped`
    this.#turnedAway = 0
    oldest.end({ reason: 'overload', detail: `evicted: too many flows${others}` })
    return true
  }

  add(flow: Flow): void {
    this.#flows.set(flow.key, flow)
    this.#options.budget.used++
    this.#place(flow, this.#tentative)
  }

  /** It will not be forwarded: from here on it waits for its end. */
  refuse(flow: Flow): void {
    this.#place(flow, this.#refused)
  }

  /** Something moved on it. */
  touch(flow: Flow): void {
    const list = flow.isAssured ? this.#assured : this.#tentative
    flow.movedAt = this.#options.wheel.now
    list.append(flow)
  }

  delete(flow: Flow): void {
    // A flow that was never added, or is gone already.
    if (this.#flows.get(flow.key) !== flow) return
    this.#flows.delete(flow.key)
    FlowList.remove(flow)
    this.#options.budget.used--
    if (this.#flows.size === 0) this.#options.onEmpty()
  }

  /** What is silent ends soon; with a successor it only gets answers. */
  drain(hasSuccessor = false): void {
    const { idleMs } = this.#options
    const holdMs = Math.min(idleMs, hasSuccessor ? ANSWER_MS : DRAIN_IDLE_MS)
    this.#tentative.holdMs = holdMs
    this.#assured.holdMs = holdMs
    this.#schedule()
  }

  onDeadline(): void {
    this.#dueAt = Infinity
    const { now } = this.#options.wheel
    for (const list of [this.#refused, this.#tentative, this.#assured]) {
      while (list.head !== undefined && list.dueAt <= now) list.head.expire()
    }
    this.#schedule()
  }

  onDefect(error: unknown): void {
    this.#options.onDefect(error)
  }

  #mayEvict(): boolean {
    const { now } = this.#options.wheel
    if (now !== this.#evictionTick) {
      this.#evictionTick = now
      this.#evictions = 0
    }
    this.#evictions++
    return this.#evictions <= EVICTIONS_PER_TICK
  }

  #place(flow: Flow, list: FlowList): void {
    flow.movedAt = this.#options.wheel.now
    list.append(flow)
    this.#schedule()
  }

  /** A later time is found out when the deadline comes: touching a flow arms nothing. */
  #schedule(): void {
    const dueAt = Math.min(this.#refused.dueAt, this.#tentative.dueAt, this.#assured.dueAt)
    if (dueAt >= this.#dueAt) return
    this.#dueAt = dueAt
    this.#deadline.arm(Math.max(0, dueAt - this.#options.wheel.now))
  }
}
