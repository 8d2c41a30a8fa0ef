/** What becomes of one filter of a rule or a backendRef. */
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { HttpFilter, RedirectFilter } from '../../model/http-filter.ts'

export type LoweredFilter =
  | { readonly kind: 'filter'; readonly filter: HttpFilter }
  | { readonly kind: 'redirect'; readonly redirect: RedirectFilter }
  | FilterFault

export type FilterFault =
  /** A value or kind of filter that is not served: never skipped, the rule is dropped. */
  | { readonly kind: 'unsupported'; readonly path: DocumentPath; readonly message: string }
  /** A reference that does not resolve: what the filter would have processed gets an error. */
  | { readonly kind: 'unresolved'; readonly path: DocumentPath; readonly message: string }

export function lowered(filter: HttpFilter): LoweredFilter {
  return { kind: 'filter', filter }
}

export function unsupported(path: DocumentPath, message: string): FilterFault {
  return { kind: 'unsupported', path, message }
}
