/** What every route kind's lowering tells about the route itself, whatever its parents. */
import type { HttpRule } from '../../model/http.ts'
import type { Problem, RouteAcceptedReason, RouteRefReason } from '../problem.ts'

/** An HTTPRoute or GRPCRoute. */
export interface LoweredRoute<Match> extends RouteVerdict {
  /** In document order; empty when the route is not accepted. */
  readonly rules: readonly LoweredRule<Match>[]
}

export interface LoweredRule<Match> {
  /** Position in `spec.rules`. */
  readonly index: number
  readonly rule: HttpRule
  readonly matches: readonly Match[]
}

export interface RouteVerdict {
  /** The route cannot be served at all: Accepted=False on every parent. */
  readonly accepted?: Problem<RouteAcceptedReason>
  /** First reference that does not resolve, in document order. */
  readonly resolvedRefs?: Problem<RouteRefReason>
  /** Some rules were dropped: PartiallyInvalid=True beside Accepted=True. */
  readonly partiallyInvalid?: Problem<'UnsupportedValue'>
}
