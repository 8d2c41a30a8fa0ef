/**
 * All routes with what became of them: where they attach and what they are lowered to. One place
 * lists the kinds, so that supporting another is one entry here and one row in protocols.ts.
 */
import type { GRPCRoute } from '../../api/grpc-route.ts'
import type { HTTPRoute } from '../../api/http-route.ts'
import { compareAge, type Resource } from '../../api/resource.ts'
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
import type { PassMemory } from '../pass-memory.ts'
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

/** Oldest first within a kind: the order of every "oldest wins" rule. Routes of others are left out. */
export function collectRoutes(
  context: TranslateContext,
  memory: PassMemory,
  parents: ListenersByParent,
): readonly RouteOutcome[] {
  const { httpRoutes, grpcRoutes, tlsRoutes, tcpRoutes, udpRoutes } = context.resources
  const outcomesOf = <T extends RouteObject>(
    kind: RouteKind,
    routes: readonly Resource<T>[],
    outcomeOf: OutcomeOf<T>,
  ): readonly RouteOutcome[] =>
    routes.toSorted(compareAge).flatMap(
      (route) =>
        memory.recall(context, route, (own) => {
          reportOtherParents(own, route)
          if (isOfOthers(own, parents, route)) return undefined
          const outcome = outcomeOf(own, route, attachRoute(own, parents, kind, route))
          reportAttachment(own, outcome)
          reportIdleRules(own, outcome.route)
          return outcome
        }) ?? [],
    )
  return [
    ...outcomesOf('HTTPRoute', httpRoutes, httpOutcome),
    ...outcomesOf('TLSRoute', tlsRoutes, l4Outcome('TLSRoute')),
    ...outcomesOf('TCPRoute', tcpRoutes, l4Outcome('TCPRoute')),
    ...outcomesOf('GRPCRoute', grpcRoutes, grpcOutcome),
    ...outcomesOf('UDPRoute', udpRoutes, l4Outcome('UDPRoute')),
  ]
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
