/** Connects a connection of the relay thread to its upstream; the thread keeps the time. */
import type { Dial } from '../backend.ts'
import { type DialSink, dialReason } from '../dial.ts'
import type { NativeAccepted, Target, UpstreamSink } from './accepted.ts'

/** One attempt. Exactly one call to the sink, later than the constructor, unless cancelled. */
export class NativeDial implements Dial, UpstreamSink {
  readonly #downstream: NativeAccepted
  readonly #attempt: number
  #sink: DialSink | undefined

  constructor(downstream: NativeAccepted, target: Target, sink: DialSink) {
    this.#downstream = downstream
    this.#sink = sink
    this.#attempt = downstream.connect(target, this)
  }

  /** The connect is given up with the downstream, or with its next attempt. */
  cancel(): void {
    this.#sink = undefined
  }

  onConnected(attempt: number): void {
    if (attempt === this.#attempt) this.#take()?.onConnected(this.#downstream)
  }

  onRefused(attempt: number, errno: string): void {
    if (attempt === this.#attempt) this.#take()?.onDialFailed(dialReason(errno), errno)
  }

  #take(): DialSink | undefined {
    const sink = this.#sink
    this.#sink = undefined
    return sink
  }
}
