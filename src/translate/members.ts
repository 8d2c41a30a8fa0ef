/**
 * The listeners with everything that their chains are made of, kept from pass to pass while nothing
 * but routes changes: an edit makes anew those that the edited route attaches to.
 */
import { changeOf } from '../base/lists.ts'
import type { Digest } from '../base/brand.ts'
import type { ListenerKey } from '../model/identity.ts'
import { type Member, serves } from './chains.ts'
import { type ClientIdentity, showToForwards, showToRules } from './client-identity.ts'
import type { PartStore, TranslateContext } from './context.ts'
import type { ListenerVerdict } from './listener-verdicts.ts'
import type { AttachedRoute, AttachedRoutes } from './routes/attached.ts'
import {
  type AttachedGrpcRoute,
  type AttachedHttpRoute,
  RouteTables,
} from './routes/route-table.ts'

export class Members {
  readonly #verdicts: readonly ListenerVerdict[]
  readonly #tables = new Map<ListenerVerdict, ListenerRoutes>()
  #all: readonly Member[] | undefined
  readonly #places: ReadonlyMap<ListenerKey, readonly number[]>

  constructor(verdicts: readonly ListenerVerdict[]) {
    this.#verdicts = verdicts
    const places = new Map<ListenerKey, number[]>()
    for (const [place, { listener }] of verdicts.entries()) {
      const known = places.get(listener.key)
      if (known === undefined) places.set(listener.key, [place])
      else known.push(place)
    }
    this.#places = places
  }

  /** One for each verdict, in their order; the same list as long as none of them changes. */
  next(
    { parts }: TranslateContext,
    attached: AttachedRoutes,
    changed: Iterable<ListenerKey>,
  ): readonly Member[] {
    const memberOf = (verdict: ListenerVerdict): Member =>
      this.#toMember(parts, verdict, attached.of(verdict.listener.key))
    if (this.#all === undefined) {
      this.#all = this.#verdicts.map(memberOf)
      return this.#all
    }
    const places = [...changed].flatMap((listener) => this.#places.get(listener) ?? [])
    if (places.length === 0) return this.#all
    const all = this.#all.slice()
    for (const place of places) {
      const verdict = this.#verdicts[place]
      if (verdict !== undefined) all[place] = memberOf(verdict)
    }
    this.#all = all
    return all
  }

  #toMember(
    parts: PartStore,
    verdict: ListenerVerdict,
    attached: readonly AttachedRoute[],
  ): Member {
    const { listener } = verdict
    const { identity } = listener.gateway
    const family = listener.protocol?.family
    if (family !== 'HTTP' && family !== 'HTTPS') {
      return { verdict, routes: attached.map((route) => showToForwards(parts, identity, route)) }
    }
    if (!serves(verdict)) return { verdict, routes: attached }
    return { verdict, routes: attached, routeTable: this.#routeTable(parts, verdict, attached) }
  }

  #routeTable(
    parts: PartStore,
    verdict: ListenerVerdict,
    attached: readonly AttachedRoute[],
  ): Digest {
    const { key, spec, gateway } = verdict.listener
    const known = this.#tables.get(verdict)
    // Of 10,000 listeners most may have no route, or none yet.
    if (known === undefined && attached.length === 0) {
      return parts.add({ kind: 'route-table', listener: key, port: spec.port, hosts: [] })
    }
    const routes = known ?? new ListenerRoutes(key, spec.port, gateway.identity)
    this.#tables.set(verdict, routes)
    return routes.next(parts, attached)
  }
}

/** The routes of an HTTP or HTTPS listener as its Gateway serves them. */
class ListenerRoutes {
  readonly #tables: RouteTables
  readonly #identity: ClientIdentity | undefined
  #attached: readonly AttachedRoute[] = []
  readonly #http = new Map<AttachedRoute, AttachedHttpRoute>()
  readonly #grpc = new Map<AttachedRoute, AttachedGrpcRoute>()

  constructor(listener: ListenerKey, port: number, identity: ClientIdentity | undefined) {
    this.#tables = new RouteTables(listener, port)
    this.#identity = identity
  }

  /** The digest of their table. */
  next(parts: PartStore, attached: readonly AttachedRoute[]): Digest {
    const { gone, come } = changeOf(this.#attached, attached)
    this.#attached = attached
    const http = { gone: takeFrom(this.#http, gone), come: [] as AttachedHttpRoute[] }
    const grpc = { gone: takeFrom(this.#grpc, gone), come: [] as AttachedGrpcRoute[] }
    for (const route of come) {
      const { outcome, hostnames } = route
      const { kind, route: resource } = outcome
      if (kind === 'HTTPRoute') {
        const lowered = showToRules(parts, this.#identity, outcome.lowered)
        const own = { resource, lowered, hostnames }
        this.#http.set(route, own)
        http.come.push(own)
      } else if (kind === 'GRPCRoute') {
        const lowered = showToRules(parts, this.#identity, outcome.lowered)
        const own = { resource, lowered, hostnames }
        this.#grpc.set(route, own)
        grpc.come.push(own)
      }
    }
    return parts.add(this.#tables.next({ http, grpc }, (digest, host) => parts.put(digest, host)))
  }
}

function takeFrom<T>(known: Map<AttachedRoute, T>, gone: Iterable<AttachedRoute>): readonly T[] {
  return [...gone].flatMap((route) => {
    const own = known.get(route)
    known.delete(route)
    return own ?? []
  })
}
