/**
 * One question to an external auth service and its whole answer, bounded in bytes and time. Half an
 * answer is none.
 */
import type { Reason } from '../../../model/outcome.ts'
import { Deadline, type TimerSink } from '../../timer-wheel.ts'
import type { Upstream } from '../../upstream/contract.ts'
import type { HttpContext } from '../exchange-host.ts'
import { Forwarding, type ForwardSink, type Outgoing } from '../forward.ts'

/** Bytes of an answer's content. */
const MAX_ANSWER = 65_536

export interface AuthAnswer {
  readonly status: number
  readonly rawFields: readonly string[]
  readonly rawTrailers: readonly string[]
  readonly body: Buffer
}

export interface AuthCallSink {
  onAnswer(answer: AuthAnswer): void
  /** `detail` is one line for the log. */
  onNoAnswer(detail: string): void
  onDefect(error: unknown): void
}

export class AuthCall implements ForwardSink, TimerSink {
  readonly #sink: AuthCallSink
  readonly #deadline: Deadline
  readonly #forwarding: Forwarding
  readonly #chunks: Uint8Array[] = []
  #bytes = 0
  #status = 0
  #rawFields: readonly string[] = []
  #over = false

  constructor(upstream: Upstream, request: Outgoing, context: HttpContext, sink: AuthCallSink) {
    const { wheel } = context
    const { connectMs, headerBytes, authMs } = context.limits
    this.#sink = sink
    this.#deadline = new Deadline(context.wheel, this)
    this.#deadline.arm(authMs)
    this.#forwarding = new Forwarding(upstream, request, this, {
      connectMs,
      headerBytes,
      wheel,
    })
  }

  start(): void {
    this.#forwarding.start()
  }

  /** Idempotent; the sink hears nothing any more. */
  cancel(): void {
    this.#over = true
    this.#deadline.cancel()
    this.#forwarding.cancel()
  }

  onHead(status: number, rawFields: readonly string[]): void {
    this.#status = status
    this.#rawFields = rawFields
  }

  onData(chunk: Uint8Array, isLent: boolean): void {
    this.#bytes += chunk.length
    if (this.#bytes > MAX_ANSWER) this.#fail(`an answer of more than ${MAX_ANSWER} bytes`)
    else this.#chunks.push(isLent ? Buffer.from(chunk) : chunk)
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#over) return
    this.cancel()
    this.#sink.onAnswer({
      status: this.#status,
      rawFields: this.#rawFields,
      rawTrailers,
      body: Buffer.concat(this.#chunks),
    })
  }

  onFailure(reason: Reason, detail: string): void {
    this.#fail(`${reason}: ${detail}`)
  }

  onDeadline(): void {
    this.#fail('no answer in time')
  }

  onDefect(error: unknown): void {
    this.cancel()
    this.#sink.onDefect(error)
  }

  #fail(detail: string): void {
    if (this.#over) return
    this.cancel()
    this.#sink.onNoAnswer(detail)
  }

  onUpgrade(): void {
    this.#fail('an answer of another protocol')
  }

  onAttempt(): void {}
  onConnected(): void {}
  onInformation(): void {}
  onBodyWanted(): void {}
  onBodyChunk(): void {}
  onBodyEnd(): void {}
}
