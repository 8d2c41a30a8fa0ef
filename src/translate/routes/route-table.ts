/**
 * The HTTP and gRPC routes of one listener as one table: hostnames most specific first, and within
 * each all matches of all routes of a kind by precedence (digest sections 2.5, 4.1 and 5). The two
 * kinds share rules, never matches. The same routes in any order give the same table.
 */
import { compareAge, type Resource } from '../../api/resource.ts'
import { compareSpecificity } from '../../match/hostname.ts'
import type { HttpRule, RouteTablePart } from '../../model/http.ts'
import { keyText } from '../../model/resource-key.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { ServedHostname } from '../attachment.ts'
import { compareGrpcPrecedence } from './grpc-precedence.ts'
import type { LoweredGrpcMatch } from './grpc-route.ts'
import type { LoweredMatch } from './http-match.ts'
import { comparePrecedence, type RankedMatch } from './http-precedence.ts'
import type { LoweredRoute } from './lowered-route.ts'

export interface RouteTableInput {
  readonly listener: ListenerKey
  /** The listener's: for redirects that name neither scheme nor port. */
  readonly port: number
  readonly routes: readonly AttachedHttpRoute[]
  readonly grpcRoutes?: readonly AttachedGrpcRoute[]
}

/** A route may stand here several times, once for each of its parentRefs. */
interface Attached<Match> {
  readonly resource: Resource<unknown>
  readonly lowered: LoweredRoute<Match>
  readonly hostnames: readonly ServedHostname[]
}

export type AttachedHttpRoute = Attached<LoweredMatch>
export type AttachedGrpcRoute = Attached<LoweredGrpcMatch>

export function buildRouteTable(input: RouteTableInput): RouteTablePart {
  const { listener, port, routes, grpcRoutes = [] } = input
  const rules: HttpRule[] = []
  const hosts = hostsOf(routes, rules, comparePrecedence)
  const grpc = hostsOf(grpcRoutes, rules, compareGrpcPrecedence)
  const part = { kind: 'route-table', listener, port, rules, hosts } as const
  return grpc.length === 0 ? part : { ...part, grpc }
}

interface Host<Match> {
  readonly hostname: string
  readonly matches: readonly (Match & { readonly rule: number })[]
}

/** Appends the rules of the routes to `rules`, where their matches then point. */
function hostsOf<Match>(
  routes: readonly Attached<Match>[],
  rules: HttpRule[],
  compare: (a: RankedMatch<Match>, b: RankedMatch<Match>) => number,
): readonly Host<Match>[] {
  const groups = new Map<string, HostGroup<Match>>()
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
  return [...groups.values()]
    .sort((a, b) => compareSpecificity(a.hostname, b.hostname) || compareSpecificity(a.own, b.own))
    .map(({ hostname, matches }) => ({
      hostname,
      matches: matches
        .toSorted((a, b) => compare(a.ranked, b.ranked))
        .map(({ ranked, place }) => ({ ...ranked.match, rule: place })),
    }))
}

/** The matches of all routes that serve one name by equally specific hostnames of their own. */
interface HostGroup<Match> extends ServedHostname {
  readonly matches: HostMatch<Match>[]
}

function groupOf<Match>(
  groups: Map<string, HostGroup<Match>>,
  { hostname, own }: ServedHostname,
): HostGroup<Match> {
  const key = `${hostname} ${own}`
  const group = groups.get(key) ?? { hostname, own, matches: [] }
  groups.set(key, group)
  return group
}

/** A match under one hostname, and where its rule stands in the table. */
interface HostMatch<Match> {
  readonly ranked: RankedMatch<Match>
  readonly place: number
}

/** Oldest first, each route once with all of its hostnames. */
function mergeAttachments<Match>(routes: readonly Attached<Match>[]): readonly Attached<Match>[] {
  const byKey = new Map<string, Attached<Match>>()
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
