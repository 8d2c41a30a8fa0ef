/**
 * Which match of a route table wins, by the data plane's own tables, and why the other rules lose.
 * A table of those that fit has the same winner as the table of all: so the whole need not be
 * compiled at once, and each turn of the event loop stays short.
 */
import { compileGrpcTable } from '../../match/grpc/table.ts'
import { failedCallCriterion } from '../../match/grpc/verdict.ts'
import { compileRouteTable, type MatchRequest } from '../../match/http/table.ts'
import { failedCriterion } from '../../match/http/verdict.ts'
import type { Losers } from '../../model/explanation.ts'
import type {
  GrpcHost,
  GrpcMatch,
  HttpHost,
  HttpMatch,
  HttpRule,
  RouteTablePart,
} from '../../model/http.ts'
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
  | { readonly kind: 'http'; readonly host: HttpHost; readonly match: HttpMatch }
  | { readonly kind: 'grpc'; readonly host: GrpcHost; readonly match: GrpcMatch }

interface Asked {
  readonly request: MatchRequest
  readonly isGrpc: boolean
}

export async function contestRules(
  part: RouteTablePart,
  asked: Asked,
  slice: Slice,
): Promise<RuleContest> {
  const nearness = new Nearness()
  for (const candidate of candidatesOf(part, asked.isGrpc)) {
    nearness.add(candidate, distanceOf(candidate, asked))
    await slice.breathe()
  }
  const winner = winnerOf(nearness.fitting, asked)
  const rule = winner && part.rules[winner.match.rule]
  return {
    winner: rule && winner && { rule, match: matchText(winner) },
    others: losersOf(nearness.without(winner?.match.rule), (candidate) => ({
      name: `${part.rules[candidate.match.rule]?.id} (${matchText(candidate)})`,
      why: whyNot(candidate, asked),
    })),
  }
}

/** In the order in which the data plane asks; a request that is no gRPC asks no GRPCRoute. */
function* candidatesOf(part: RouteTablePart, isGrpc: boolean): Generator<Candidate> {
  if (isGrpc) yield* callsOf(part)
  for (const host of part.hosts) {
    for (const match of host.matches) yield { kind: 'http', host, match }
  }
  if (!isGrpc) yield* callsOf(part)
}

function* callsOf({ grpc = [] }: RouteTablePart): Generator<Candidate> {
  for (const host of grpc) {
    for (const match of host.matches) yield { kind: 'grpc', host, match }
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
function placeOf({ kind, host, match }: Candidate): Candidate {
  const { rule } = match
  if (kind === 'http') {
    return { kind, host, match: { path: match.path, headers: [], query: [], rule } }
  }
  const { service, method } = match
  return {
    kind,
    host,
    match: { ...(service && { service }), ...(method && { method }), headers: [], rule },
  }
}

function winnerOf(candidates: readonly Candidate[], asked: Asked): Candidate | undefined {
  const { request, isGrpc } = asked
  const calls = candidates.filter((one) => one.kind === 'grpc')
  const call =
    isGrpc && calls.length > 0 ? compileGrpcTable(hostsOf(calls)).lookup(request) : undefined
  const requests = candidates.filter((one) => one.kind === 'http')
  const found = call ?? compileRouteTable({ hosts: hostsOf(requests) }).lookup(request)
  return found && candidates.find(({ match }) => match === found)
}

/** The table's own groups, less what does not fit. */
function hostsOf<M>(
  candidates: readonly { readonly host: { readonly hostname: string }; readonly match: M }[],
): readonly { readonly hostname: string; readonly matches: readonly M[] }[] {
  return [...Map.groupBy(candidates, ({ host }) => host)].map(([{ hostname }, group]) => ({
    hostname,
    matches: group.map(({ match }) => match),
  }))
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
  readonly #nearest = new Map<number, Distance>()
  readonly #kept: Readonly<Record<Distance, Candidate[]>> = { 0: [], 1: [], 2: [], 3: [] }

  get fitting(): readonly Candidate[] {
    return this.#kept[FITS]
  }

  add(candidate: Candidate, distance: Distance): void {
    const { rule } = candidate.match
    const before = this.#nearest.get(rule)
    const isNearer = before === undefined || distance < before
    if (isNearer) this.#nearest.set(rule, distance)
    const kept = this.#kept[distance]
    if (distance === FITS || (isNearer && kept.length < KEPT)) kept.push(candidate)
  }

  /** One for each rule, the nearest first, else in the order of the table. */
  without(winner: number | undefined): Crowd<Candidate> {
    const first = new Map<number, Candidate>()
    for (const distance of [FITS, PLACE, HOST, FAR] as const) {
      for (const candidate of this.#kept[distance]) {
        const { rule } = candidate.match
        if (!first.has(rule)) first.set(rule, candidate)
      }
    }
    if (winner !== undefined) first.delete(winner)
    const count = this.#nearest.size - (winner === undefined ? 0 : 1)
    return { nearestFirst: [...first.values()], count }
  }
}
