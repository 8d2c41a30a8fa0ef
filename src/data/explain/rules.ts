/**
 * Which match of a route table wins, by the data plane's own tables, and why the other rules lose.
 * A table of those that fit has the same winner as the table of all: so the whole need not be
 * compiled at once, and each turn of the event loop stays short.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { compileGrpcHost } from '../../match/grpc/table.ts'
import { failedCallCriterion } from '../../match/grpc/verdict.ts'
import { HostGroups } from '../../match/host-groups.ts'
import { compileHttpHost, type MatchRequest } from '../../match/http/table.ts'
import { failedCriterion } from '../../match/http/verdict.ts'
import { hostOf, isHost } from '../../ipc/packed-part.ts'
import type { Losers } from '../../model/explanation.ts'
import type { GrpcMatch, HostRef, HttpMatch, HttpRule, RouteTablePart } from '../../model/http.ts'
import type { KeptPart } from '../../model/snapshot.ts'
import type { Slice } from '../slice.ts'
import { hostFits } from './listeners.ts'
import { type Crowd, losersOf } from './losers.ts'
import { matchText } from './match-text.ts'

export interface RuleContest {
  readonly winner: { readonly rule: HttpRule; readonly match: string } | undefined
  readonly others: Losers
}

/** One match of a rule under one of its hostnames. */
export type Candidate =
  | ({ readonly kind: 'http'; readonly match: HttpMatch } & Place)
  | ({ readonly kind: 'grpc'; readonly match: GrpcMatch } & Place)

interface Place {
  readonly host: HostRef
  readonly rule: HttpRule
}

interface Asked {
  readonly request: MatchRequest
  readonly isGrpc: boolean
}

export async function contestRules(
  table: RouteTablePart,
  parts: ReadonlyMap<Digest, KeptPart>,
  asked: Asked,
  slice: Slice,
): Promise<RuleContest> {
  const nearness = new Nearness()
  for (const candidate of candidatesOf(table, parts, asked.isGrpc)) {
    nearness.add(candidate, distanceOf(candidate, asked))
    await slice.breathe()
  }
  const winner = winnerOf(nearness.fitting, asked)
  return {
    winner: winner && { rule: winner.rule, match: matchText(winner) },
    others: losersOf(nearness.without(winner?.rule.id), (candidate) => ({
      name: `${candidate.rule.id} (${matchText(candidate)})`,
      why: whyNot(candidate, asked),
    })),
  }
}

/** In the order in which the data plane asks; a request that is no gRPC asks no GRPCRoute. */
function* candidatesOf(
  { hosts, grpc = [] }: RouteTablePart,
  parts: ReadonlyMap<Digest, KeptPart>,
  isGrpc: boolean,
): Generator<Candidate> {
  for (const host of isGrpc ? [...grpc, ...hosts] : [...hosts, ...grpc]) {
    yield* candidatesIn(host, parts.get(host.routes))
  }
}

function* candidatesIn(host: HostRef, part: KeptPart | undefined): Generator<Candidate> {
  if (part === undefined || !isHost(part)) {
    throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${host.routes} is no host`)
  }
  const { rules, matches } = hostOf(part)
  for (const match of matches) {
    const rule = rules[match.rule]
    if (rule === undefined) continue
    if ('path' in match) yield { kind: 'http', host, rule, match }
    else yield { kind: 'grpc', host, rule, match }
  }
}

/** FITS wins or is outranked; PLACE has host and path, or host and call; FAR has not even the host. */
const FITS = 0
const PLACE = 1
const HOST = 2
const FAR = 3
type Distance = typeof FITS | typeof PLACE | typeof HOST | typeof FAR

function distanceOf(candidate: Candidate, asked: Asked): Distance {
  if (!hostFits(candidate.host.hostname, asked.request.host)) return FAR
  if (!fits(placeOf(candidate), asked)) return HOST
  return fits(candidate, asked) ? FITS : PLACE
}

function fits(candidate: Candidate, asked: Asked): boolean {
  return winnerOf([candidate], asked) !== undefined
}

/** A candidate that asks for the place alone. */
function placeOf({ kind, match, ...where }: Candidate): Candidate {
  const { rule } = match
  if (kind === 'http') {
    return { kind, ...where, match: { path: match.path, headers: [], query: [], rule } }
  }
  const { service, method } = match
  return {
    kind,
    ...where,
    match: { ...(service && { service }), ...(method && { method }), headers: [], rule },
  }
}

function winnerOf(candidates: readonly Candidate[], asked: Asked): Candidate | undefined {
  const { request, isGrpc } = asked
  const calls = candidates.filter((one) => one.kind === 'grpc')
  const requests = candidates.filter((one) => one.kind === 'http')
  const call = isGrpc ? firstOf(calls, compileGrpcHost, request) : undefined
  return call ?? firstOf(requests, compileHttpHost, request)
}

/** Of the table's own hosts, less what does not fit. */
function firstOf<M, C extends { readonly host: HostRef; readonly match: M }>(
  candidates: readonly C[],
  compile: (matches: readonly C['match'][]) => { lookup(request: MatchRequest): M | undefined },
  request: MatchRequest,
): C | undefined {
  const hosts = [...Map.groupBy(candidates, ({ host }) => host)].map(([{ hostname }, group]) => {
    const matcher = compile(group.map(({ match }) => match))
    return [hostname, { group, matcher }] as const
  })
  return new HostGroups(hosts).first(request.host, request, ({ group, matcher }, asked) => {
    const found = matcher.lookup(asked)
    return found && group.find(({ match }) => match === found)
  })
}

function whyNot(candidate: Candidate, asked: Asked): string {
  const { request, isGrpc } = asked
  if (candidate.kind === 'grpc' && !isGrpc) return 'content-type is not application/grpc'
  const failure =
    candidate.kind === 'http'
      ? failedCriterion(candidate.host.hostname, candidate.match, request)
      : failedCallCriterion(candidate.host.hostname, candidate.match, request)
  if (failure !== undefined) return `${failure} differs`
  const isOutranked = candidate.kind === 'http' && isGrpc
  return isOutranked ? 'matches too, but GRPCRoutes come first' : 'matches too, but ranks lower'
}

/** More are not listed; a rule that turns out to be nearer leaves its first place empty. */
const KEPT = 100

/** Who fits, and how near each rule came; of the many that do not fit, the first ones. */
class Nearness {
  readonly #nearest = new Map<string, Distance>()
  readonly #kept: Readonly<Record<Distance, Candidate[]>> = { 0: [], 1: [], 2: [], 3: [] }

  get fitting(): readonly Candidate[] {
    return this.#kept[FITS]
  }

  add(candidate: Candidate, distance: Distance): void {
    const { id } = candidate.rule
    const before = this.#nearest.get(id)
    const isNearer = before === undefined || distance < before
    if (isNearer) this.#nearest.set(id, distance)
    const kept = this.#kept[distance]
    if (distance === FITS || (isNearer && kept.length < KEPT)) kept.push(candidate)
  }

  /** One for each rule, the nearest first, else in the order of the table. */
  without(winner: string | undefined): Crowd<Candidate> {
    const first = new Map<string, Candidate>()
    for (const distance of [FITS, PLACE, HOST, FAR] as const) {
      for (const candidate of this.#kept[distance]) {
        const { id } = candidate.rule
        if (!first.has(id)) first.set(id, candidate)
      }
    }
    if (winner !== undefined) first.delete(winner)
    const count = this.#nearest.size - (winner === undefined ? 0 : 1)
    return { nearestFirst: [...first.values()], count }
  }
}
