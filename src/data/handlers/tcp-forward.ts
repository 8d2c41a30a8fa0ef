/** Chain action `tcp-forward`: plain bytes, or bytes behind TLS, go to a backend (TCPRoute, TLSRoute). */
import type { TcpForwardAction, TlsPassthroughAction } from '../../model/snapshot.ts'
import type { Connection } from '../connection.ts'
import type { BackendSet } from '../upstream/contract.ts'
import type { CompileContext, LiveAction } from './contract.ts'
import { Forward } from './forward.ts'

export class ForwardAction implements LiveAction {
  readonly #action: TcpForwardAction | TlsPassthroughAction
  readonly #backends: BackendSet

  constructor(action: TcpForwardAction | TlsPassthroughAction, context: CompileContext) {
    this.#action = action
    this.#backends = context.registry.acquire(action.id, action.backends, (digest) =>
      context.part(digest),
    )
  }

  start(connection: Connection): void {
    connection.facts.route = this.#action.route
    connection.facts.rule = this.#action.name
    new Forward(connection).start(this.#backends.choose())
  }

  release(): void {
    this.#backends.release()
  }
}

export function compileTcpForward(action: TcpForwardAction, context: CompileContext): LiveAction {
  return new ForwardAction(action, context)
}
