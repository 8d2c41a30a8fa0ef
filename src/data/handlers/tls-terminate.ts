/**
 * Chain action `tls-terminate`: TLS ends here, in the server of the chain's trust domain (decision
 * 3); then the plain side goes on as TCP or HTTP. The peeked name chose the domain; the server
 * refuses a handshake in which the TLS stack read another one.
 */
import type { TLSSocket } from 'node:tls'
import { assertNever } from '../../base/assert-never.ts'
import type { Reason } from '../../model/outcome.ts'
import type { TlsTerminateAction } from '../../model/snapshot.ts'
import type { TlsFacts } from '../../observe/access-log.ts'
import type { Connection, Stage } from '../connection.ts'
import type { TlsHandshake, TlsTermination } from '../tls/contract.ts'
import type { CompileContext, LiveAction } from './contract.ts'
import { compileHttp } from './http.ts'
import { compileReset } from './reset.ts'
import { compileTcpForward } from './tcp-forward.ts'

class Terminate implements LiveAction {
  readonly #termination: TlsTermination
  readonly #then: LiveAction

  constructor(termination: TlsTermination, then: LiveAction) {
    this.#termination = termination
    this.#then = then
  }

  start(connection: Connection): void {
    const handshake = new Handshake(connection, this.#then)
    connection.enter(handshake)
    const { socket, head } = connection.accepted.takeSocket()
    this.#termination.accept(socket, head, handshake)
  }

  release(): void {
    this.#then.release()
    this.#termination.release()
  }
}

export function compileTlsTerminate(
  action: TlsTerminateAction,
  context: CompileContext,
): LiveAction {
  const termination = context.tlsDomains.acquire(
    action,
    (digest) => context.part(digest),
    (keyId) => context.key(keyId),
  )
  return new Terminate(termination, compileThen(action.then, context))
}

function compileThen(then: TlsTerminateAction['then'], context: CompileContext): LiveAction {
  switch (then.kind) {
    case 'tcp-forward':
      return compileTcpForward(then, context)
    case 'http':
      return compileHttp(then, context)
    case 'reset':
      return compileReset(then)
    default:
      return assertNever(then)
  }
}

class Handshake implements TlsHandshake, Stage {
  readonly #connection: Connection
  readonly #then: LiveAction
  /** As of `Connection.micros`. */
  readonly #startedAt: number
  #stopped = false

  constructor(connection: Connection, then: LiveAction) {
    this.#connection = connection
    this.#then = then
    this.#startedAt = connection.micros()
  }

  get sni(): string | undefined {
    return this.#connection.facts.sni
  }

  remainingMs(): number {
    return this.#connection.remainingHandshakeMs()
  }

  onSecure(socket: TLSSocket, facts: TlsFacts): void {
    const connection = this.#connection
    if (this.#stopped) {
      socket.destroy()
      return
    }
    connection.facts.tls = facts
    connection.facts.handshakeUs = connection.micros() - this.#startedAt
    connection.accepted.putSecure(socket, connection)
    connection.inTime()
    try {
      this.#then.start(connection)
    } catch (error) {
      connection.fail(error)
    }
  }

  onError(reason: Reason, detail: string): void {
    this.#connection.end({ reason, detail })
  }

  stop(): void {
    this.#stopped = true
  }
}
