/**
 * Reads the request body to its end before anybody gets it, up to a limit, in time, and within what
 * all exchanges of a worker may hold. What was read is then sent as often as it is needed.
 */
import type { Reason } from '../../../model/outcome.ts'
import { Deadline, type TimerSink } from '../../timer-wheel.ts'
import { BodySource, type BodyWatcher } from '../body-source.ts'
import type { HttpContext } from '../exchange-host.ts'
import type { BodyFraming } from '../normalize.ts'
import { RequestBody, type RequestStream } from '../request-body.ts'

export interface HeldBodySink extends BodyWatcher {
  onHeld(): void
  onNotHeld(reason: Reason): void
  onDefect(error: unknown): void
}

export class HeldBody implements BodyWatcher, TimerSink {
  readonly body: RequestBody
  readonly #sink: HeldBodySink
  readonly #limit: number
  readonly #context: HttpContext
  readonly #deadline: Deadline
  readonly #source: BodySource
  #bytes = 0
  #isOver = false

  /** `limit` in bytes; the sink is also told of the body's pace. */
  constructor(stream: RequestStream, limit: number, context: HttpContext, sink: HeldBodySink) {
    this.body = new RequestBody(stream, limit)
    this.#sink = sink
    this.#limit = limit
    this.#context = context
    this.#deadline = new Deadline(context.wheel, this)
    this.#source = new BodySource(this.body, this)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** One that is announced as too long is not even asked for. */
  start(framing: BodyFraming): void {
    if (framing.kind === 'length' && framing.bytes > this.#limit) {
      this.#end('body-too-large')
      return
    }
    // In all: at the least pace of bodies that go on, few clients could hold everything for hours.
    this.#deadline.arm(this.#context.limits.bodyIdleMs)
    this.#source.on('end', () => this.#end(undefined))
    this.#source.resume()
  }

  /** Idempotent: nobody needs it any more. */
  release(): void {
    this.#isOver = true
    this.#deadline.cancel()
    this.#source.destroy()
    this.#context.heldBodies.give(this.#bytes)
    this.#bytes = 0
  }

  onBodyWanted(): void {
    if (!this.#isOver) this.#sink.onBodyWanted()
  }

  onBodyChunk(bytes: number, more: boolean): void {
    this.#sink.onBodyChunk(bytes, more)
    if (this.#isOver) return
    if (this.#bytes + bytes > this.#limit) this.#end('body-too-large')
    else if (this.#context.heldBodies.take(bytes)) this.#bytes += bytes
    else this.#end('overload')
  }

  onBodyEnd(): void {
    this.#sink.onBodyEnd()
  }

  onDeadline(): void {
    this.#end('body-timeout')
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  #end(reason: Reason | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadline.cancel()
    if (reason === undefined) {
      this.#sink.onHeld()
      return
    }
    this.#source.destroy()
    this.#sink.onNotHeld(reason)
  }
}
