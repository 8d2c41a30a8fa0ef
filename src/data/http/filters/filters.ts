/**
 * Applies the filters of a rule and of the chosen backend, in order. The registry has one entry per
 * kind of the model's union: a kind without one does not compile.
 */
import type { HttpFilter } from '../../../model/http-filter.ts'
import type { Fields } from '../fields.ts'
import { modifyFields } from './header-modifier.ts'
import { rewriteTarget } from './rewrite-path.ts'

/** The request on its way to the upstream; Host among the fields is its authority. */
export interface RequestDraft {
  readonly fields: Fields
  target: string
}

interface FilterApplication<F> {
  request?(filter: F, draft: RequestDraft): void
  response?(filter: F, fields: Fields): void
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
} satisfies { [K in HttpFilter['kind']]: FilterApplication<HttpFilter & { kind: K }> }

export function filterRequest(filters: readonly HttpFilter[], draft: RequestDraft): void {
  for (const filter of filters) applicationOf(filter).request?.(filter, draft)
}

export function filterResponse(filters: readonly HttpFilter[], fields: Fields): void {
  for (const filter of filters) applicationOf(filter).response?.(filter, fields)
}

/** The registry pairs each kind with its own filter type; here the pair is taken apart. */
function applicationOf(filter: HttpFilter): FilterApplication<HttpFilter> {
  return FILTERS[filter.kind] as FilterApplication<HttpFilter>
}
