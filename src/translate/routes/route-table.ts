/**
 * The HTTP routes of one listener as one table: hostnames most specific first, and within each all
 * matches of all routes by precedence (digest sections 2.5 and 4.1). The same routes in any order
 * give the same table.
 */
import type { HTTPRoute } from '../../api/http-route.ts'
import { compareAge, type Resource } from '../../api/resource.ts'
import { compareSpecificity } from '../../match/hostname.ts'
import type { HttpHost, HttpMatch, HttpRule, RouteTablePart } from '../../model/http.ts'
import { keyText } from '../../model/resource-key.ts'
import type { ListenerKey } from '../../model/snapshot.ts'
import { comparePrecedence, type RankedMatch } from './http-precedence.ts'
import type { LoweredHttpRoute } from './http-route.ts'

export interface RouteTableInput {
  readonly listener: ListenerKey
  /** The listener's: for redirects that name neither scheme nor port. */
  readonly port: number
  readonly routes: readonly AttachedHttpRoute[]
}

/** A route may stand here several times, once for each of its parentRefs. */
export interface AttachedHttpRoute {
  readonly resource: Resource<HTTPRoute>
  readonly lowered: LoweredHttpRoute
  /** Already intersected with the listener's; '' is every name. */
  readonly hostnames: readonly string[]
}

export function buildRouteTable({ listener, port, routes }: RouteTableInput): RouteTablePart {
  const rules: HttpRule[] = []
  const byHost = new Map<string, HostMatch[]>()
  for (const { resource, lowered, hostnames } of mergeAttachments(routes)) {
    for (const { rule, index, matches } of lowered.rules) {
      const place = rules.push(rule) - 1
      const ranked = matches.map((match, position) => ({
        ranked: { match, route: resource, rule: index, position },
        place,
      }))
      for (const hostname of hostnames) append(byHost, hostname, ranked)
    }
  }
  const hosts = [...byHost]
    .sort(([a], [b]) => compareSpecificity(a, b))
    .map(([hostname, matches]) => hostOf(hostname, matches))
  return { kind: 'route-table', listener, port, rules, hosts }
}

/** A match under one hostname, and where its rule stands in the table. */
interface HostMatch {
  readonly ranked: RankedMatch
  readonly place: number
}

function hostOf(hostname: string, matches: readonly HostMatch[]): HttpHost {
  const sorted = matches.toSorted((a, b) => comparePrecedence(a.ranked, b.ranked))
  return {
    hostname,
    matches: sorted.map(({ ranked, place }): HttpMatch => ({ ...ranked.match, rule: place })),
  }
}

/** Oldest first, each route once with all of its hostnames. */
function mergeAttachments(routes: readonly AttachedHttpRoute[]): readonly AttachedHttpRoute[] {
  const byKey = new Map<string, AttachedHttpRoute>()
  for (const route of routes) {
    const key = keyText(route.resource.key)
    const hostnames = [...(byKey.get(key)?.hostnames ?? []), ...route.hostnames]
    byKey.set(key, { ...route, hostnames: [...new Set(hostnames)] })
  }
  return [...byKey.values()].sort((a, b) => compareAge(a.resource, b.resource))
}

function append<T>(map: Map<string, T[]>, key: string, items: readonly T[]): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [...items])
  else list.push(...items)
}
