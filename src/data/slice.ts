/** Long work in short turns, so that the sockets of the same event loop are served in between. */
import { setImmediate } from 'node:timers/promises'

const SLICE_MS = 8

/** Gives the event loop a turn whenever a slice of time is used up. */
export class Slice {
  #start = performance.now()

  /** To be asked first in loops over thousands of small steps: a promise costs as much as they do. */
  get isOver(): boolean {
    return performance.now() - this.#start >= SLICE_MS
  }

  async breathe(): Promise<void> {
    if (!this.isOver) return
    await setImmediate()
    this.#start = performance.now()
  }
}
