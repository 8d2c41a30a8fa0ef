/** Chain action `reset`: the listener matches, but nothing can serve the connection. */
import type { ResetAction } from '../../model/snapshot.ts'
import type { Connection } from '../connection.ts'
import type { LiveAction } from './contract.ts'

class Reset implements LiveAction {
  readonly #action: ResetAction

  constructor(action: ResetAction) {
    this.#action = action
  }

  start(connection: Connection): void {
    connection.facts.route = this.#action.route
    connection.end({ reason: this.#action.reason })
  }

  release(): void {}
}

export function compileReset(action: ResetAction): LiveAction {
  return new Reset(action)
}
