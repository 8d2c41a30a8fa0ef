/**
 * What content a connection lets go: as much as its peer's window (RFC 9113 section 6.9) and its socket
 * take. Streams that have more wait in their order.
 */
import type { FrameOutput } from './output.ts'
import { type Http2SessionStream, INITIAL_WINDOW, MAX_WINDOW } from './stream.ts'

export class SendWindow {
  readonly #output: FrameOutput
  #bytes = INITIAL_WINDOW
  #waiting: Http2SessionStream[] = []

  constructor(output: FrameOutput) {
    this.#output = output
  }

  /** As much of `bytes` as can go now. */
  allowance(bytes: number): number {
    return this.#output.isBlocked ? 0 : Math.min(bytes, this.#bytes)
  }

  spend(bytes: number): void {
    this.#bytes -= bytes
  }

  /** False: more than a peer may allow. */
  widen(bytes: number): boolean {
    this.#bytes += bytes
    return this.#bytes <= MAX_WINDOW
  }

  /** Its `flushQueue` is called when something can go. */
  wait(stream: Http2SessionStream): void {
    if (stream.waits) return
    stream.waits = true
    this.#waiting.push(stream)
  }

  forget(stream: Http2SessionStream): void {
    if (!stream.waits) return
    stream.waits = false
    this.#waiting = this.#waiting.filter((one) => one !== stream)
  }

  forgetAll(): void {
    this.#waiting = []
  }

  /** Something may be able to go: who has to wait again does so behind the others. */
  resume(): void {
    for (let left = this.#waiting.length; left > 0 && this.allowance(1) > 0; left -= 1) {
      const stream = this.#waiting.shift()
      if (stream === undefined) return
      stream.waits = false
      stream.flushQueue()
    }
  }
}
