/**
 * Endpoints with a life: one object for each protocol, TLS and place, shared by every upstream that
 * names it, so that an edit elsewhere never costs it its pools. It leaves the store when no upstream
 * holds it and its last use has ended; then its resources are closed.
 */
import type { Clock } from '../../base/clock.ts'
import { type Endpoint, endpointText, type UpstreamProtocol } from '../../model/upstream.ts'
import type { Closable, EndpointCounts, EndpointState, FailureKind, Pick } from './contract.ts'
import { PassiveHealth } from './health.ts'
import type { NameTable } from './names.ts'
import type { OriginTls } from './tls.ts'

export class EndpointStore {
  readonly #live = new Map<string, LiveEndpoint>()
  readonly #clock: Clock
  readonly #names: NameTable
  readonly #counts: EndpointCounts | undefined
  /** Moves when the health of any endpoint changes: upstreams then rebuild their lists. */
  epoch = 0

  constructor(clock: Clock, names: NameTable, counts: EndpointCounts | undefined) {
    this.#clock = clock
    this.#names = names
    this.#counts = counts
  }

  get size(): number {
    return this.#live.size
  }

  /** `name`: the name that resolved to this endpoint. Each hold needs a `drop` with equal values. */
  hold(
    protocol: UpstreamProtocol,
    tls: OriginTls | undefined,
    endpoint: Endpoint,
    name: string | undefined,
  ): LiveEndpoint {
    const key = `${protocol} ${tls?.id ?? ''} ${endpointText(endpoint)}`
    const live = this.#live.get(key) ?? this.#create(key, tls, endpoint)
    live.hold(name)
    return live
  }

  #create(key: string, tls: OriginTls | undefined, endpoint: Endpoint): LiveEndpoint {
    const live = new LiveEndpoint(endpoint, tls, new PassiveHealth(this.#clock), {
      counts: this.#counts,
      healthChanged: () => {
        this.epoch += 1
      },
      connectFailed: (name) => this.#names.failed(name),
      idle: () => {
        // A late use of one that left must not remove its successor.
        if (this.#live.get(key) === live) this.#live.delete(key)
      },
    })
    this.#live.set(key, live)
    return live
  }
}

interface EndpointEvents {
  readonly counts: EndpointCounts | undefined
  healthChanged(): void
  connectFailed(name: string): void
  /** Neither held nor used any more. */
  idle(): void
}

export class LiveEndpoint implements EndpointState {
  readonly endpoint: Endpoint
  readonly text: string
  readonly tls: OriginTls | undefined
  readonly health: PassiveHealth
  /** What `Upstream.pick` returns for it, made once. */
  readonly picked: Pick
  readonly #events: EndpointEvents
  readonly #resources = new Map<string, Closable>()
  /** Holds by name; '' stands for a literal endpoint. */
  readonly #holds = new Map<string, number>()
  #uses = 0

  constructor(
    endpoint: Endpoint,
    tls: OriginTls | undefined,
    health: PassiveHealth,
    events: EndpointEvents,
  ) {
    this.endpoint = endpoint
    this.tls = tls
    this.text = endpointText(endpoint)
    this.health = health
    this.picked = { kind: 'endpoint', endpoint: this }
    this.#events = events
  }

  get isEjected(): boolean {
    return this.health.ejectedForMs() > 0
  }

  hold(name: string | undefined): void {
    const key = name ?? ''
    this.#holds.set(key, (this.#holds.get(key) ?? 0) + 1)
  }

  drop(name: string | undefined): void {
    const key = name ?? ''
    const left = (this.#holds.get(key) ?? 0) - 1
    if (left > 0) this.#holds.set(key, left)
    else this.#holds.delete(key)
    this.#closeWhenIdle()
  }

  begin(): void {
    this.#uses += 1
  }

  end(): void {
    this.#uses -= 1
    this.#closeWhenIdle()
  }

  connected(): void {
    this.#events.counts?.connected(this.text)
  }

  succeeded(): void {
    if (this.health.succeeded()) this.#events.healthChanged()
  }

  failed(kind: FailureKind = 'connect'): void {
    const { counts } = this.#events
    const wasEjected = this.isEjected
    if (this.health.failed(kind)) this.#events.healthChanged()
    if (!wasEjected && this.isEjected) counts?.ejected(this.text)
    if (kind !== 'connect') return
    counts?.connectFailed(this.text)
    for (const name of this.#holds.keys()) {
      if (name !== '') this.#events.connectFailed(name)
    }
  }

  resource<T extends Closable>(key: string, create: () => T): T {
    const held = this.#resources.get(key)
    // The key stands for the type: one key, one `create`.
    if (held !== undefined) return held as T
    const made = create()
    this.#resources.set(key, made)
    return made
  }

  #closeWhenIdle(): void {
    if (this.#holds.size > 0 || this.#uses > 0) return
    const resources = [...this.#resources.values()]
    this.#resources.clear()
    this.#events.idle()
    for (const resource of resources) resource.close()
  }
}
