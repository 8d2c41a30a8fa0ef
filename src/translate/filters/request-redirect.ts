/** RequestRedirect (HTTPRequestRedirectFilter of the Gateway API): the rule answers by itself. */
import type { RequestRedirect } from '../../api/http-filter.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { LoweredFilter } from './lowered-filter.ts'
import { lowerPathModifier } from './path-modifier.ts'

export function lowerRequestRedirect(
  redirect: RequestRedirect,
  prefix: string | undefined,
  path: DocumentPath,
): LoweredFilter {
  const { path: modifier, ...rest } = redirect
  if (modifier === undefined) {
    return { kind: 'redirect', redirect: { kind: 'request-redirect', ...rest } }
  }
  const result = lowerPathModifier(modifier, prefix, [...path, 'path'])
  if (result.kind !== 'rewrite') return result
  return {
    kind: 'redirect',
    redirect: { kind: 'request-redirect', ...rest, path: result.rewrite },
  }
}
