/**
 * All routes with what became of them: where they attach and what they are lowered to. One place
 * lists the kinds, so that supporting another is one entry here and one row in protocols.ts.
 */
import type { GRPCRoute } from '../../api/grpc-route.ts'
import type { HTTPRoute } from '../../api/http-route.ts'
import { compareAge, type Resource } from '../../api/resource.ts'
import { changeOf, type ListChange, withChange } from '../../base/lists.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { BackendUse } from '../backends.ts'
import {
  attachRoute,
  isOfOthers,
  type ListenersByParent,
  type ParentResult,
  type Route,
  type RouteObject,
} from '../attachment.ts'
import { reportAttachment, reportOtherParents } from '../attachment-findings.ts'
import type { TranslateContext } from '../context.ts'
import { terminatesTls } from '../listeners.ts'
import type { RouteKind } from '../protocols.ts'
import { type LoweredGrpcRoute, lowerGrpcRoute } from './grpc-route.ts'
import { type LoweredHttpRoute, lowerHttpRoute } from './http-route.ts'
import { reportIdleRules } from './idle-rules.ts'
import { type Forward, type L4RouteObject, lowerL4Route } from './l4-route.ts'
import type { RouteVerdict } from './lowered-route.ts'

interface OutcomeBase<R extends Route = Route> {
  readonly route: R
  /** One for each parentRef that names a parent of ours. */
  readonly parents: readonly ParentResult[]
  readonly verdict: RouteVerdict
}

export type L4RouteKind = 'TLSRoute' | 'TCPRoute' | 'UDPRoute'

export type RouteOutcome =
  | (OutcomeBase<Resource<HTTPRoute>> & {
      readonly kind: 'HTTPRoute'
      readonly lowered: LoweredHttpRoute
    })
  | (OutcomeBase & {
      readonly kind: L4RouteKind
      readonly forwards: ReadonlyMap<BackendUse, Forward>
    })
  | (OutcomeBase<Resource<GRPCRoute>> & {
      readonly kind: 'GRPCRoute'
      readonly lowered: LoweredGrpcRoute
    })

/** What became of the routes since the pass before. */
export type OutcomeChange = ListChange<RouteOutcome>

/**
 * All routes with what became of them, kept from pass to pass while nothing but routes changes. Routes
 * of others are left out.
 */
export class RouteOutcomes {
  readonly #parents: ListenersByParent
  readonly #http = new OutcomesOfKind('HTTPRoute', httpOutcome)
  readonly #tls = new OutcomesOfKind('TLSRoute', l4Outcome('TLSRoute'))
  readonly #tcp = new OutcomesOfKind('TCPRoute', l4Outcome('TCPRoute'))
  readonly #grpc = new OutcomesOfKind('GRPCRoute', grpcOutcome)
  readonly #udp = new OutcomesOfKind('UDPRoute', l4Outcome('UDPRoute'))
  #all: readonly RouteOutcome[] = []

  constructor(parents: ListenersByParent) {
    this.#parents = parents
  }

  /** In the order of `compareOutcomes`. */
  get all(): readonly RouteOutcome[] {
    return this.#all
  }

  /** Reports of each route what there is to say, whether it is new or not. */
  next(context: TranslateContext): OutcomeChange {
    const { httpRoutes, grpcRoutes, tlsRoutes, tcpRoutes, udpRoutes } = context.resources
    const changes = [
      this.#http.next(context, this.#parents, httpRoutes),
      this.#tls.next(context, this.#parents, tlsRoutes),
      this.#tcp.next(context, this.#parents, tcpRoutes),
      this.#grpc.next(context, this.#parents, grpcRoutes),
      this.#udp.next(context, this.#parents, udpRoutes),
    ]
    const change = {
      gone: new Set(changes.flatMap(({ gone }) => [...gone])),
      come: changes.flatMap(({ come }) => come),
    }
    this.#all = withChange(this.#all, change, compareOutcomes)
    return change
  }
}

/** Oldest first within a kind: the order of every "oldest wins" rule. */
export function compareOutcomes(a: RouteOutcome, b: RouteOutcome): number {
  return KIND_RANK[a.kind] - KIND_RANK[b.kind] || compareAge(a.route, b.route)
}

const KIND_RANK = {
  HTTPRoute: 0,
  TLSRoute: 1,
  TCPRoute: 2,
  GRPCRoute: 3,
  UDPRoute: 4,
} as const satisfies Record<RouteKind, number>

class OutcomesOfKind<T extends RouteObject> {
  readonly #kind: RouteKind
  readonly #outcomeOf: OutcomeOf<T>
  #routes: readonly Resource<T>[] = []
  readonly #outcomes = new Map<Resource<T>, RouteOutcome>()
  /** Of those with anything to say. */
  readonly #reported = new Map<Resource<T>, readonly Diagnostic[]>()

  constructor(kind: RouteKind, outcomeOf: OutcomeOf<T>) {
    this.#kind = kind
    this.#outcomeOf = outcomeOf
  }

  next(
    context: TranslateContext,
    parents: ListenersByParent,
    routes: readonly Resource<T>[],
  ): OutcomeChange {
    const change = changeOf(this.#routes, routes)
    this.#routes = routes
    const gone = new Set([...change.gone].flatMap((route) => this.#take(route) ?? []))
    for (const reported of this.#reported.values()) {
      for (const diagnostic of reported) context.diagnostics.add(diagnostic)
    }
    const come = change.come.flatMap((route) => this.#make(context, parents, route) ?? [])
    return { gone, come }
  }

  #take(route: Resource<T>): RouteOutcome | undefined {
    const outcome = this.#outcomes.get(route)
    this.#outcomes.delete(route)
    this.#reported.delete(route)
    return outcome
  }

  #make(
    context: TranslateContext,
    parents: ListenersByParent,
    route: Resource<T>,
  ): RouteOutcome | undefined {
    const { result, noted } = context.diagnostics.noteOf(() => {
      reportOtherParents(context, route)
      if (isOfOthers(context, parents, route)) return undefined
      const attached = attachRoute(context, parents, this.#kind, route)
      const outcome = this.#outcomeOf(context, route, attached)
      reportAttachment(context, outcome)
      reportIdleRules(context, outcome.route)
      return outcome
    })
    if (result !== undefined) this.#outcomes.set(route, result)
    if (noted.length > 0) this.#reported.set(route, noted)
    return result
  }
}

type OutcomeOf<T> = (
  context: TranslateContext,
  route: Resource<T>,
  parents: readonly ParentResult[],
) => RouteOutcome

function httpOutcome(
  context: TranslateContext,
  route: Resource<HTTPRoute>,
  parents: readonly ParentResult[],
): RouteOutcome {
  const lowered = lowerHttpRoute(context, route)
  return { kind: 'HTTPRoute', route, parents, verdict: lowered, lowered }
}

function grpcOutcome(
  context: TranslateContext,
  route: Resource<GRPCRoute>,
  parents: readonly ParentResult[],
): RouteOutcome {
  const lowered = lowerGrpcRoute(context, route)
  return { kind: 'GRPCRoute', route, parents, verdict: lowered, lowered }
}

function l4Outcome(kind: L4RouteKind): OutcomeOf<L4RouteObject> {
  return (context, route, parents) => {
    const uses = new Set(
      parents.flatMap(({ attachments }) =>
        attachments.map(({ listener }): BackendUse => useOf(kind, terminatesTls(listener))),
      ),
    )
    const unattached = useOf(kind, false)
    const lowered = lowerL4Route(context, route, uses.size === 0 ? new Set([unattached]) : uses)
    return { kind, route, parents, verdict: lowered, forwards: lowered.forwards }
  }
}

/** A BackendTLSPolicy holds for what was decrypted, not for streams as they came (digest section 6.2). */
export function useOf(kind: L4RouteKind, isDecrypted: boolean): BackendUse {
  if (kind === 'UDPRoute') return 'udp'
  return isDecrypted ? 'decrypted' : 'tcp'
}
