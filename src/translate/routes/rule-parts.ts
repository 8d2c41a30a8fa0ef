/**
 * What the rules of HTTPRoute and GRPCRoute have in common: filters and backends, and the action that
 * they come to. The filters of a GRPCRoute are some of those of an HTTPRoute.
 */
import type { HTTPFilter } from '../../api/http-filter.ts'
import type { HTTPBackendRef } from '../../api/http-route.ts'
import type { Resource } from '../../api/resource.ts'
import { assertNever } from '../../base/assert-never.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { HttpFilter, RedirectFilter } from '../../model/http-filter.ts'
import type { HttpRuleAction, HttpSession } from '../../model/http.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
import type { UpstreamTarget } from '../../model/upstream-target.ts'
import { upstreamName } from '../backends/resolution.ts'
import { resolveBackendRef } from '../backends.ts'
import type { TranslateContext } from '../context.ts'
import { lowerFilter } from '../filters/lower-filter.ts'
import type { LoweredRoute, LoweredRule } from './lowered-route.ts'
import type { RuleProblems } from './rule-problems.ts'

/** What the lowering of one rule works with. */
export interface RuleContext {
  readonly context: TranslateContext
  readonly route: Resource<unknown>
  readonly problems: RuleProblems
  readonly index: number
  /** What the rule's backends are sent. */
  readonly use: 'http' | 'grpc'
}

export interface LoweredFilters {
  readonly filters: readonly HttpFilter[]
  readonly redirect?: RedirectFilter
  /** Why what the filters would process must get an error instead. */
  readonly failure?: string
}

const NO_TARGET = 'A filter refers to a backend that cannot be used.'

export function lowerFilters(
  own: RuleContext,
  list: readonly HTTPFilter[],
  prefix: string | undefined,
  path: DocumentPath,
): LoweredFilters {
  const filters: HttpFilter[] = []
  let redirect: RedirectFilter | undefined
  let failure: string | undefined
  for (const [position, filter] of list.entries()) {
    const { context, route, use } = own
    const place = { context, route, use, prefix, path: [...path, position] }
    const result = lowerFilter(filter, place)
    switch (result.kind) {
      case 'filter':
        filters.push(result.filter)
        break
      case 'redirect':
        redirect = result.redirect
        break
      case 'left-out':
        own.problems.addUnresolved(result.problem)
        break
      case 'unsupported':
        own.problems.drop(own.index, result.path, result.message)
        break
      case 'unresolved':
        own.problems.unresolved('InvalidKind', result.path, result.message)
        failure ??= result.message
        break
      case 'no-target':
        own.problems.addUnresolved(result.problem)
        failure ??= result.problem?.message ?? NO_TARGET
        break
      default:
        assertNever(result)
    }
  }
  return {
    filters,
    ...(redirect === undefined ? {} : { redirect }),
    ...(failure === undefined ? {} : { failure }),
  }
}

export function lowerBackend(
  own: RuleContext,
  ref: HTTPBackendRef,
  prefix: string | undefined,
  path: DocumentPath,
): WeightedUpstream {
  const { target, problem } = resolveBackendRef(own.context, own.route, ref, path, own.use)
  own.problems.addUnresolved(problem)
  const list = ref.filters ?? []
  const { filters, redirect, failure } = lowerFilters(own, list, prefix, [...path, 'filters'])
  // An unresolvable filter spoils the share of its backend only.
  return {
    weight: ref.weight,
    filters: redirect === undefined ? filters : [...filters, redirect],
    target: failure === undefined ? target : spoil(own, ref, failure),
  }
}

function spoil({ route }: RuleContext, ref: HTTPBackendRef, message: string): UpstreamTarget {
  const key = { ...ref, namespace: ref.namespace ?? route.key.namespace }
  return { kind: 'invalid', name: upstreamName(key, ref.port), message }
}

export function actionOf(
  filters: LoweredFilters,
  backends: readonly WeightedUpstream[],
  session: HttpSession | undefined,
): HttpRuleAction {
  if (filters.failure !== undefined) return { kind: 'fail', reason: 'filter-invalid' }
  if (filters.redirect !== undefined) return { kind: 'redirect', redirect: filters.redirect }
  // Without weight a backend gets nothing new, but sessions go on there.
  const receives = session === undefined ? hasWeight : () => true
  return backends.some(receives)
    ? { kind: 'forward', backends }
    : { kind: 'fail', reason: 'no-backend' }
}

function hasWeight({ weight }: WeightedUpstream): boolean {
  return weight > 0
}

/**
 * A rule with a value that is not served is dropped whole and named in the status. What it matches
 * gets 500: were it to fall to a broader rule, a filter that guards it could be walked around
 * (decision 12).
 */
export function withVerdict<Match>(
  all: readonly LoweredRule<Match>[],
  problems: RuleProblems,
): LoweredRoute<Match> {
  const verdict = problems.verdict(all.length)
  const rules = all.map((rule) => (problems.isDropped(rule.index) ? failing(rule) : rule))
  return { rules: verdict.accepted === undefined ? rules : [], ...verdict }
}

function failing<Match>({ rule, ...rest }: LoweredRule<Match>): LoweredRule<Match> {
  const action = { kind: 'fail', reason: 'filter-invalid' } as const
  return { ...rest, rule: { ...rule, filters: [], action } }
}
