/** The live connections of a worker: counted for the cap, cut at a drain's deadline. */
import type { Connection } from './connection.ts'

export class ConnectionSet {
  readonly #connections = new Set<Connection>()
  #onEmpty: (() => void) | undefined

  get size(): number {
    return this.#connections.size
  }

  add(connection: Connection): void {
    this.#connections.add(connection)
  }

  delete(connection: Connection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  /** Calls back each time the set becomes empty; at once when it is. */
  onEmpty(callback: () => void): void {
    this.#onEmpty = callback
    if (this.#connections.size === 0) callback()
  }

  [Symbol.iterator](): Iterator<Connection> {
    return [...this.#connections].values()
  }
}
