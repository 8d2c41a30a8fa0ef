/** HTTPRoute (upstream apis/v1/httproute_types.go), with the cross-field rules of the CRD's CEL. */
import * as z from 'zod'
import { parseDuration } from '../base/duration.ts'
import { requireServicePort, SERVICE_PORT_RULE, weightedBackendFields } from './backend-ref.ts'
import type { Output } from './common.ts'
import { duration, hostname, sectionName } from './common.ts'
import type { HTTPFilter } from './http-filter.ts'
import { httpFilters } from './http-filter.ts'
import { httpMatches } from './http-match.ts'
import { uniqueRuleNames } from './l4-rules.ts'
import { customResource, withoutNulls } from './meta.ts'
import { commonRouteFields } from './parent-ref.ts'
import { report, unique } from './refine.ts'
import { sessionPersistence } from './session-persistence.ts'

const MAX_MATCHES = 128

const httpBackendRef = z
  .strictObject({ ...weightedBackendFields, filters: httpFilters.exactOptional() })
  .superRefine(requireServicePort)
  .describe(SERVICE_PORT_RULE)

export type HTTPBackendRef = Output<typeof httpBackendRef>

const timeouts = z
  .strictObject({ request: duration.exactOptional(), backendRequest: duration.exactOptional() })
  .superRefine(({ request, backendRequest }, context) => {
    if (request === undefined || backendRequest === undefined) return
    const requestMs = parseDuration(request) ?? 0
    if (requestMs === 0 || (parseDuration(backendRequest) ?? 0) <= requestMs) return
    report(context, ['backendRequest'], `must not be longer than request, ${request}`)
  })
  .describe('backendRequest is not longer than request, unless request is 0s.')

const retry = z.strictObject({
  codes: z
    .array(z.int().min(400, 'must be 400 to 599').max(599, 'must be 400 to 599'))
    .superRefine(unique((code) => String(code)))
    .meta({ uniqueItems: true })
    .exactOptional(),
  attempts: z.int().min(1, 'must be 1 or more').exactOptional(),
  backoff: duration.exactOptional(),
})

const httpRule = z
  .strictObject({
    name: sectionName.exactOptional(),
    matches: httpMatches,
    filters: httpFilters.exactOptional(),
    backendRefs: z.array(httpBackendRef).max(16, 'must have at most 16 entries').exactOptional(),
    timeouts: timeouts.exactOptional(),
    retry: retry.exactOptional(),
    sessionPersistence: sessionPersistence.exactOptional(),
  })
  .superRefine((rule, context) => {
    const filters = rule.filters ?? []
    const backendRefs = rule.backendRefs ?? []
    if (backendRefs.length > 0 && filters.some((filter) => filter.requestRedirect !== undefined)) {
      report(
        context,
        ['backendRefs'],
        'must not be set beside a RequestRedirect filter, which answers by itself',
      )
    }
    const lists = [filters, ...backendRefs.map((ref) => ref.filters ?? [])]
    if (!lists.some((list) => list.some(replacesPrefix)) || hasOnePrefixMatch(rule.matches)) return
    report(
      context,
      ['matches'],
      'must be exactly one PathPrefix match when a filter has path type ReplacePrefixMatch',
    )
  })
  .describe(
    'A RequestRedirect filter excludes backendRefs; path type ReplacePrefixMatch needs exactly one PathPrefix match.',
  )

export type HTTPRule = Output<typeof httpRule>

function replacesPrefix(filter: HTTPFilter): boolean {
  const path = (filter.requestRedirect ?? filter.urlRewrite)?.path
  return path?.type === 'ReplacePrefixMatch'
}

function hasOnePrefixMatch(matches: HTTPRule['matches']): boolean {
  return matches.length === 1 && matches[0]?.path.type === 'PathPrefix'
}

const rules = z
  .array(httpRule)
  .min(1, 'must have at least one rule')
  .max(16, 'must have at most 16 rules')
  .superRefine(uniqueRuleNames)
  .refine(
    (list) => list.reduce((sum, rule) => sum + rule.matches.length, 0) <= MAX_MATCHES,
    `must have at most ${MAX_MATCHES} matches in all rules together`,
  )
  .describe('Rule names are unique; at most 128 matches in all rules together.')
  .default([{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }])

export const httpRouteSchema = withoutNulls(
  customResource(
    ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
    'HTTPRoute',
    z.strictObject({
      ...commonRouteFields,
      hostnames: z.array(hostname).max(16, 'must have at most 16 hostnames').exactOptional(),
      rules,
    }),
  ),
)

export type HTTPRoute = Output<typeof httpRouteSchema>
