/** Long work in short turns, so that the sockets of the same event loop are served in between. */
import { setImmediate } from 'node:timers/promises'

const SLICE_MS = 8

/** Gives the event loop a turn whenever a slice of time is used up. */
export class Slice {
  #start = performance.now()

  async breathe(): Promise<void> {
    if (performance.now() - this.#start < SLICE_MS) return
    await setImmediate()
    this.#start = performance.now()
  }
}
