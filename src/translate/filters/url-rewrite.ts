/** URLRewrite (HTTPURLRewriteFilter of the Gateway API): upstream Host and path. */
import type { UrlRewrite } from '../../api/http-filter.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import { type LoweredFilter, lowered } from './lowered-filter.ts'
import { lowerPathModifier } from './path-modifier.ts'

export function lowerUrlRewrite(
  rewrite: UrlRewrite,
  prefix: string | undefined,
  path: DocumentPath,
): LoweredFilter {
  const { path: modifier, ...rest } = rewrite
  if (modifier === undefined) return lowered({ kind: 'url-rewrite', ...rest })
  const result = lowerPathModifier(modifier, prefix, [...path, 'path'])
  if (result.kind !== 'rewrite') return result
  return lowered({ kind: 'url-rewrite', ...rest, path: result.rewrite })
}
