/**
 * A live bind of a worker: the listening socket that control handed over, the tables of the
 * current runtime, and the slots that outlive reloads. Owns the net.Server.
 */
import type { Server, Socket } from 'node:net'
import type { BindKey, BindPart } from '../model/snapshot.ts'
import type { SniChoice } from '../match/sni.ts'
import type { BindResult } from '../model/status.ts'
import type { ChainSlot } from './chain-slot.ts'
import { Connection, type ConnectionContext, type LiveChain, type Router } from './connection.ts'
import { StreamAccepted } from './io/accepted.ts'
import type { Overload } from './overload.ts'
import type { CompiledBind } from './runtime.ts'

export class Bind implements Router {
  readonly key: BindKey
  /** Its socket came after the newest publish: the next one will name it. */
  isFresh = true
  readonly #context: ConnectionContext
  readonly #overload: Overload
  #server: Server | undefined
  #error: BindResult['error']
  #compiled: CompiledBind | undefined
  #slots: ReadonlyMap<string, ChainSlot> = new Map()
  /** Accepted before the first tables came; their handshake deadlines bound the wait. */
  readonly #waiting = new Set<Connection>()

  constructor(key: BindKey, context: ConnectionContext, overload: Overload) {
    this.key = key
    this.#context = context
    this.#overload = overload
  }

  get slots(): ReadonlyMap<string, ChainSlot> {
    return this.#slots
  }

  get ingress(): BindPart['ingress'] | undefined {
    return this.#compiled?.ingress
  }

  /** What the worker acknowledges for this bind. */
  get result(): BindResult {
    if (this.#server !== undefined) return { bind: this.key }
    const error = this.#error ?? { errno: 'ENOTSOCK', message: 'the worker has no socket for it' }
    return { bind: this.key, error }
  }

  /**
   * Starts to accept. Must run in the same tick in which the handle arrived: a net.Server made
   * from a handle accepts from the next turn of the event loop on, with node's default options.
   */
  adopt(server: Server): void {
    this.close()
    this.#error = undefined
    this.#server = server
    server.on('connection', (socket: Socket) => this.#accept(socket))
    server.on('error', (error: Error) => this.#overload.acceptFailed(this.key, error))
  }

  fail(error: BindResult['error']): void {
    if (this.#server === undefined) this.#error = error
  }

  /** The swap: one pointer. Slots whose listener or trust domain is gone are retired. */
  install(compiled: CompiledBind): void {
    const before = this.#slots
    this.#compiled = compiled
    this.#slots = compiled.settleSlots(before)
    for (const [key, slot] of before) if (!this.#slots.has(key)) slot.retire()
    for (const connection of this.#waiting) connection.enterIngress(compiled.ingress)
    this.#waiting.clear()
  }

  choose(localAddress: string, sni: string | undefined): SniChoice<LiveChain> {
    return this.#compiled?.table.choose(localAddress, sni) ?? { kind: 'none', name: undefined }
  }

  wait(connection: Connection): void {
    this.#waiting.add(connection)
  }

  /** The bind left the configuration. */
  remove(): void {
    this.close()
    this.#compiled = undefined
    for (const slot of this.#slots.values()) slot.retire()
    this.#slots = new Map()
    for (const connection of this.#waiting) connection.end({ reason: 'listener-removed' })
    this.#waiting.clear()
  }

  /** Stops accepting. Connections live on. */
  close(): void {
    this.#server?.close()
    this.#server = undefined
  }

  #accept(socket: Socket): void {
    if (!this.#overload.admit()) {
      socket.on('error', ignore)
      socket.resetAndDestroy()
      return
    }
    const accepted = new StreamAccepted(socket, this.#context.limits.helloBytes)
    new Connection(accepted, this, this.#context).start()
  }
}

function ignore(): void {}
