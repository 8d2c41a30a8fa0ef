/** HTTPRouteMatch with its defaults, as the matcher wants it (digest section 4.1). */
import type { HTTPMatch } from '../../api/http-match.ts'
import { pathForm } from '../../match/http/path-form.ts'
import { compileRegex } from '../../match/regex.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { HttpMatch, PathMatch, ValueMatch } from '../../model/http.ts'

/** A match that does not belong to a table's rule yet. */
export type LoweredMatch = Omit<HttpMatch, 'rule'>

/** Told of every value that cannot be served; `path` is the value's. */
export type ValueFault = (path: DocumentPath, message: string) => void

const ANY: LoweredMatch = { path: { kind: 'prefix', value: '' }, headers: [], query: [] }

/** `path` is the list's. */
export function lowerMatches(
  matches: readonly HTTPMatch[],
  path: DocumentPath,
  fault: ValueFault,
): readonly LoweredMatch[] {
  return lowerEach(matches, ANY, lowerMatch, path, fault)
}

/** Shared with GRPCRoute. No matches at all are `catchAll`; one with a fault is left out. */
export function lowerEach<Match, Lowered>(
  matches: readonly Match[],
  catchAll: Lowered,
  lower: (match: Match, path: DocumentPath, fault: ValueFault) => Lowered,
  path: DocumentPath,
  fault: ValueFault,
): readonly Lowered[] {
  if (matches.length === 0) return [catchAll]
  return matches.flatMap((match, index) => {
    let isSound = true
    const lowered = lower(match, [...path, index], (place, message) => {
      isSound = false
      fault(place, message)
    })
    return isSound ? [lowered] : []
  })
}

/** The prefix of a rule with exactly one match, a PathPrefix: what ReplacePrefixMatch replaces. */
export function onlyPrefix(matches: readonly LoweredMatch[]): string | undefined {
  const [first] = matches
  return matches.length === 1 && first?.path.kind === 'prefix' ? first.path.value : undefined
}

function lowerMatch(match: HTTPMatch, path: DocumentPath, fault: ValueFault): LoweredMatch {
  const { headers = [], queryParams = [], method } = match
  return {
    path: lowerPath(match.path, [...path, 'path'], fault),
    ...(method === undefined ? {} : { method }),
    headers: lowerHeaders(headers, [...path, 'headers'], fault),
    query: lowerValues(queryParams, [...path, 'queryParams'], fault),
  }
}

function lowerPath(
  { type, value }: HTTPMatch['path'],
  path: DocumentPath,
  fault: ValueFault,
): PathMatch {
  switch (type) {
    case 'Exact':
      return { kind: 'exact', value: checkedPath(value, [...path, 'value'], fault) }
    case 'PathPrefix': {
      const prefix = checkedPath(value, [...path, 'value'], fault)
      // By path element, so a trailing slash makes no difference.
      return { kind: 'prefix', value: prefix.replace(/\/+$/, '') }
    }
    case 'RegularExpression':
      checkRegex(value, [...path, 'value'], fault)
      return { kind: 'regex', value }
  }
}

/** In the form that requests are matched in; a path that is refused in a request can match none. */
function checkedPath(value: string, path: DocumentPath, fault: ValueFault): string {
  const form = pathForm(value)
  if (form.ok) return form.path
  fault(path, `Requests with the path ${JSON.stringify(value)} are refused: ${form.fault}.`)
  return value
}

type ValueMatchInput = NonNullable<HTTPMatch['headers']>[number]

/** Shared with GRPCRoute. Names compare without case. */
export function lowerHeaders(
  inputs: readonly ValueMatchInput[],
  path: DocumentPath,
  fault: ValueFault,
): readonly ValueMatch[] {
  const headers = inputs.map((header) => ({ ...header, name: header.name.toLowerCase() }))
  return lowerValues(headers, path, fault)
}

/** Of equivalent names only the first counts; the others are not even looked at. */
function lowerValues(
  inputs: readonly ValueMatchInput[],
  path: DocumentPath,
  fault: ValueFault,
): readonly ValueMatch[] {
  const byName = new Map<string, ValueMatch>()
  for (const [index, { name, type, value }] of inputs.entries()) {
    if (byName.has(name)) continue
    if (type === 'RegularExpression') checkRegex(value, [...path, index, 'value'], fault)
    byName.set(name, { name, kind: type === 'Exact' ? 'exact' : 'regex', value })
  }
  return [...byName.values()]
}

export function checkRegex(pattern: string, path: DocumentPath, fault: ValueFault): void {
  const compiled = compileRegex(pattern)
  if (!compiled.ok) fault(path, `The regular expression is refused: ${compiled.error}.`)
}
