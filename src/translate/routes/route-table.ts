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
import type { ListenerKey } from '../../model/identity.ts'
import type { ServedHostname } from '../attachment.ts'
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
  readonly hostnames: readonly ServedHostname[]
}

export function buildRouteTable({ listener, port, routes }: RouteTableInput): RouteTablePart {
  const rules: HttpRule[] = []
  const groups = new Map<string, HostGroup>()
  for (const { resource, lowered, hostnames } of mergeAttachments(routes)) {
    for (const { rule, index, matches } of lowered.rules) {
      const place = rules.push(rule) - 1
      const ranked = matches.map((match, position) => ({
        ranked: { match, route: resource, rule: index, position },
        place,
      }))
      for (const served of hostnames) groupOf(groups, served).matches.push(...ranked)
    }
  }
  const hosts = [...groups.values()]
    .sort((a, b) => compareSpecificity(a.hostname, b.hostname) || compareSpecificity(a.own, b.own))
    .map(({ hostname, matches }) => hostOf(hostname, matches))
  return { kind: 'route-table', listener, port, rules, hosts }
}

/** The matches of all routes that serve one name by equally specific hostnames of their own. */
interface HostGroup extends ServedHostname {
  readonly matches: HostMatch[]
}

function groupOf(groups: Map<string, HostGroup>, { hostname, own }: ServedHostname): HostGroup {
  const key = `${hostname} ${own}`
  const group = groups.get(key) ?? { hostname, own, matches: [] }
  groups.set(key, group)
  return group
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
    const known = byKey.get(key)?.hostnames ?? []
    const added = route.hostnames.filter(
      ({ hostname }) => !known.some((served) => served.hostname === hostname),
    )
    byKey.set(key, { ...route, hostnames: [...known, ...added] })
  }
  return [...byKey.values()].sort((a, b) => compareAge(a.resource, b.resource))
}
