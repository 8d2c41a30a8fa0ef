/** GRPCRoute to rules (digest section 5), whatever its parents: as HTTPRoute, with its own matches. */
import type { GRPCMatch, GRPCRoute, GRPCRule } from '../../api/grpc-route.ts'
import type { Resource } from '../../api/resource.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { GrpcMatch, NameMatch } from '../../model/http.ts'
import type { TranslateContext } from '../context.ts'
import { checkRegex, lowerEach, lowerHeaders, type ValueFault } from './http-match.ts'
import type { LoweredRoute, LoweredRule } from './lowered-route.ts'
import {
  actionOf,
  lowerBackend,
  lowerFilters,
  type RuleContext,
  withVerdict,
} from './rule-parts.ts'
import { RuleProblems } from './rule-problems.ts'
import { lowerSession, warnOfSharedCookies } from './session-persistence.ts'

export type LoweredGrpcMatch = Omit<GrpcMatch, 'rule'>

export type LoweredGrpcRoute = LoweredRoute<LoweredGrpcMatch>

/** Adds the upstreams of all rules to the context's parts. */
export function lowerGrpcRoute(
  context: TranslateContext,
  route: Resource<GRPCRoute>,
): LoweredGrpcRoute {
  const problems = new RuleProblems(context, route)
  // Without rules a GRPCRoute matches everything and has no backend, as an HTTPRoute.
  const rules: readonly GRPCRule[] = route.object.spec.rules ?? [{}]
  const lowered = rules.map((rule, index) =>
    lowerRule({ context, route, problems, index, use: 'grpc' }, rule),
  )
  warnOfSharedCookies(context, route, rules)
  return withVerdict(lowered, problems)
}

function lowerRule(own: RuleContext, rule: GRPCRule): LoweredRule<LoweredGrpcMatch> {
  const { route, problems, index } = own
  const { namespace, name } = route.key
  const path = ['spec', 'rules', index]
  const matchesPath = [...path, 'matches']
  const matches = lowerEach(rule.matches ?? [], ANY, lowerMatch, matchesPath, (place, message) =>
    problems.drop(index, place, message),
  )
  const filters = lowerFilters(own, rule.filters ?? [], undefined, [...path, 'filters'])
  const backends = (rule.backendRefs ?? []).map((ref, position) =>
    lowerBackend(own, ref, undefined, [...path, 'backendRefs', position]),
  )
  const session = lowerSession(own, rule, path)
  return {
    index,
    matches,
    rule: {
      id: `GRPCRoute/${namespace}/${name}/${index}`,
      route: { kind: 'GRPCRoute', namespace, name },
      ...(rule.name === undefined ? {} : { name: rule.name }),
      filters: filters.filters,
      action: actionOf(filters, backends, session),
      timeouts: {},
      ...(session === undefined ? {} : { session }),
    },
  }
}

const ANY: LoweredGrpcMatch = { headers: [] }

function lowerMatch(
  { method: call, headers = [] }: GRPCMatch,
  path: DocumentPath,
  fault: ValueFault,
): LoweredGrpcMatch {
  const { type, service = '', method = '' } = call ?? { type: 'Exact' as const }
  const name = (field: 'service' | 'method', value: string): NameMatch => {
    if (type === 'RegularExpression') checkRegex(value, [...path, 'method', field], fault)
    return { kind: type === 'Exact' ? 'exact' : 'regex', value }
  }
  return {
    ...(service === '' ? {} : { service: name('service', service) }),
    ...(method === '' ? {} : { method: name('method', method) }),
    headers: lowerHeaders(headers, [...path, 'headers'], fault),
  }
}
