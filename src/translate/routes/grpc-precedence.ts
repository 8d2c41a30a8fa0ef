/**
 * Which of two gRPC matches wins when both fit a call (digest section 5; GRPCRouteRule.matches of the
 * Gateway API). Within one hostname group, best first:
 * 1. service: exact, then RegularExpression, then none, the longest first; 2. method likewise;
 * 3. more headers; 4. the oldest route, then namespace/name; 5. position in the lists.
 * The API counts characters and leaves expressions to implementations: an expression ranks behind
 * every name, as for HTTP paths.
 */
import { compareAge } from '../../api/resource.ts'
import type { NameMatch } from '../../model/http.ts'
import type { LoweredGrpcMatch } from './grpc-route.ts'
import type { RankedMatch } from './http-precedence.ts'

/** A total order over the matches of distinct routes: 0 only for one and the same match. */
export function compareGrpcPrecedence(
  a: RankedMatch<LoweredGrpcMatch>,
  b: RankedMatch<LoweredGrpcMatch>,
): number {
  return (
    compareNames(a.match.service, b.match.service) ||
    compareNames(a.match.method, b.match.method) ||
    b.match.headers.length - a.match.headers.length ||
    compareAge(a.route, b.route) ||
    a.rule - b.rule ||
    a.position - b.position
  )
}

function compareNames(a: NameMatch | undefined, b: NameMatch | undefined): number {
  return rank(a) - rank(b) || (b?.value.length ?? 0) - (a?.value.length ?? 0)
}

function rank(name: NameMatch | undefined): number {
  if (name === undefined) return 2
  return name.kind === 'exact' ? 0 : 1
}
