/**
 * HTTPRoute to rules (digest section 4), whatever its parents. A rule with a value that is not
 * served is dropped whole and named in the status. What it matches gets 500: were it to fall to a
 * broader rule, a filter that guards it could be walked around (decision 12).
 */
import type { HTTPRoute, HTTPRule } from '../../api/http-route.ts'
import type { Resource } from '../../api/resource.ts'
import { parseDuration } from '../../base/duration.ts'
import type { HttpRetry, HttpTimeouts } from '../../model/http.ts'
import type { TranslateContext } from '../context.ts'
import { type LoweredMatch, lowerMatches, onlyPrefix } from './http-match.ts'
import {
  actionOf,
  lowerBackend,
  lowerFilters,
  type RuleContext,
  withVerdict,
} from './rule-parts.ts'
import type { LoweredRoute, LoweredRule } from './lowered-route.ts'
import { RuleProblems } from './rule-problems.ts'
import { lowerSession, warnOfSharedCookies } from './session-persistence.ts'

export type LoweredHttpRoute = LoweredRoute<LoweredMatch>

/** Adds the upstreams of all rules to the context's parts. */
export function lowerHttpRoute(
  context: TranslateContext,
  route: Resource<HTTPRoute>,
): LoweredHttpRoute {
  const problems = new RuleProblems(context, route)
  const all = route.object.spec.rules
  const lowered = all.map((rule, index) =>
    lowerRule({ context, route, problems, index, use: 'http' }, rule),
  )
  warnOfSharedCookies(context, route, all)
  return withVerdict(lowered, problems)
}

function lowerRule(own: RuleContext, rule: HTTPRule): LoweredRule<LoweredMatch> {
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
  const session = lowerSession(own, rule, path)
  return {
    index,
    matches,
    rule: {
      id: `HTTPRoute/${namespace}/${name}/${index}`,
      route: { kind: 'HTTPRoute', namespace, name },
      ...(rule.name === undefined ? {} : { name: rule.name }),
      filters: filters.filters,
      action: actionOf(filters, backends, session),
      timeouts: lowerTimeouts(rule.timeouts ?? {}),
      ...(rule.retry === undefined ? {} : { retry: lowerRetry(rule.retry) }),
      ...(session === undefined ? {} : { session }),
    },
  }
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
