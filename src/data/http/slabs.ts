/**
 * Memory in which bodies are gathered on their way out, used again and again: large buffers that live
 * for one write each would bring the collector in every few hundred of them. Of a thread; a bounded
 * number, so that slow clients cannot have more.
 */

export const SLAB_BYTES = 131_072
/** 8 MiB. */
const MAX_SLABS = 64

/** What nobody has taken for as long is let go, but for one. */
const IDLE_MS = 1000

export class Slabs {
  readonly #idle: Buffer[] = []
  #made = 0
  /** The fewest that were idle since the last look. */
  #spare = 0
  #looks: NodeJS.Timeout | undefined

  /** What is in it is of somebody else. undefined: all are in use. */
  take(): Buffer | undefined {
    const slab = this.#idle.pop()
    if (this.#idle.length < this.#spare) this.#spare = this.#idle.length
    if (slab !== undefined || this.#made === MAX_SLABS) return slab
    this.#made += 1
    return Buffer.allocUnsafeSlow(SLAB_BYTES)
  }

  /** Nobody reads it any more. undefined: somebody might, and it is not to be used again. */
  give(slab: Buffer | undefined): void {
    if (slab === undefined) this.#made -= 1
    else if (this.#idle.push(slab) > 1) {
      this.#looks ??= setInterval(() => this.#letGo(), IDLE_MS).unref()
    }
  }

  #letGo(): void {
    const idle = this.#idle
    this.#made -= idle.splice(0, Math.min(this.#spare, idle.length - 1)).length
    this.#spare = idle.length
    if (this.#spare > 1) return
    clearInterval(this.#looks)
    this.#looks = undefined
  }
}

const ofThread = new Slabs()

export function takeSlab(): Buffer | undefined {
  return ofThread.take()
}

export function giveSlab(slab: Buffer | undefined): void {
  ofThread.give(slab)
}
