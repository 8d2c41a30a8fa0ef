/**
 * ReplaceFullPath and ReplacePrefixMatch, for rewrites and redirects alike (digest section 4.2).
 * The original bytes of what follows the prefix are kept, and the query always.
 */
import type { PathRewrite } from '../../../model/http-filter.ts'

/** `target` is the original path and query; the result starts with exactly one slash. */
export function rewriteTarget(rewrite: PathRewrite, target: string): string {
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? '' : target.slice(mark)
  return (rewrite.kind === 'full' ? rewrite.value : replacePrefix(rewrite, path)) + query
}

function replacePrefix(
  { prefix, value }: Extract<PathRewrite, { kind: 'prefix' }>,
  path: string,
): string {
  // Escaped slashes are refused, so elements of the original and of the matched view correspond.
  const rest = afterElements(path, prefix.replace(/\/+$/, '').split('/').length - 1)
  const base = value.replace(/\/+$/, '')
  if (base === '') return `/${rest.replace(/^\/+/, '')}`
  return base + rest
}

/** What follows the first `count` path elements: '' or something that starts with a slash. */
function afterElements(path: string, count: number): string {
  let at = 0
  for (let i = 0; i < count; i += 1) {
    at = path.indexOf('/', at + 1)
    if (at === -1) return ''
  }
  return path.slice(at)
}
