/**
 * Which of two matches wins when both fit a request (digest section 4.1; HTTPRouteRule.matches of
 * the Gateway API). Within one hostname group, best first:
 * 1. path: Exact, then RegularExpression, then PathPrefix, the longest prefix first;
 * 2. a method match; 3. more headers; 4. more query parameters;
 * 5. the oldest route, then namespace/name; 6. the rule's and the match's position in the list.
 * The API leaves RegularExpression to implementations. Here one ranks between Exact and PathPrefix,
 * whatever its length: it is written for special cases of what a prefix serves.
 */
import { compareAge, type Resource } from '../../api/resource.ts'
import type { HttpMatch, PathMatch } from '../../model/http.ts'

export interface RankedMatch<Match = Omit<HttpMatch, 'rule'>> {
  readonly match: Match
  readonly route: Resource<unknown>
  /** Position of the rule in `spec.rules`. */
  readonly rule: number
  /** Position of the match in the rule's `matches`. */
  readonly position: number
}

/** A total order over the matches of distinct routes: 0 only for one and the same match. */
export function comparePrecedence(a: RankedMatch, b: RankedMatch): number {
  return (
    PATH_RANK[a.match.path.kind] - PATH_RANK[b.match.path.kind] ||
    prefixLength(b.match.path) - prefixLength(a.match.path) ||
    Number(b.match.method !== undefined) - Number(a.match.method !== undefined) ||
    b.match.headers.length - a.match.headers.length ||
    b.match.query.length - a.match.query.length ||
    compareAge(a.route, b.route) ||
    a.rule - b.rule ||
    a.position - b.position
  )
}

const PATH_RANK = { exact: 0, regex: 1, prefix: 2 } as const satisfies Record<
  PathMatch['kind'],
  number
>

/** Only prefixes of different length can fit one request; two exact paths never do. */
function prefixLength(path: PathMatch): number {
  return path.kind === 'prefix' ? path.value.length : 0
}
