/** A user's mistake on its way to a condition: conditions are derived from typed problems. */

/** `reason` is one of the condition's reasons (digest section 9.2); `message` a full sentence. */
export interface Problem<Reason extends string = string> {
  readonly reason: Reason
  readonly message: string
}

/** Why a route is not accepted by a parent. */
export type RouteAcceptedReason =
  | 'NoMatchingParent'
  | 'NotAllowedByListeners'
  | 'NoMatchingListenerHostname'
  | 'UnsupportedValue'
  | 'IncompatibleFilters'

/** Why a reference of a route does not resolve. */
export type RouteRefReason =
  | 'RefNotPermitted'
  | 'InvalidKind'
  | 'BackendNotFound'
  | 'UnsupportedProtocol'
