/**
 * A request body on its way to one upstream attempt: pulled, and nothing of it held here. It is apart
 * from the downstream stream, so that an upstream client may give it up without touching the socket.
 */
import type { RequestBody, RequestStream } from './request-body.ts'
import type { UpstreamBody } from './upstream-client.ts'

export interface BodyWatcher {
  /** The upstream wants more; before the first chunk this is where 100 Continue belongs. */
  onBodyWanted(): void
  /** `more`: the upstream takes more at once. */
  onBodyChunk(bytes: number, more: boolean): void
  onBodyEnd(): void
}

type Listener = (chunk: Buffer) => void

/** With one listener for each event; a Readable of its own is 6 % of a gRPC call. */
export class BodySource implements UpstreamBody {
  readonly #body: RequestBody
  readonly #source: RequestStream
  readonly #watcher: BodyWatcher
  #onChunk: Listener | undefined
  #onWhole: (() => void) | undefined
  #onCut: (() => void) | undefined
  #attached = false
  #flows = false
  #isOver = false

  constructor(body: RequestBody, watcher: BodyWatcher) {
    this.#body = body
    this.#source = body.stream
    this.#watcher = watcher
  }

  on(event: 'data', listener: Listener): void
  on(event: 'end' | 'close', listener: () => void): void
  on(event: 'data' | 'end' | 'close', listener: Listener): void {
    if (event === 'data') this.#onChunk = listener
    else if (event === 'end') this.#onWhole = listener as () => void
    else this.#onCut = listener as () => void
  }

  off(event: 'data' | 'end' | 'close'): void {
    if (event === 'data') this.#onChunk = undefined
    else if (event === 'end') this.#onWhole = undefined
    else this.#onCut = undefined
  }

  resume(): void {
    if (this.#flows || this.#isOver) return
    this.#flows = true
    this.#watcher.onBodyWanted()
    if (!this.#attached) this.#attach()
    // What was kept of it may have been too much already.
    if (!this.#flows) return
    if (this.#source.readableEnded) this.#onEnd()
    else this.#source.resume()
  }

  pause(): void {
    if (!this.#flows) return
    this.#flows = false
    this.#source.pause()
  }

  /** Idempotent: nothing more is wanted, and nothing more is told. */
  destroy(): void {
    if (this.#isOver) return
    this.#leave()
    if (this.#attached) this.#source.pause()
  }

  #attach(): void {
    this.#attached = true
    this.#source.on('data', this.#onData)
    this.#source.on('end', this.#onEnd)
    const { replay } = this.#body
    if (replay.length > 0) this.#onChunk?.(replay)
  }

  #leave(): void {
    this.#isOver = true
    this.#flows = false
    if (!this.#attached) return
    this.#source.off('data', this.#onData)
    this.#source.off('end', this.#onEnd)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#body.passed(chunk)
    this.#onChunk?.(chunk)
    this.#watcher.onBodyChunk(chunk.length, this.#flows)
  }

  /** Node ends an HTTP/2 stream that was reset too: half a body must not pass for a whole one. */
  readonly #onEnd = (): void => {
    if (this.#isOver) return
    this.#leave()
    if (this.#source.aborted) {
      this.#onCut?.()
      return
    }
    this.#body.ended()
    this.#watcher.onBodyEnd()
    this.#onWhole?.()
  }
}
