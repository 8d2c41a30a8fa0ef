/**
 * Gateway API status, as `kubectl get -o yaml` shows it, less the times: the status store adds
 * `lastTransitionTime`, which moves only when a condition's status does (digest section 9.1).
 */
import type { Origin } from './diagnostic.ts'
import type { ResourceKey } from './resource-key.ts'
import type { BindKey } from './identity.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

const GOOD_WHEN_TRUE: ReadonlySet<string> = new Set([
  'Accepted',
  'Programmed',
  'ResolvedRefs',
  'SupportedVersion',
])

/** Types that are good when True; all others are worth a look when True. */
export function isGoodWhenTrue(type: string): boolean {
  return GOOD_WHEN_TRUE.has(type)
}

export function isGood({
  type,
  status,
}: {
  readonly type: string
  readonly status: string
}): boolean {
  return (status === 'True') === isGoodWhenTrue(type)
}

export interface RouteGroupKind {
  readonly group: string
  readonly kind: string
}

export interface ListenerStatus {
  readonly name: string
  readonly supportedKinds: readonly RouteGroupKind[]
  readonly attachedRoutes: number
  readonly conditions: readonly Condition[]
}

export interface StatusAddress {
  readonly type: string
  readonly value: string
}

export interface ParentReference {
  readonly group: string
  readonly kind: string
  readonly namespace?: string
  readonly name: string
  readonly sectionName?: string
  readonly port?: number
}

export interface RouteParentStatus {
  readonly parentRef: ParentReference
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

export interface PolicyAncestorStatus {
  readonly ancestorRef: ParentReference
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

/** One union member per shape of `.status`. */
export type StatusBody =
  | {
      readonly kind: 'gateway-class'
      readonly conditions: readonly Condition[]
      readonly supportedFeatures: readonly { readonly name: string }[]
    }
  | {
      readonly kind: 'gateway'
      readonly addresses: readonly StatusAddress[]
      readonly conditions: readonly Condition[]
      readonly listeners: readonly ListenerStatus[]
      readonly attachedListenerSets?: number
    }
  | {
      readonly kind: 'listener-set'
      readonly conditions: readonly Condition[]
      readonly listeners: readonly ListenerStatus[]
    }
  | { readonly kind: 'route'; readonly parents: readonly RouteParentStatus[] }
  | { readonly kind: 'policy'; readonly ancestors: readonly PolicyAncestorStatus[] }

export interface ObjectStatus {
  readonly key: ResourceKey
  readonly generation: number
  readonly origin: Origin
  readonly body: StatusBody
}

/**
 * What a listener's Programmed condition still waits for. Translate publishes such a listener as
 * Programmed=Unknown/Pending; once the workers acked, the results of these binds decide. An own
 * address that a wildcard socket serves stands here too, as if it were bound: it must exist.
 */
export interface PendingProgrammed {
  /** The Gateway or ListenerSet that has the listener. */
  readonly owner: ResourceKey
  readonly listener: string
  readonly binds: readonly BindKey[]
}

/** How the workers fared with one bind. `error` absent: every live worker serves it. */
export interface BindResult {
  readonly bind: BindKey
  readonly error?: { readonly errno: string; readonly message: string }
}
