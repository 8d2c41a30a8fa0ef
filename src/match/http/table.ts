/**
 * A route table compiled for lookup (digest section 4.1). Matches arrive sorted by precedence; the
 * index keeps that order: exact paths, then expressions, then prefixes by path element, the longest
 * first. One Map probe per path element, whatever the number of routes; expressions are tried one
 * by one. PURE: used by data, explain and tests.
 */
import type { HttpMatch, ValueMatch } from '../../model/http.ts'
import { checkedRegex, type RegexMatcher } from '../regex.ts'
import { decodeUnreserved } from './path-form.ts'
import { queryValues } from './query.ts'

export interface MatchRequest {
  /** Normalised name of the authority; undefined: an address, which only '' matches. */
  readonly host: string | undefined
  readonly method: string
  /** As `pathForm` gives it. */
  readonly path: string
  /** Without question mark, as sent. */
  readonly query: string
  /**
   * Value of a field, by lower-case name; several lines of one name are one list, joined by `, `
   * (RFC 9110 section 5.3). undefined: absent.
   */
  header(name: string): string | undefined
}

/** Matches of one hostname: those of equally specific routes. */
export interface HttpHostMatcher {
  /** The match that wins, whatever the host of the request. */
  lookup(request: MatchRequest): HttpMatch | undefined
}

/** Those alone can be refused: whoever compiles later must look at them at once. */
export function hasExpressions({ path, headers, query }: HttpMatch): boolean {
  return path.kind === 'regex' || [...headers, ...query].some(({ kind }) => kind === 'regex')
}

/** Throws GWP_DEFECT_INVARIANT on an expression that translate should have refused. */
export function compileHttpHost(matches: readonly HttpMatch[]): HttpHostMatcher {
  return new IndexedHost(matches)
}

class IndexedHost implements HttpHostMatcher {
  readonly #exact = new Map<string, Candidate[]>()
  readonly #regex: { readonly path: RegexMatcher; readonly candidate: Candidate }[] = []
  readonly #prefix = new Map<string, Candidate[]>()
  readonly #queryNames = new Set<string>()
  /** No probe beyond the longest prefix: a path of slashes costs no more than a rule's length. */
  #longestPrefix = 0

  constructor(matches: readonly HttpMatch[]) {
    for (const match of matches) this.#add(match)
  }

  lookup(request: MatchRequest): HttpMatch | undefined {
    const query = queryValues(request.query, this.#queryNames)
    const exact = firstFit(this.#exact.get(request.path), request, query)
    if (exact !== undefined) return exact
    for (const { path, candidate } of this.#regex) {
      if (candidate.fits(request, query) && path.matches(request.path)) return candidate.match
    }
    return this.#longestPrefixMatch(request, query)
  }

  #longestPrefixMatch(request: MatchRequest, query: QueryValues): HttpMatch | undefined {
    const { path } = request
    let end = path.length
    if (end > this.#longestPrefix) end = path.lastIndexOf('/', this.#longestPrefix)
    for (; end >= 0; end = end === 0 ? -1 : path.lastIndexOf('/', end - 1)) {
      const found = firstFit(this.#prefix.get(path.slice(0, end)), request, query)
      if (found !== undefined) return found
    }
    return undefined
  }

  #add(match: HttpMatch): void {
    const candidate = new Candidate(match)
    for (const { name } of match.query) this.#queryNames.add(name)
    const { kind, value } = match.path
    if (kind === 'regex') {
      this.#regex.push({ path: checkedRegex(value), candidate })
      return
    }
    const key = decodeUnreserved(value)
    append(kind === 'exact' ? this.#exact : this.#prefix, key, candidate)
    if (kind === 'prefix') this.#longestPrefix = Math.max(this.#longestPrefix, key.length)
  }
}

type QueryValues = ReadonlyMap<string, string>

/** Everything of a match but its path. */
class Candidate {
  readonly match: HttpMatch
  readonly #headers: readonly ValueTest[]
  readonly #query: readonly ValueTest[]

  constructor(match: HttpMatch) {
    this.match = match
    this.#headers = match.headers.map(valueTest)
    this.#query = match.query.map(valueTest)
  }

  fits(request: MatchRequest, query: QueryValues): boolean {
    const { method } = this.match
    return (
      (method === undefined || method === request.method) &&
      this.#headers.every(({ name, test }) => test(request.header(name))) &&
      this.#query.every(({ name, test }) => test(query.get(name)))
    )
  }
}

export interface ValueTest {
  readonly name: string
  readonly test: (value: string | undefined) => boolean
}

export function valueTest({ name, kind, value: wanted }: ValueMatch): ValueTest {
  if (kind === 'exact') return { name, test: (value) => value === wanted }
  const regex = checkedRegex(wanted)
  return { name, test: (value) => value !== undefined && regex.matches(value) }
}

function firstFit(
  candidates: readonly Candidate[] | undefined,
  request: MatchRequest,
  query: QueryValues,
): HttpMatch | undefined {
  return candidates?.find((candidate) => candidate.fits(request, query))?.match
}

function append(index: Map<string, Candidate[]>, key: string, candidate: Candidate): void {
  const bucket = index.get(key)
  if (bucket === undefined) index.set(key, [candidate])
  else bucket.push(candidate)
}
