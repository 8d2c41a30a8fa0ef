/**
 * One downstream HTTP connection: counts its exchanges, watches idleness, drains. What differs
 * between HTTP/1.1 and HTTP/2 is behind `Protocol`.
 */
import type { Linked } from '../../base/linked-list.ts'
import type { Outcome } from '../../model/outcome.ts'
import { Deadline, type TimerSink } from '../timer-wheel.ts'
import type { HttpDownstream } from './contract.ts'
import type { ExchangeHost, HttpContext } from './exchange-host.ts'

/**
 * A drain leaves an idle connection this long: a request that is on its way to us is answered with
 * `connection: close`, where closing at once would have lost it.
 */
const LAST_REQUEST_MS = 500

/** How a connection of one protocol is closed. */
export interface Protocol {
  /** No new exchange; running ones may finish. */
  drain(): void
  /** Nothing runs: close now. */
  closeIdle(): void
  /** An exchange is over; the next may begin. */
  onExchangeEnded(): void
  /** No request came in time. */
  onSilence(): void
}

export interface ConnectionSet {
  add(connection: HttpConnection): void
  remove(connection: HttpConnection): void
  exchangeStarted(): void
  exchangeEnded(): void
}

export class HttpConnection implements ExchangeHost, TimerSink, Linked<HttpConnection> {
  linkedIn: unknown = undefined
  linkedNext: HttpConnection | undefined = undefined
  linkedPrevious: HttpConnection | undefined = undefined
  readonly downstream: HttpDownstream
  readonly context: HttpContext
  readonly #set: ConnectionSet
  readonly #idle: Deadline
  readonly #unsubscribe: () => void
  #protocol: Protocol | undefined
  #active = 0
  /** A request is due, or has begun. */
  #awaitsHead = true
  /** It has begun. */
  #isInHead = false
  #draining = false
  #ended = false

  constructor(downstream: HttpDownstream, context: HttpContext, set: ConnectionSet) {
    this.downstream = downstream
    this.context = context
    this.#set = set
    this.#idle = new Deadline(context.wheel, this)
    this.#unsubscribe = downstream.slot.onRetired(() => this.drain())
    set.add(this)
  }

  get draining(): boolean {
    return this.#draining
  }

  get active(): number {
    return this.#active
  }

  /** The first request has the time of a request head, later ones that of keep-alive. */
  start(protocol: Protocol): void {
    this.#protocol = protocol
    this.#idle.arm(this.context.limits.headersMs)
  }

  /** Some of a request is here; for all of its head there is so much time from the first byte on. */
  headBegan(): void {
    if (this.#isInHead) return
    this.#isInHead = true
    if (this.#awaitsHead && !this.#draining) return
    this.#awaitsHead = true
    this.#idle.arm(this.context.limits.headersMs)
  }

  exchangeStarted(): void {
    this.#active += 1
    this.#awaitsHead = false
    this.#isInHead = false
    this.#idle.cancel()
    this.downstream.exchangeStarted()
    this.#set.exchangeStarted()
  }

  exchangeEnded(): void {
    this.#active -= 1
    this.#set.exchangeEnded()
    if (this.#ended) return
    try {
      this.#goOn()
    } catch (error) {
      this.downstream.fail(error)
    }
  }

  #goOn(): void {
    this.#protocol?.onExchangeEnded()
    if (this.#active > 0) return
    // An answer that had begun before the drain could not say that it is the last.
    if (this.#draining) this.#idle.arm(LAST_REQUEST_MS)
    else if (!this.#awaitsHead) this.#idle.arm(this.context.limits.httpIdleMs)
  }

  drain(): void {
    if (this.#draining || this.#ended) return
    this.serveOne()
    if (this.#active === 0 && !this.#isInHead) this.#idle.arm(LAST_REQUEST_MS)
  }

  /** For a connection that comes while its worker drains: its client has already sent, or soon will. */
  serveOne(): void {
    if (this.#draining || this.#ended) return
    this.#draining = true
    this.#protocol?.drain()
  }

  onDeadline(): void {
    if (this.#active > 0) return
    const isSilent = this.#isInHead || (this.#awaitsHead && !this.#draining)
    if (isSilent) this.#protocol?.onSilence()
    // A busy loop comes to its timers before it reads what has arrived long since.
    else setImmediate(closeIdle, this)
  }

  /** Still nothing runs: close. */
  closeIdle(): void {
    if (this.#active === 0 && !this.#isInHead) this.#protocol?.closeIdle()
  }

  onDefect(error: unknown): void {
    this.downstream.fail(error)
  }

  /** Idempotent: the L4 side closes the socket and writes its line. */
  end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    this.#idle.cancel()
    this.#unsubscribe()
    this.#set.remove(this)
    this.downstream.end(outcome)
  }
}

function closeIdle(connection: HttpConnection): void {
  try {
    connection.closeIdle()
  } catch (error) {
    connection.onDefect(error)
  }
}
