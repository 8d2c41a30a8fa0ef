/** The live connections and UDP flows of a worker: counted for the cap, cut at a drain's deadline. */
import { type Linked, LinkedList } from '../base/linked-list.ts'
import type { Outcome } from '../model/outcome.ts'

/** A connection or a flow. */
export interface Living extends Linked<Living> {
  end(outcome: Outcome): void
}

export class ConnectionSet {
  readonly #connections = new LinkedList<Living>()
  #onEmpty: (() => void) | undefined

  get size(): number {
    return this.#connections.size
  }

  add(connection: Living): void {
    this.#connections.add(connection)
  }

  delete(connection: Living): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  /** Calls back each time the set becomes empty; at once when it is. */
  onEmpty(callback: () => void): void {
    this.#onEmpty = callback
    if (this.#connections.size === 0) callback()
  }

  [Symbol.iterator](): Iterator<Living> {
    return this.#connections.toArray().values()
  }
}
