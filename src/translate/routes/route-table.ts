/**
 * The HTTP and gRPC routes of one listener as one table: hostnames most specific first, and within
 * each all matches of all routes of a kind by precedence (digest sections 2.5, 4.1 and 5). The same
 * routes in any order give the same table.
 */
import { compareAge, type Resource } from '../../api/resource.ts'
import { compareSpecificity } from '../../match/hostname.ts'
import type { Digest } from '../../base/brand.ts'
import { digestOf } from '../../base/digest.ts'
import { sameItems, withChange } from '../../base/lists.ts'
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

interface Attached<Match> {
  readonly resource: Resource<unknown>
  readonly lowered: LoweredRoute<Match>
  readonly hostnames: readonly ServedHostname[]
}

export type AttachedHttpRoute = Attached<LoweredMatch>
export type AttachedGrpcRoute = Attached<LoweredGrpcMatch>

type HostPart = HttpHostPart | GrpcHostPart

/** Takes the parts of the hosts. */
export type PutHost = (digest: Digest, part: HostPart) => void

interface AttachedChange<Match> {
  readonly gone: readonly Attached<Match>[]
  readonly come: readonly Attached<Match>[]
}

/** The table of one listener after each change of its routes. No route stands here twice. */
export class RouteTables {
  readonly #base: Pick<RouteTablePart, 'kind' | 'listener' | 'port'>
  readonly #http = new Hosts<LoweredMatch>(comparePrecedence, (rules, matches) => ({
    kind: 'http-host',
    rules,
    matches,
  }))
  readonly #grpc = new Hosts<LoweredGrpcMatch>(compareGrpcPrecedence, (rules, matches) => ({
    kind: 'grpc-host',
    rules,
    matches,
  }))

  constructor(listener: ListenerKey, port: number) {
    this.#base = { kind: 'route-table', listener, port }
  }

  next(
    change: {
      readonly http: AttachedChange<LoweredMatch>
      readonly grpc: AttachedChange<LoweredGrpcMatch>
    },
    put: PutHost,
  ): RouteTablePart {
    const hosts = this.#http.next(change.http, put)
    const grpc = this.#grpc.next(change.grpc, put)
    return grpc.length === 0 ? { ...this.#base, hosts } : { ...this.#base, hosts, grpc }
  }
}

type Placed<Match> = Match & { readonly rule: number }

/** The hosts of a kind of routes. */
class Hosts<Match> {
  readonly #compare: (a: RankedMatch<Match>, b: RankedMatch<Match>) => number
  readonly #toPart: ToPart<Match>
  readonly #groups = new Map<string, HostGroup<Match>>()
  /** Most specific first. */
  #sorted: readonly HostGroup<Match>[] = []
  #refs: readonly HostRef[] = []

  constructor(
    compare: (a: RankedMatch<Match>, b: RankedMatch<Match>) => number,
    toPart: ToPart<Match>,
  ) {
    this.#compare = compare
    this.#toPart = toPart
  }

  next({ gone, come }: AttachedChange<Match>, put: PutHost): readonly HostRef[] {
    const touched = new Map<HostGroup<Match>, GroupChange<Match>>()
    const changeOf = (served: ServedHostname): GroupChange<Match> => {
      const group = this.#groupOf(served)
      const known = touched.get(group) ?? { gone: new Set(), come: [] }
      touched.set(group, known)
      return known
    }
    // A route without rules has nothing to say under any name.
    for (const route of gone.filter(hasRules)) {
      for (const served of route.hostnames) changeOf(served).gone.add(route)
    }
    for (const route of come.filter(hasRules)) {
      for (const served of route.hostnames) changeOf(served).come.push(route)
    }
    if (touched.size > 0) this.#apply(touched, put)
    return this.#refs
  }

  #apply(touched: ReadonlyMap<HostGroup<Match>, GroupChange<Match>>, put: PutHost): void {
    const gone = new Set<HostGroup<Match>>()
    const come: HostGroup<Match>[] = []
    for (const [group, change] of touched) {
      const isNew = group.routes.length === 0
      group.routes = withChange(group.routes, change, compareRoutes)
      if (group.routes.length === 0) {
        this.#groups.delete(keyOf(group))
        if (!isNew) gone.add(group)
        continue
      }
      if (isNew) come.push(group)
      group.ref = this.#refOf(group, put)
    }
    this.#sorted = withChange(this.#sorted, { gone, come }, compareHosts)
    this.#refs = this.#sorted.flatMap(({ ref }) => ref ?? [])
  }

  #refOf({ hostname, routes, ref }: HostGroup<Match>, put: PutHost): HostRef {
    const matches = routes.flatMap(({ resource, lowered }) =>
      lowered.rules.flatMap((rule) => hostMatches(resource, rule)),
    )
    const host = madeHost(
      matches.sort((a, b) => this.#compare(a.ranked, b.ranked)),
      this.#toPart,
    )
    put(host.digest, host.part)
    return ref?.routes === host.digest ? ref : { hostname, routes: host.digest }
  }

  #groupOf({ hostname, own }: ServedHostname): HostGroup<Match> {
    const key = keyOf({ hostname, own })
    const group = this.#groups.get(key) ?? { hostname, own, routes: [], ref: undefined }
    this.#groups.set(key, group)
    return group
  }
}

/** All routes that serve one name by equally specific hostnames of their own, oldest first. */
interface HostGroup<Match> extends ServedHostname {
  routes: readonly Attached<Match>[]
  ref: HostRef | undefined
}

interface GroupChange<Match> {
  readonly gone: Set<Attached<Match>>
  readonly come: Attached<Match>[]
}

function keyOf({ hostname, own }: ServedHostname): string {
  return `${hostname} ${own}`
}

function hasRules({ lowered }: Attached<unknown>): boolean {
  return lowered.rules.length > 0
}

function compareRoutes(a: Attached<unknown>, b: Attached<unknown>): number {
  return compareAge(a.resource, b.resource)
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
  const same = known?.find(({ from }) => sameItems(from, matches))
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

function compareHosts(a: ServedHostname, b: ServedHostname): number {
  return compareSpecificity(a.hostname, b.hostname) || compareSpecificity(a.own, b.own)
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
