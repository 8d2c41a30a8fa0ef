/**
 * What a worker has once for HTTP: the trusted proxies, the set of connections.
 * Knows views only as what it compiled; a connection finds the current one through its slot.
 */
import type { Clock } from '../../base/clock.ts'
import { LinkedList } from '../../base/linked-list.ts'
import type { Limits } from '../../ipc/messages.ts'
import type { AccessLog } from '../../observe/access-log.ts'
import { TimerWheel } from '../timer-wheel.ts'
import type { Registry } from '../upstream/contract.ts'
import { ByteBudget } from './byte-budget.ts'
import type { HttpDownstream, HttpHub } from './contract.ts'
import type { HttpContext } from './exchange-host.ts'
import { LiveHosts } from './live-hosts.ts'
import { type ConnectionSet, HttpConnection } from './http-connection.ts'
import { Mirrors } from './mirror.ts'
import { acceptHttp1 } from './server-h1.ts'
import { acceptHttp2 } from './server-h2.ts'
import { TrustedProxies } from '../trusted-proxies.ts'
import { CompiledView, compiledView, type SharedRoutes } from './view.ts'

/** Of request bodies that external auth services look at. */
const HELD_BYTES = 64 * 1024 * 1024

export interface HttpHubOptions {
  readonly clock: Clock
  readonly limits: Limits
  readonly registry: Registry
  /** Addresses and CIDR ranges whose forwarding fields are believed. */
  readonly trustedProxies: readonly string[]
  readonly forwardedDepth?: number | undefined
  readonly accessLog: AccessLog
  /** As WorkerSettings. */
  readonly sessionSecret: string
  /** As HttpContext. */
  onDefect(error: unknown): void
}

export function createHttpHub(options: HttpHubOptions): HttpHub {
  return new LiveHub(options)
}

class LiveHub implements HttpHub, ConnectionSet {
  readonly #shared: SharedRoutes
  readonly #context: HttpContext
  readonly #connections = new LinkedList<HttpConnection>()
  #active = 0
  #draining = false

  constructor({
    registry,
    trustedProxies,
    forwardedDepth,
    sessionSecret,
    ...context
  }: HttpHubOptions) {
    const sessions = { clock: context.clock, secret: sessionSecret }
    this.#shared = { hosts: new LiveHosts(registry, sessions), tables: new Map() }
    this.#context = {
      ...context,
      wheel: new TimerWheel(context.clock),
      trusted: new TrustedProxies(trustedProxies, forwardedDepth),
      mirrors: new Mirrors(),
      heldBodies: new ByteBudget(HELD_BYTES),
    }
  }

  get activeExchanges(): number {
    return this.#active
  }

  compile(...[table, part, slice, before]: Parameters<HttpHub['compile']>): Promise<CompiledView> {
    const known = before && compiledView(before)
    return CompiledView.compile(table, part, this.#shared, slice, known)
  }

  accept(downstream: HttpDownstream): void {
    const connection = new HttpConnection(downstream, this.#context, this)
    if (downstream.protocol === 'h2') acceptHttp2(connection)
    else acceptHttp1(connection)
    if (this.#draining) connection.serveOne()
  }

  drain(): void {
    this.#draining = true
    for (const connection of this.#connections.toArray()) connection.drain()
  }

  add(connection: HttpConnection): void {
    this.#connections.add(connection)
  }

  remove(connection: HttpConnection): void {
    this.#connections.delete(connection)
  }

  exchangeStarted(): void {
    this.#active += 1
  }

  exchangeEnded(): void {
    this.#active -= 1
  }
}
