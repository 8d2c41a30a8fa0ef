/**
 * The tries of one exchange: the same request sent again by the rule's retry, a limit for each try
 * and a pause before the next (GEP-1731; digest section 4.3). Created when the request is ready to go.
 */
import type { HttpRetry } from '../../model/http.ts'
import type { Reason } from '../../model/outcome.ts'
import { Deadline, type TimerSink } from '../timer-wheel.ts'
import type { Upstream } from '../upstream/contract.ts'
import { Forwarding, type ForwardOptions, type ForwardSink, type Outgoing } from './forward.ts'
import { Retries } from './retry.ts'

export interface TriesSink extends ForwardSink {
  /** A try took longer than its limit, and none follows. */
  onTryTimeout(): void
}

export interface TriesOptions {
  readonly retry: HttpRetry | undefined
  /** For each try, until its response ends; undefined or 0: none. */
  readonly tryMs: number | undefined
  readonly forward: ForwardOptions
}

export class Tries implements TimerSink {
  readonly #upstream: Upstream
  readonly #request: Outgoing
  readonly #sink: TriesSink
  readonly #options: TriesOptions
  readonly #retries: Retries | undefined
  /** Made when they are needed, as few requests do. */
  #limit: Deadline | undefined
  #pause: Deadline | undefined
  #current: Forwarding | undefined
  #isSettled = false

  constructor(upstream: Upstream, request: Outgoing, sink: TriesSink, options: TriesOptions) {
    this.#upstream = upstream
    this.#request = request
    this.#sink = sink
    this.#options = options
    const { retry } = options
    this.#retries = retry && new Retries(retry, request.method)
  }

  start(): void {
    const { forward } = this.#options
    this.#current = new Forwarding(this.#upstream, this.#request, this.#sink, forward)
    this.#current.start()
  }

  /** The current try turns to an endpoint. */
  attemptBegan(): void {
    const { tryMs } = this.#options
    if (!tryMs) return
    this.#limit ??= this.#deadline()
    this.#limit.arm(tryMs)
  }

  /** true: another try takes the place of the one that was answered so. */
  againAfterStatus(status: number): boolean {
    return this.#again(this.#open?.afterStatus(status))
  }

  /** true: another try takes the place of the one that brought no answer. */
  againAfterFailure(reason: Reason): boolean {
    return this.#again(this.#open?.afterFailure(reason))
  }

  /** The client has seen an answer: no further try. The limit of this one stays. */
  settle(): void {
    this.#isSettled = true
    this.#pause?.cancel()
  }

  /** The response is whole: its limit no longer counts. */
  finish(): void {
    this.#limit?.cancel()
  }

  /** Idempotent: cancels what runs. */
  stop(): void {
    this.settle()
    this.finish()
    this.#current?.cancel()
  }

  pause(): void {
    this.#current?.pause()
  }

  resume(): void {
    this.#current?.resume()
  }

  onDeadline(timer: Deadline): void {
    if (timer === this.#pause) this.start()
    else if (!this.againAfterFailure('backend-timeout')) this.#sink.onTryTimeout()
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  /** undefined: no further try can be made, whatever became of this one. */
  get #open(): Retries | undefined {
    return !this.#isSettled && (this.#request.body?.replayable ?? true) ? this.#retries : undefined
  }

  #again(pauseMs: number | undefined): boolean {
    if (pauseMs === undefined) return false
    this.#current?.cancel()
    this.#limit?.cancel()
    this.#sink.onBodyEnd()
    this.#pause ??= this.#deadline()
    this.#pause.arm(pauseMs)
    return true
  }

  #deadline(): Deadline {
    return new Deadline(this.#options.forward.wheel, this)
  }
}
