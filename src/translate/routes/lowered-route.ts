/** What every route kind's lowering tells about the route itself, whatever its parents. */
import type { Problem, RouteAcceptedReason, RouteRefReason } from '../problem.ts'

export interface RouteVerdict {
  /** The route cannot be served at all: Accepted=False on every parent. */
  readonly accepted?: Problem<RouteAcceptedReason>
  /** First reference that does not resolve, in document order. */
  readonly resolvedRefs?: Problem<RouteRefReason>
  /** Some rules were dropped: PartiallyInvalid=True beside Accepted=True. */
  readonly partiallyInvalid?: Problem<'UnsupportedValue'>
}
