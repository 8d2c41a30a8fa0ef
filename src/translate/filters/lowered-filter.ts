/** What becomes of one filter of a rule or a backendRef, and what its lowering is given. */
import type { Resource } from '../../api/resource.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { HttpFilter, RedirectFilter } from '../../model/http-filter.ts'
import type { BackendUse } from '../backends/resolution.ts'
import type { TranslateContext } from '../context.ts'
import type { Problem, RouteRefReason } from '../problem.ts'

/** Where a filter stands. */
export interface FilterPlace {
  readonly context: TranslateContext
  readonly route: Resource<unknown>
  /** What the route's backends are sent, a mirror's included. */
  readonly use: BackendUse
  /** The rule's one PathPrefix as in PathMatch, or undefined when the rule has another match. */
  readonly prefix: string | undefined
  /** The filter's. */
  readonly path: DocumentPath
}

export type LoweredFilter =
  | { readonly kind: 'filter'; readonly filter: HttpFilter }
  | { readonly kind: 'redirect'; readonly redirect: RedirectFilter }
  /** A reference that does not resolve in a filter without which the rule serves all the same. */
  | { readonly kind: 'left-out'; readonly problem: Problem<RouteRefReason> | undefined }
  | FilterFault

export type FilterFault =
  /** A value or kind of filter that is not served: never skipped, the rule is dropped. */
  | { readonly kind: 'unsupported'; readonly path: DocumentPath; readonly message: string }
  /** A reference that does not resolve: what the filter would have processed gets an error. */
  | { readonly kind: 'unresolved'; readonly path: DocumentPath; readonly message: string }
  /** As `unresolved`, with a problem that was reported already. */
  | { readonly kind: 'no-target'; readonly problem: Problem<RouteRefReason> | undefined }

export function lowered(filter: HttpFilter): LoweredFilter {
  return { kind: 'filter', filter }
}

export function unsupported(path: DocumentPath, message: string): FilterFault {
  return { kind: 'unsupported', path, message }
}
