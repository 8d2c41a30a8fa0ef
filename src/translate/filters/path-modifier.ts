/**
 * HTTPPathModifier, shared by RequestRedirect and URLRewrite. A replacement becomes part of a
 * request target or a Location, so only what may stand in the path of one is let through.
 */
import type { PathModifier } from '../../api/http-filter.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { PathRewrite } from '../../model/http-filter.ts'
import { type FilterFault, unsupported } from './lowered-filter.ts'

/**
 * `prefix`: the rule's one PathPrefix as in PathMatch, or undefined when the rule has another match.
 * A prefix replacement loses its trailing slash, which makes no difference (digest section 4.2).
 */
export function lowerPathModifier(
  modifier: PathModifier,
  prefix: string | undefined,
  path: DocumentPath,
): { readonly kind: 'rewrite'; readonly rewrite: PathRewrite } | FilterFault {
  const { type, replaceFullPath = '', replacePrefixMatch = '' } = modifier
  if (type === 'ReplaceFullPath') {
    const value = replaceFullPath === '' ? '/' : replaceFullPath
    const fault = replacementFault(value, [...path, 'replaceFullPath'])
    return fault ?? { kind: 'rewrite', rewrite: { kind: 'full', value } }
  }
  if (prefix === undefined) {
    return unsupported(
      [...path, 'type'],
      'ReplacePrefixMatch needs a rule with exactly one match, whose path is a PathPrefix.',
    )
  }
  const value = replacePrefixMatch.replace(/\/+$/, '')
  const fault = value === '' ? undefined : replacementFault(value, [...path, 'replacePrefixMatch'])
  return fault ?? { kind: 'rewrite', rewrite: { kind: 'prefix', prefix, value } }
}

/** RFC 3986 section 3.3: path characters, broken escapes excluded. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/

function replacementFault(value: string, path: DocumentPath): FilterFault | undefined {
  if (PATH.test(value)) return undefined
  return unsupported(
    path,
    `${JSON.stringify(value)} is no path: it must start with / and hold no ?, # or blank; other characters are percent-encoded.`,
  )
}
