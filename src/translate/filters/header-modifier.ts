/**
 * RequestHeaderModifier and ResponseHeaderModifier (HTTPHeaderFilter of the Gateway API). Values
 * that could not be sent as they are, and fields whose meaning the proxy itself owns, are refused
 * at load (security.md 2.4, 2.5).
 */
import type { HeaderModifier } from '../../api/http-filter.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { HeaderModifierFilter, HeaderValue } from '../../model/http-filter.ts'
import { type FilterFault, type LoweredFilter, lowered, unsupported } from './lowered-filter.ts'

/** `path` is that of the modifier. Of equivalent names in one list only the first counts. */
export function lowerHeaderModifier(
  kind: HeaderModifierFilter['kind'],
  modifier: HeaderModifier,
  path: DocumentPath,
): LoweredFilter {
  const { set = [], add = [], remove = [] } = modifier
  const fault =
    firstFault(set, [...path, 'set'], headerFault) ??
    firstFault(add, [...path, 'add'], headerFault) ??
    firstFault(remove, [...path, 'remove'], fieldNameFault)
  if (fault !== undefined) return fault
  return lowered({
    kind,
    set: firstOfEachName(set),
    add: firstOfEachName(add),
    remove: [...new Set(remove.map((name) => name.toLowerCase()))],
  })
}

/** Framing and hop-by-hop fields are made anew for each hop, so an edit would have no safe meaning. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** RFC 9110 section 5.1: a token. */
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 section 5.5: visible characters, blanks and obs-text; so neither CR nor LF nor NUL. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

function headerFault(header: HeaderValue, path: DocumentPath): FilterFault | undefined {
  const fault = fieldNameFault(header.name, [...path, 'name'])
  if (fault !== undefined) return fault
  return FIELD_VALUE.test(header.value)
    ? undefined
    : unsupported(
        [...path, 'value'],
        'The value holds a character that no header field may hold, such as a line break.',
      )
}

/** Why no filter may write the field of this name. */
export function fieldNameFault(name: string, path: DocumentPath): FilterFault | undefined {
  if (!FIELD_NAME.test(name)) return unsupported(path, `${JSON.stringify(name)} is no header name.`)
  const lower = name.toLowerCase()
  if (lower === 'host') {
    return unsupported(path, 'Host is changed by a URLRewrite filter with a hostname, not here.')
  }
  if (OWN_FIELDS.has(lower)) {
    return unsupported(
      path,
      `${name} belongs to a single connection and is set by the proxy itself.`,
    )
  }
  return undefined
}

function firstFault<T>(
  items: readonly T[],
  path: DocumentPath,
  faultOf: (item: T, path: DocumentPath) => FilterFault | undefined,
): FilterFault | undefined {
  for (const [index, item] of items.entries()) {
    const fault = faultOf(item, [...path, index])
    if (fault !== undefined) return fault
  }
  return undefined
}

function firstOfEachName(headers: readonly HeaderValue[]): readonly HeaderValue[] {
  const byName = new Map<string, HeaderValue>()
  for (const { name, value } of headers) {
    const lower = name.toLowerCase()
    if (!byName.has(lower)) byName.set(lower, { name: lower, value })
  }
  return [...byName.values()]
}
