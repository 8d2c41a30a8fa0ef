/**
 * A request body on its way to one upstream attempt: pulled, never buffered beyond one chunk. It is
 * a stream of its own, so that an upstream client may destroy it without touching the downstream
 * socket.
 */
import { Readable } from 'node:stream'
import type { RequestBody, RequestStream } from './request-body.ts'

export interface BodyWatcher {
  /** The upstream wants more; before the first chunk this is where 100 Continue belongs. */
  onBodyWanted(): void
  /** `more`: the upstream takes more at once. */
  onBodyChunk(bytes: number, more: boolean): void
  onBodyEnd(): void
}

export class BodySource extends Readable {
  readonly #body: RequestBody
  readonly #source: RequestStream
  readonly #watcher: BodyWatcher
  #attached = false

  constructor(body: RequestBody, watcher: BodyWatcher) {
    super({ highWaterMark: 65_536 })
    this.#body = body
    this.#source = body.stream
    this.#watcher = watcher
    // Whoever destroys it has its own way to say why.
    this.on('error', ignore)
  }

  override _read(): void {
    this.#watcher.onBodyWanted()
    if (!this.#attached) {
      this.#attached = true
      const { replay } = this.#body
      if (replay.length > 0) this.push(replay)
      this.#source.on('data', this.#onData)
      this.#source.on('end', this.#onEnd)
    }
    if (this.#source.readableEnded) this.#onEnd()
    else this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (this.#attached) {
      this.#source.off('data', this.#onData)
      this.#source.off('end', this.#onEnd)
      this.#source.pause()
    }
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#body.passed(chunk)
    const more = this.push(chunk)
    if (!more) this.#source.pause()
    this.#watcher.onBodyChunk(chunk.length, more)
  }

  /** Node ends an HTTP/2 stream that was reset too: half a body must not pass for a whole one. */
  readonly #onEnd = (): void => {
    if (this.#source.aborted) {
      this.destroy(new Error('the request broke off'))
      return
    }
    this.#body.ended()
    this.#watcher.onBodyEnd()
    this.push(null)
  }
}

function ignore(): void {}
