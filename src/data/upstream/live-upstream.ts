/**
 * An upstream in use: its literal endpoints and the addresses of its names, round robin over those
 * that are fit. At most half of the endpoints are avoided for their health at a time, and where none
 * is fit all are used: a wrong verdict must not become an outage.
 */
import type { Clock } from '../../base/clock.ts'
import { assertNever } from '../../base/assert-never.ts'
import type { EndpointHealth } from '../../ipc/messages.ts'
import type { NamedEndpoint, UpstreamPart, UpstreamProtocol } from '../../model/upstream.ts'
import type { EndpointState, Pick, Upstream } from './contract.ts'
import type { EndpointStore, LiveEndpoint } from './live-endpoint.ts'
import type { NameTable } from './names.ts'
import type { OriginTls } from './tls.ts'

const PENDING: Pick = { kind: 'pending' }
const NAME_UNRESOLVED: Pick = { kind: 'none', reason: 'name-unresolved' }
const NO_ENDPOINT: Pick = { kind: 'none', reason: 'no-endpoint' }

/** The position of a round robin, shared by all versions of one upstream. */
export interface Cursor {
  position: number
}

export interface LiveUpstreamOptions {
  readonly part: UpstreamPart
  readonly tls: OriginTls | undefined
  readonly cursor: Cursor
  readonly store: EndpointStore
  readonly names: NameTable
  readonly clock: Clock
}

interface Held {
  readonly live: LiveEndpoint
  readonly name: string | undefined
}

export class LiveUpstream implements Upstream {
  readonly name: string
  readonly protocol: UpstreamProtocol
  readonly proxyProtocol: UpstreamPart['proxyProtocol']
  readonly #options: LiveUpstreamOptions
  readonly #unsubscribe: readonly (() => void)[]
  readonly #waiting = new Set<() => void>()
  #held: readonly Held[] = []
  #all: readonly LiveEndpoint[] = []
  #fit: readonly LiveEndpoint[] = []
  #epoch = -1
  /** When an avoided endpoint becomes fit again. */
  #staleAt = 0

  constructor(options: LiveUpstreamOptions) {
    this.#options = options
    this.name = options.part.name
    this.protocol = options.part.protocol
    this.proxyProtocol = options.part.proxyProtocol
    const names = new Set(namedEndpoints(options.part).map(({ name }) => name))
    this.#unsubscribe = [...names].map((name) =>
      options.names.subscribe(name, () => this.#resolved()),
    )
    this.#rebuild()
  }

  get endpoints(): readonly EndpointState[] | undefined {
    return this.#all.length === 0 && this.#isPending() ? undefined : this.#all
  }

  avoids(endpoint: EndpointState): boolean {
    if (!endpoint.isEjected) return false
    const fit: readonly EndpointState[] = this.#judged()
    return !fit.includes(endpoint)
  }

  pick(tried: ReadonlySet<EndpointState>): Pick {
    const endpoint = this.#next(this.#judged(), tried) ?? this.#next(this.#all, tried)
    if (endpoint !== undefined) return endpoint.picked
    return this.#all.length > 0 ? NO_ENDPOINT : this.#whyEmpty()
  }

  whenResolved(timeoutMs: number, callback: () => void): () => void {
    const done = (): void => {
      cancel()
      callback()
    }
    const timer = setTimeout(done, this.#isPending() ? timeoutMs : 0)
    const cancel = (): void => {
      clearTimeout(timer)
      this.#waiting.delete(done)
    }
    this.#waiting.add(done)
    return cancel
  }

  health(): readonly EndpointHealth[] {
    return this.#all.map(({ text, health }) => {
      const ejectedForMs = Math.ceil(health.ejectedForMs())
      const healthy = ejectedForMs === 0
      return {
        upstream: this.name,
        endpoint: text,
        healthy,
        ...(healthy ? {} : { ejectedForMs }),
        ...(health.isOnTrial ? { isOnTrial: true } : {}),
      }
    })
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const { live, name } of this.#held) live.drop(name)
  }

  #next(
    list: readonly LiveEndpoint[],
    tried: ReadonlySet<EndpointState>,
  ): LiveEndpoint | undefined {
    const { cursor } = this.#options
    for (let i = 0; i < list.length; i++) {
      const index = (cursor.position + i) % list.length
      const endpoint = list[index]
      if (endpoint === undefined || tried.has(endpoint)) continue
      cursor.position = index + 1
      return endpoint
    }
    return undefined
  }

  #whyEmpty(): Pick {
    if (this.#isPending()) return PENDING
    return namedEndpoints(this.#options.part).length > 0 ? NAME_UNRESOLVED : NO_ENDPOINT
  }

  #isPending(): boolean {
    const { part, names } = this.#options
    return namedEndpoints(part).some(({ name }) => names.addresses(name) === undefined)
  }

  #resolved(): void {
    this.#rebuild()
    for (const done of [...this.#waiting]) done()
  }

  /** Holds the new endpoints before it drops the old ones: what stays keeps its pools. */
  #rebuild(): void {
    const before = this.#held
    this.#held = this.#hold()
    this.#all = [...new Set(this.#held.map(({ live }) => live))]
    this.#judge()
    for (const { live, name } of before) live.drop(name)
  }

  #hold(): Held[] {
    const { part, tls, store, names } = this.#options
    return part.endpoints.flatMap((endpoint): Held[] => {
      switch (endpoint.kind) {
        case 'ip':
        case 'unix':
          return [{ live: store.hold(part.protocol, tls, endpoint, undefined), name: undefined }]
        case 'name': {
          const { name, port } = endpoint
          return (names.addresses(name) ?? []).map((address) => ({
            live: store.hold(part.protocol, tls, { kind: 'ip', address, port }, name),
            name,
          }))
        }
        default:
          return assertNever(endpoint)
      }
    })
  }

  /** Those that are fit now. */
  #judged(): readonly LiveEndpoint[] {
    const { store, clock } = this.#options
    if (this.#epoch !== store.epoch || clock.monotonic() >= this.#staleAt) this.#judge()
    return this.#fit
  }

  /** Sorts fit from avoided. */
  #judge(): void {
    const { store, clock } = this.#options
    const now = clock.monotonic()
    const avoided = this.#all
      .filter(({ health }) => health.avoidedUntil > now)
      .sort((a, b) => b.health.avoidedUntil - a.health.avoidedUntil)
    this.#epoch = store.epoch
    this.#staleAt = avoided.at(-1)?.health.avoidedUntil ?? Number.POSITIVE_INFINITY
    // The longest avoided half stays out; beyond it the share of the others would grow too much.
    const out = new Set(
      avoided.length === this.#all.length ? [] : avoided.slice(0, Math.floor(this.#all.length / 2)),
    )
    this.#fit = out.size === 0 ? this.#all : this.#all.filter((endpoint) => !out.has(endpoint))
  }
}

function namedEndpoints(part: UpstreamPart): NamedEndpoint[] {
  return part.endpoints.filter((endpoint) => endpoint.kind === 'name')
}
