/**
 * The HTTP and gRPC routes of one listener as one table: hostnames most specific first, and within
 * each all matches of all routes of a kind by precedence (digest sections 2.5, 4.1 and 5). The same
 * routes in any order give the same table.
 */
import { compareAge, type Resource } from '../../api/resource.ts'
import { compareSpecificity } from '../../match/hostname.ts'
import type { Digest } from '../../base/brand.ts'
import { digestOf } from '../../base/digest.ts'
import type {
  GrpcHostPart,
  HostRef,
  HttpHostPart,
  HttpRule,
  RouteTablePart,
} from '../../model/http.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { ServedHostname } from '../attachment.ts'
import { compareGrpcPrecedence } from './grpc-precedence.ts'
import type { LoweredGrpcMatch } from './grpc-route.ts'
import type { LoweredMatch } from './http-match.ts'
import { comparePrecedence, type RankedMatch } from './http-precedence.ts'
import type { LoweredRoute, LoweredRule } from './lowered-route.ts'

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

type HostPart = HttpHostPart | GrpcHostPart

/** `put` takes the parts of the hosts. */
export function buildRouteTable(
  input: RouteTableInput,
  put: (digest: Digest, part: HostPart) => void,
): RouteTablePart {
  const { listener, port, routes, grpcRoutes = [] } = input
  const hosts = hostsOf(routes, comparePrecedence, put, (rules, matches) => ({
    kind: 'http-host',
    rules,
    matches,
  }))
  const grpc = hostsOf(grpcRoutes, compareGrpcPrecedence, put, (rules, matches) => ({
    kind: 'grpc-host',
    rules,
    matches,
  }))
  const part = { kind: 'route-table', listener, port, hosts } as const
  return grpc.length === 0 ? part : { ...part, grpc }
}

type Placed<Match> = Match & { readonly rule: number }

function hostsOf<Match>(
  routes: readonly Attached<Match>[],
  compare: (a: RankedMatch<Match>, b: RankedMatch<Match>) => number,
  put: (digest: Digest, part: HostPart) => void,
  toPart: ToPart<Match>,
): readonly HostRef[] {
  const groups = new Map<string, HostGroup<Match>>()
  for (const { resource, lowered, hostnames } of mergeAttachments(routes)) {
    for (const rule of lowered.rules) {
      const matches = hostMatches(resource, rule)
      for (const served of hostnames) groupOf(groups, served).matches.push(...matches)
    }
  }
  return [...groups.values()].sort(compareHosts).map(({ hostname, matches }) => {
    const host = madeHost(
      matches.sort((a, b) => compare(a.ranked, b.ranked)),
      toPart,
    )
    put(host.digest, host.part)
    return { hostname, routes: host.digest }
  })
}

type ToPart<Match> = (rules: readonly HttpRule[], matches: readonly Placed<Match>[]) => HostPart

interface MadeHost {
  readonly from: readonly HostMatch<unknown>[]
  readonly part: HostPart
  readonly digest: Digest
}

/** By their first rule: what was made of the same rules and matches is not made again. */
const made = new WeakMap<HttpRule, MadeHost[]>()

function madeHost<Match>(matches: readonly HostMatch<Match>[], toPart: ToPart<Match>): MadeHost {
  const [first] = matches
  const known = first && made.get(first.rule)
  const same = known?.find(({ from }) => isSame(from, matches))
  if (same !== undefined) return same
  const places = new Map<HttpRule, number>()
  for (const { rule } of matches) if (!places.has(rule)) places.set(rule, places.size)
  const placed = matches.map(({ ranked, rule }) => ({
    ...ranked.match,
    rule: places.get(rule) ?? 0,
  }))
  const part = toPart([...places.keys()], placed)
  const host = { from: matches, part, digest: digestOf(part) }
  // Hosts of other times may be among them; there is no more than one for each name of the rule.
  if (known !== undefined && known.length < MAX_KNOWN) known.push(host)
  else if (first !== undefined) made.set(first.rule, [host])
  return host
}

const MAX_KNOWN = 64

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i])
}

function compareHosts(a: ServedHostname, b: ServedHostname): number {
  return compareSpecificity(a.hostname, b.hostname) || compareSpecificity(a.own, b.own)
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

interface HostMatch<Match> {
  readonly ranked: RankedMatch<Match>
  readonly rule: HttpRule
}

/** Of lowered rules: the same rule of a route has the same, so that hosts are known by identity. */
const matchesOf = new WeakMap<LoweredRule<unknown>, readonly HostMatch<unknown>[]>()

function hostMatches<Match>(
  route: Resource<unknown>,
  lowered: LoweredRule<Match>,
): readonly HostMatch<Match>[] {
  const known = matchesOf.get(lowered)
  // What was made of a LoweredRule<Match> has matches of that type.
  if (known !== undefined) return known as readonly HostMatch<Match>[]
  const { rule, index, matches } = lowered
  const fresh = matches.map((match, position) => ({
    ranked: { match, route, rule: index, position },
    rule,
  }))
  matchesOf.set(lowered, fresh)
  return fresh
}

/** Oldest first, each route once with all of its hostnames. */
function mergeAttachments<Match>(routes: readonly Attached<Match>[]): readonly Attached<Match>[] {
  const merged = new Map<Resource<unknown>, Attached<Match>>()
  for (const route of routes) {
    const known = merged.get(route.resource)
    merged.set(route.resource, known === undefined ? route : withHostnames(known, route.hostnames))
  }
  return [...merged.values()].sort((a, b) => compareAge(a.resource, b.resource))
}

function withHostnames<Match>(
  route: Attached<Match>,
  more: readonly ServedHostname[],
): Attached<Match> {
  const added = more.filter(
    ({ hostname }) => !route.hostnames.some((served) => served.hostname === hostname),
  )
  return { ...route, hostnames: [...route.hostnames, ...added] }
}
