/**
 * Which listeners a route attaches to, per parentRef and in the order of digest section 3.1. What
 * a listener's own verdict is does not matter here: routes count even on a broken listener.
 */
import type { BackendRef } from '../api/backend-ref.ts'
import type { ParentRef } from '../api/parent-ref.ts'
import type { Resource } from '../api/resource.ts'
import { compareSpecificity, intersectHostnames } from '../match/hostname.ts'
import { displayKey, type ResourceKey } from '../model/resource-key.ts'
import type { TranslateContext } from './context.ts'
import { enumerate } from './enumerate.ts'
import type { OwnListenerSet } from './listener-sets.ts'
import { displayListener, type OwnListener } from './listeners.ts'
import { admitsNamespace } from './namespaces.ts'
import type { Problem, RouteAcceptedReason } from './problem.ts'
import { GATEWAY_GROUP, ROUTE_KIND_SUPPORTED, type RouteKind } from './protocols.ts'

/** What the five route kinds have in common. */
export interface RouteObject {
  readonly spec: {
    readonly parentRefs?: readonly ParentRef[] | undefined
    readonly useDefaultGateways?: 'All' | 'None' | undefined
    readonly hostnames?: readonly string[] | undefined
    readonly rules?: readonly { readonly backendRefs?: readonly BackendRef[] }[]
  }
}

export type Route = Resource<RouteObject>

/** One listener that takes the route, and the names it serves there, most specific first. */
export interface Attachment {
  readonly listener: OwnListener
  readonly hostnames: readonly ServedHostname[]
}

export interface ServedHostname {
  /** What the route's hostname and the listener's both match. */
  readonly hostname: string
  /**
   * The route's own, the listener's when it has none: of two routes that serve one name, the one
   * with the more specific own hostname wins (digest section 4.1).
   */
  readonly own: string
}

/** The outcome for one parentRef that names a parent of ours. */
export interface ParentResult {
  readonly ref: ParentRef
  readonly index: number
  /** Empty when `problem` is set. */
  readonly attachments: readonly Attachment[]
  readonly problem?: Problem<RouteAcceptedReason>
}

/** The listeners of our Gateways and their sets by `kind/namespace/name` of who has them. */
export type ListenersByParent = ReadonlyMap<string, readonly OwnListener[]>

/** A set that its Gateway does not take is a parent without listeners. */
export function groupByParent(
  listeners: readonly OwnListener[],
  sets: readonly OwnListenerSet[],
): ListenersByParent {
  const empty = sets.map(({ resource }) => [parentText(resource.key), NO_LISTENERS] as const)
  return new Map([...empty, ...Map.groupBy(listeners, ({ owner }) => parentText(owner.key))])
}

const NO_LISTENERS: readonly OwnListener[] = []

function parentText({ kind, namespace, name }: Omit<ResourceKey, 'group'>): string {
  return `${kind}/${namespace}/${name}`
}

/** ParentRefs to Gateways of others, or to none, have no entry: that status is not ours to write. */
export function attachRoute(
  context: TranslateContext,
  parents: ListenersByParent,
  kind: RouteKind,
  route: Route,
): readonly ParentResult[] {
  const refs = route.object.spec.parentRefs ?? []
  return refs.flatMap((ref, index) => {
    const listeners = parentListeners(parents, route, ref)
    if (listeners === undefined) return []
    return [{ ref, index, ...attachToParent(context, kind, route, ref, listeners) }]
  })
}

/**
 * All of the route's parents exist and are somebody else's, or are of kinds that are none of ours
 * (a Service of a mesh): not ours to judge. A parent that is missing may be a typing error.
 */
export function isOfOthers(
  context: TranslateContext,
  parents: ListenersByParent,
  route: Route,
): boolean {
  const { parentRefs = [], useDefaultGateways } = route.object.spec
  if (parentRefs.length === 0 || useDefaultGateways === 'All') return false
  return parentRefs.every(
    (ref) =>
      parentListeners(parents, route, ref) === undefined && !isMissingParent(context, route, ref),
  )
}

/** False for a parent of a kind that we do not know. */
export function isMissingParent(
  { resources }: TranslateContext,
  route: Route,
  ref: ParentRef,
): boolean {
  if (!isParentKind(ref)) return false
  const { group, kind, namespace = route.key.namespace, name } = ref
  return resources.find({ group, kind, namespace, name }) === undefined
}

/** Others are parents for others, such as the Services of a mesh. */
export function isParentKind({ group, kind }: ParentRef): boolean {
  return group === GATEWAY_GROUP && (kind === 'Gateway' || kind === 'ListenerSet')
}

function parentListeners(
  parents: ListenersByParent,
  route: Route,
  { group, kind, namespace = route.key.namespace, name }: ParentRef,
): readonly OwnListener[] | undefined {
  if (group !== GATEWAY_GROUP) return undefined
  return parents.get(parentText({ kind, namespace, name }))
}

function attachToParent(
  context: TranslateContext,
  kind: RouteKind,
  route: Route,
  ref: ParentRef,
  listeners: readonly OwnListener[],
): Pick<ParentResult, 'attachments' | 'problem'> {
  if (listeners.length === 0) {
    return refused('NoMatchingParent', `${ref.kind} ${ref.name} is not taken by its Gateway.`)
  }
  const named = listeners.filter(
    ({ spec }) =>
      (ref.sectionName === undefined || ref.sectionName === spec.name) &&
      (ref.port === undefined || ref.port === spec.port),
  )
  if (named.length === 0) return refused('NoMatchingParent', noMatchingParent(ref, listeners))
  if (!ROUTE_KIND_SUPPORTED[kind]) {
    return refused('NotAllowedByListeners', `Routes of kind ${kind} are not supported yet.`)
  }
  const refusals = named.map((listener) => refusal(context, kind, route, listener))
  const admitting = named.filter((_, index) => refusals[index] === undefined)
  if (admitting.length === 0) {
    return refused(
      'NotAllowedByListeners',
      enumerate(
        [...new Set(refusals)].flatMap((text) => text ?? []),
        ' ',
      ),
    )
  }
  const attachments = admitting
    .map((listener) => ({ listener, hostnames: servedHostnames(route, listener) }))
    .filter(({ hostnames }) => hostnames.length > 0)
  if (attachments.length === 0) {
    return refused('NoMatchingListenerHostname', noMatchingHostname(route, admitting))
  }
  return { attachments }
}

function refused(
  reason: RouteAcceptedReason,
  message: string,
): Pick<ParentResult, 'attachments' | 'problem'> {
  return { attachments: [], problem: { reason, message } }
}

/** Why a listener does not admit the route's kind or namespace; undefined: it does. */
function refusal(
  context: TranslateContext,
  kind: RouteKind,
  route: Route,
  listener: OwnListener,
): string | undefined {
  const { spec, supportedKinds, owner } = listener
  if (!supportedKinds.includes(kind)) {
    const kinds = supportedKinds.join(' and ') || 'no route'
    return `${displayListener(listener)} (${spec.protocol}) takes ${kinds}, not ${kind}.`
  }
  const { namespaces } = spec.allowedRoutes
  if (admitsNamespace(context, namespaces, owner.key.namespace, route.key.namespace))
    return undefined
  return `${displayListener(listener)} takes routes from namespaces "${namespaces.from}", which excludes ${route.key.namespace}.`
}

/** A route without hostnames inherits the listener's. */
function servedHostnames(route: Route, listener: OwnListener): readonly ServedHostname[] {
  const hostnames = (route.object.spec.hostnames ?? []).map((name) => name.toLowerCase())
  const own = hostnames.length === 0 ? [listener.hostname] : hostnames
  const served = new Map<string, ServedHostname>()
  // Most specific first: the first own hostname that leads to a name ranks it.
  for (const name of own.toSorted(compareSpecificity)) {
    const hostname = intersectHostnames(name, listener.hostname)
    if (hostname !== undefined && !served.has(hostname))
      served.set(hostname, { hostname, own: name })
  }
  return [...served.values()].sort((a, b) => compareSpecificity(a.hostname, b.hostname))
}

function noMatchingParent(ref: ParentRef, listeners: readonly OwnListener[]): string {
  const wanted = [
    ...(ref.sectionName === undefined ? [] : [`named ${ref.sectionName}`]),
    ...(ref.port === undefined ? [] : [`on port ${ref.port}`]),
  ].join(' and ')
  const existing = enumerate(listeners.map(({ spec }) => `${spec.name} (${spec.port})`))
  return `${ref.kind} ${ref.name} has no listener ${wanted}; it has ${existing}.`
}

function noMatchingHostname(route: Route, listeners: readonly OwnListener[]): string {
  const names = enumerate(route.object.spec.hostnames ?? [])
  const theirs = enumerate(listeners.map(({ spec }) => `${spec.name}: ${spec.hostname ?? 'any'}`))
  return `None of the hostnames of ${displayKey(route.key)} (${names}) fits a listener (${theirs}).`
}
