/**
 * A live bind of a worker: the listening socket that control handed over, the tables of the
 * current runtime, and the slots that outlive reloads. Owns the socket.
 */
import type { SocketHandle } from '../ipc/link.ts'
import type { BindKey } from '../model/identity.ts'
import type { SniChoice } from '../match/sni.ts'
import type { BindResult } from '../model/status.ts'
import {
  Connection,
  type ConnectionContext,
  type Ingress,
  type LiveChain,
  type Router,
} from './connection.ts'
import type { Accepted } from './io/accepted.ts'
import type { AcceptSink, Listening } from './io/backend.ts'
import type { Overload } from './overload.ts'
import type { CompiledBind, SlotsByPlace } from './runtime.ts'

/** What listen(2) tells when two sockets were bound to one address. */
const ADDRESS_TAKEN = { errno: 'EADDRINUSE', message: 'another process took the address' }

export class Bind implements Router, AcceptSink {
  readonly key: BindKey
  /** Its socket came after the newest publish: the next one will name it. */
  isFresh = true
  readonly #context: ConnectionContext
  readonly #overload: Overload
  #listening: Listening | undefined
  #error: BindResult['error']
  #compiled: CompiledBind | undefined
  #slots: SlotsByPlace = new Map()
  /** Accepted before the first tables came; their handshake deadlines bound the wait. */
  readonly #waiting = new Set<Connection>()

  constructor(key: BindKey, context: ConnectionContext, overload: Overload) {
    this.key = key
    this.#context = context
    this.#overload = overload
  }

  get slots(): SlotsByPlace {
    return this.#slots
  }

  get ingress(): Ingress | undefined {
    return this.#compiled?.ingress
  }

  /** What the worker acknowledges for this bind. */
  get result(): BindResult {
    if (this.#listening !== undefined) return { bind: this.key }
    const error = this.#error ?? { errno: 'ENOTSOCK', message: 'the worker has no socket for it' }
    return { bind: this.key, error }
  }

  adopt(socket: SocketHandle): void {
    this.close()
    this.#listening = this.#context.io.accept(socket, this)
    this.#error = this.#listening === undefined ? ADDRESS_TAKEN : undefined
  }

  fail(error: BindResult['error']): void {
    if (this.#listening === undefined) this.#error = error
  }

  admit(): boolean {
    return this.#overload.admit()
  }

  onAccepted(accepted: Accepted): void {
    new Connection(accepted, this, this.#context).start()
  }

  onAcceptFailed(error: Error): void {
    this.#overload.acceptFailed(this.key, error)
  }

  /** The swap: one pointer. `before`: the slots of all binds, since some may move here. */
  install(compiled: CompiledBind, before: SlotsByPlace): void {
    this.#compiled = compiled
    this.#slots = compiled.settleSlots(before)
    for (const connection of this.#waiting) connection.enterIngress(compiled.ingress)
    this.#waiting.clear()
  }

  choose(localAddress: string, sni: string | undefined): SniChoice<LiveChain> {
    return this.#compiled?.table.choose(localAddress, sni) ?? { kind: 'none', name: undefined }
  }

  wait(connection: Connection): void {
    this.#waiting.add(connection)
  }

  forget(connection: Connection): void {
    this.#waiting.delete(connection)
  }

  /** The bind left the configuration. */
  remove(): void {
    this.close()
    this.#compiled = undefined
    this.#slots = new Map()
    for (const connection of this.#waiting) connection.end({ reason: 'listener-removed' })
  }

  /** Stops accepting. Connections live on. */
  close(): void {
    this.#listening?.close()
    this.#listening = undefined
  }
}
