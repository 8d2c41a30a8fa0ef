/**
 * The body of a mirrored copy: what passes by on its way to the primary, held until the mirror's
 * upstream takes it. It never pushes back; one that falls too far behind is broken off.
 */
import { Readable } from 'node:stream'
import type { ByteBudget } from './byte-budget.ts'
import type { BodyTap } from './request-body.ts'

/** Bytes that one copy may be behind. */
const MAX_BEHIND = 1024 * 1024

/** What a chunk costs beside its bytes: a body of tiny ones must not cost many times its size. */
const CHUNK_COST = 256

export class MirrorBody extends Readable implements BodyTap {
  readonly aborted = false
  readonly #memory: ByteBudget
  readonly #onDropped: () => void
  readonly #waiting: Buffer[] = []
  #held = 0
  #wanted = false
  #whole = false

  /** `onDropped`: the copy cannot be sent as a whole any more. */
  constructor(memory: ByteBudget, onDropped: () => void) {
    super()
    this.#memory = memory
    this.#onDropped = onDropped
    this.on('error', ignore)
  }

  onChunk(chunk: Buffer): void {
    if (this.destroyed) return
    if (this.#wanted) {
      this.#wanted = false
      this.push(chunk)
      return
    }
    const cost = chunk.length + CHUNK_COST
    if (this.#held + cost > MAX_BEHIND || !this.#memory.take(cost)) {
      this.#onDropped()
      return
    }
    this.#waiting.push(chunk)
    this.#held += cost
  }

  onWhole(): void {
    this.#whole = true
    if (this.#wanted) this.push(null)
  }

  onCut(): void {
    this.#onDropped()
  }

  override _read(): void {
    const chunk = this.#waiting.shift()
    if (chunk !== undefined) {
      this.#release(chunk.length + CHUNK_COST)
      this.push(chunk)
    } else if (this.#whole) this.push(null)
    else this.#wanted = true
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#waiting.length = 0
    this.#release(this.#held)
    callback(error)
  }

  #release(bytes: number): void {
    this.#held -= bytes
    this.#memory.give(bytes)
  }
}

function ignore(): void {}
