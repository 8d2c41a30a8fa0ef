/**
 * The end of a worker: no new connections, HTTP is told to finish, what is left at the deadline is
 * reset. Binds are closed by the caller before.
 */
import type { ConnectionSet } from './connection-set.ts'
import type { HttpHub } from './http/contract.ts'

export class Drain {
  readonly #connections: ConnectionSet
  readonly #onDone: () => void
  readonly #timer: NodeJS.Timeout
  #done = false

  /** `onDone` is called once: all connections have ended, by themselves or by the deadline. */
  constructor(
    connections: ConnectionSet,
    httpHub: HttpHub,
    deadlineMs: number,
    onDone: () => void,
  ) {
    this.#connections = connections
    this.#onDone = onDone
    this.#timer = setTimeout(() => this.#cut(), deadlineMs)
    httpHub.drain()
    connections.onEmpty(() => this.#finish())
  }

  #cut(): void {
    for (const connection of this.#connections) connection.end({ reason: 'drain-deadline' })
    this.#finish()
  }

  #finish(): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.#onDone()
  }
}
