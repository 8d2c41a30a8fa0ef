/**
 * HTTPRoute to rules (digest section 4), whatever its parents. A rule with a value that is not
 * served is dropped whole and named in the status. What it matches gets 500: were it to fall to a
 * broader rule, a filter that guards it could be walked around (decision 12).
 */
import type { HTTPFilter } from '../../api/http-filter.ts'
import type { HTTPBackendRef, HTTPRoute, HTTPRule } from '../../api/http-route.ts'
import type { Resource } from '../../api/resource.ts'
import { parseDuration } from '../../base/duration.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { HttpFilter, RedirectFilter } from '../../model/http-filter.ts'
import type { HttpRetry, HttpRule, HttpRuleAction, HttpTimeouts } from '../../model/http.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
import type { UpstreamTarget } from '../../model/upstream-target.ts'
import { upstreamName } from '../backends/resolution.ts'
import { resolveBackendRef } from '../backends.ts'
import type { TranslateContext } from '../context.ts'
import { lowerFilter } from '../filters/lower-filter.ts'
import { type LoweredMatch, lowerMatches, onlyPrefix } from './http-match.ts'
import type { RouteVerdict } from './lowered-route.ts'
import { RuleProblems } from './rule-problems.ts'

export interface LoweredHttpRoute extends RouteVerdict {
  /** In document order; empty when the route is not accepted. */
  readonly rules: readonly LoweredHttpRule[]
}

export interface LoweredHttpRule {
  /** Position in `spec.rules`. */
  readonly index: number
  readonly rule: HttpRule
  readonly matches: readonly LoweredMatch[]
}

/** Adds the upstreams of all rules to the context's parts. */
export function lowerHttpRoute(
  context: TranslateContext,
  route: Resource<HTTPRoute>,
): LoweredHttpRoute {
  const problems = new RuleProblems(context, route)
  const all = route.object.spec.rules
  const lowered = all.map((rule, index) => lowerRule({ context, route, problems, index }, rule))
  const verdict = problems.verdict(all.length)
  const rules = lowered.map((rule) => (problems.isDropped(rule.index) ? failingRule(rule) : rule))
  return { rules: verdict.accepted === undefined ? rules : [], ...verdict }
}

function failingRule({ rule, ...rest }: LoweredHttpRule): LoweredHttpRule {
  const action = { kind: 'fail', reason: 'filter-invalid' } as const
  return { ...rest, rule: { ...rule, filters: [], action } }
}

/** What the lowering of one rule works with. */
interface RuleContext {
  readonly context: TranslateContext
  readonly route: Resource<HTTPRoute>
  readonly problems: RuleProblems
  readonly index: number
}

function lowerRule(own: RuleContext, rule: HTTPRule): LoweredHttpRule {
  const { route, problems, index } = own
  const { namespace, name } = route.key
  const path = ['spec', 'rules', index]
  const matches = lowerMatches(rule.matches, [...path, 'matches'], (place, message) =>
    problems.drop(index, place, message),
  )
  const prefix = onlyPrefix(matches)
  const filters = lowerFilters(own, rule.filters ?? [], prefix, [...path, 'filters'])
  const backends = (rule.backendRefs ?? []).map((ref, position) =>
    lowerBackend(own, ref, prefix, [...path, 'backendRefs', position]),
  )
  dropUnsupportedFields(own, rule, path)
  return {
    index,
    matches,
    rule: {
      id: `HTTPRoute/${namespace}/${name}/${index}`,
      route: { kind: 'HTTPRoute', namespace, name },
      ...(rule.name === undefined ? {} : { name: rule.name }),
      filters: filters.filters,
      action: actionOf(filters, backends),
      timeouts: lowerTimeouts(rule.timeouts ?? {}),
      ...(rule.retry === undefined ? {} : { retry: lowerRetry(rule.retry) }),
    },
  }
}

/** Fields whose behaviour does not exist yet. */
function dropUnsupportedFields(own: RuleContext, rule: HTTPRule, path: DocumentPath): void {
  const field = 'sessionPersistence'
  if (rule[field] === undefined) return
  own.problems.drop(own.index, [...path, field], `The field ${field} is not supported yet.`)
}

interface LoweredFilters {
  readonly filters: readonly HttpFilter[]
  readonly redirect?: RedirectFilter
  /** Why what the filters would process must get an error instead. */
  readonly failure?: string
}

function lowerFilters(
  own: RuleContext,
  list: readonly HTTPFilter[],
  prefix: string | undefined,
  path: DocumentPath,
): LoweredFilters {
  const filters: HttpFilter[] = []
  let redirect: RedirectFilter | undefined
  let failure: string | undefined
  for (const [position, filter] of list.entries()) {
    const place = { context: own.context, route: own.route, prefix, path: [...path, position] }
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
    }
  }
  return {
    filters,
    ...(redirect === undefined ? {} : { redirect }),
    ...(failure === undefined ? {} : { failure }),
  }
}

function lowerBackend(
  own: RuleContext,
  ref: HTTPBackendRef,
  prefix: string | undefined,
  path: DocumentPath,
): WeightedUpstream {
  const { target, problem } = resolveBackendRef(own.context, own.route, ref, path, 'http')
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

function actionOf(filters: LoweredFilters, backends: readonly WeightedUpstream[]): HttpRuleAction {
  if (filters.failure !== undefined) return { kind: 'fail', reason: 'filter-invalid' }
  if (filters.redirect !== undefined) return { kind: 'redirect', redirect: filters.redirect }
  if (backends.every(({ weight }) => weight === 0)) return { kind: 'fail', reason: 'no-backend' }
  return { kind: 'forward', backends }
}

/** `0s` disables a timeout. */
function lowerTimeouts({
  request,
  backendRequest,
}: NonNullable<HTTPRule['timeouts']>): HttpTimeouts {
  const requestMs = parseDuration(request ?? '0s') ?? 0
  const backendRequestMs = parseDuration(backendRequest ?? '0s') ?? 0
  return {
    ...(requestMs === 0 ? {} : { requestMs }),
    ...(backendRequestMs === 0 ? {} : { backendRequestMs }),
  }
}

/** The API leaves both defaults to implementations: one more try, after Envoy's base interval. */
function lowerRetry({ codes = [], attempts = 1, backoff = '25ms' }: Retry): HttpRetry {
  return { codes: codes.toSorted(), attempts, backoffMs: parseDuration(backoff) ?? 0 }
}

type Retry = NonNullable<HTTPRule['retry']>
