/**
 * Applies the filters of a rule and of the chosen backend, in order. The registry has one entry per
 * kind of the model's union: a kind without one does not compile.
 */
import type { HttpFilter, RedirectFilter } from '../../../model/http-filter.ts'
import type { Fields } from '../fields.ts'
import { emptyReply, type LocalReply, redirectReply } from '../local-reply.ts'
import type { RequestHead } from '../normalize.ts'
import { type CorsRequest, corsRequest, shareResponse } from './cors.ts'
import { modifyFields } from './header-modifier.ts'
import { type RedirectRequest, redirectLocation } from './redirect.ts'
import { rewriteTarget } from './rewrite-path.ts'

/** The request on its way to the upstream; Host among the fields is its authority. */
export interface RequestDraft {
  readonly fields: Fields
  target: string
}

/** What filters may ask about the request as it came, whatever others did to it since. */
export interface FilterRequest {
  readonly cors: CorsRequest
  readonly redirect: RedirectRequest
}

export function filterRequestOf(head: RequestHead, listenerPort: number): FilterRequest {
  return { cors: corsRequest(head.method, head.fields), redirect: { head, listenerPort } }
}

/** A filter's own answer, given instead of the upstream's. */
export interface FilterAnswer {
  readonly reply: LocalReply
  readonly reason: 'preflight' | 'redirected' | 'auth-denied'
  /** One line for the log. */
  readonly detail?: string
}

interface FilterApplication<F> {
  answer?(filter: F, request: FilterRequest): FilterAnswer | undefined
  request?(filter: F, draft: RequestDraft): void
  response?(filter: F, fields: Fields, request: FilterRequest): void
}

const FILTERS = {
  'request-header-modifier': { request: (filter, draft) => modifyFields(filter, draft.fields) },
  'response-header-modifier': { response: modifyFields },
  'url-rewrite': {
    request: (filter, draft) => {
      if (filter.hostname !== undefined) draft.fields.set('Host', filter.hostname)
      if (filter.path !== undefined) draft.target = rewriteTarget(filter.path, draft.target)
    },
  },
  // Sent by the exchange, between the rule's filters and the backend's.
  'request-mirror': {},
  // Asked by the exchange, before anything is sent.
  'external-auth': {},
  cors: {
    answer: (_, { cors }) =>
      cors.preflightMethod === undefined
        ? undefined
        : { reply: emptyReply(204), reason: 'preflight' },
    response: (filter, fields, { cors }) => shareResponse(filter, fields, cors),
  },
  'request-redirect': {
    answer: (filter, { redirect }) => redirectAnswer(filter, redirect),
  },
} satisfies { [K in HttpFilter['kind']]: FilterApplication<HttpFilter & { kind: K }> }

export function redirectAnswer(filter: RedirectFilter, request: RedirectRequest): FilterAnswer {
  const reply = redirectReply(filter.statusCode, redirectLocation(filter, request))
  return { reply, reason: 'redirected' }
}

/** The first filter that answers by itself. */
export function filterAnswer(
  filters: readonly HttpFilter[],
  request: FilterRequest,
): FilterAnswer | undefined {
  for (const filter of filters) {
    const answer = applicationOf(filter).answer?.(filter, request)
    if (answer !== undefined) return answer
  }
  return undefined
}

export function filterRequest(filters: readonly HttpFilter[], draft: RequestDraft): void {
  for (const filter of filters) applicationOf(filter).request?.(filter, draft)
}

export function filterResponse(
  filters: readonly HttpFilter[],
  fields: Fields,
  request: FilterRequest,
): void {
  for (const filter of filters) applicationOf(filter).response?.(filter, fields, request)
}

/** The registry pairs each kind with its own filter type; here the pair is taken apart. */
function applicationOf(filter: HttpFilter): FilterApplication<HttpFilter> {
  return FILTERS[filter.kind] as FilterApplication<HttpFilter>
}
