/**
 * Everything that was admitted, by kind: what config produces and translate reads. Immutable; every
 * list is sorted by namespace and name in byte order, so that nothing depends on file order.
 */
import { compareText } from '../base/byte-order.ts'
import { changeOf, type ListChange, withChange } from '../base/lists.ts'
import type { ResourceKey } from '../model/resource-key.ts'
import { keyText } from '../model/resource-key.ts'
import type { BackendTLSPolicy } from './backend-tls-policy.ts'
import type { ConfigMap } from './config-map.ts'
import type { EndpointSlice } from './endpoint-slice.ts'
import type { Endpoints } from './endpoints.ts'
import type { EnvoyBackend } from './envoy-backend.ts'
import type { Gateway } from './gateway.ts'
import type { GatewayClass } from './gateway-class.ts'
import type { GRPCRoute } from './grpc-route.ts'
import type { HTTPRoute } from './http-route.ts'
import type { KindName, ObjectOf } from './kinds.ts'
import { KINDS } from './kinds.ts'
import type { ListenerSet } from './listener-set.ts'
import type { Namespace } from './namespace.ts'
import type { ReferenceGrant } from './reference-grant.ts'
import type { Resource } from './resource.ts'
import type { Secret } from './secret.ts'
import type { Service } from './service.ts'
import type { TCPRoute } from './tcp-route.ts'
import type { TLSRoute } from './tls-route.ts'
import type { UDPRoute } from './udp-route.ts'
import type { XBackend } from './x-backend.ts'

/** A resource of any kind; `key.kind` tells which. */
export type AnyResource = { [K in KindName]: Resource<ObjectOf<K>> }[KindName]

export interface ResourceSet {
  readonly gatewayClasses: readonly Resource<GatewayClass>[]
  readonly gateways: readonly Resource<Gateway>[]
  readonly listenerSets: readonly Resource<ListenerSet>[]
  readonly httpRoutes: readonly Resource<HTTPRoute>[]
  readonly grpcRoutes: readonly Resource<GRPCRoute>[]
  readonly tlsRoutes: readonly Resource<TLSRoute>[]
  readonly tcpRoutes: readonly Resource<TCPRoute>[]
  readonly udpRoutes: readonly Resource<UDPRoute>[]
  readonly referenceGrants: readonly Resource<ReferenceGrant>[]
  readonly backendTlsPolicies: readonly Resource<BackendTLSPolicy>[]
  readonly namespaces: readonly Resource<Namespace>[]
  readonly services: readonly Resource<Service>[]
  readonly endpoints: readonly Resource<Endpoints>[]
  readonly endpointSlices: readonly Resource<EndpointSlice>[]
  readonly secrets: readonly Resource<Secret>[]
  readonly configMaps: readonly Resource<ConfigMap>[]
  readonly envoyBackends: readonly Resource<EnvoyBackend>[]
  readonly xBackends: readonly Resource<XBackend>[]
  /** The resource of that identity; its type follows from `key.kind` when that is a literal. */
  find<K extends KindName>(
    key: ResourceKey & { readonly kind: K },
  ): Resource<ObjectOf<K>> | undefined
  find(key: ResourceKey): AnyResource | undefined
}

/**
 * Sorts and indexes resources. Identities are unique (config/identity sees to that); of two with
 * one key the later replaces the earlier.
 */
export function buildResourceSet(resources: Iterable<AnyResource>): ResourceSet {
  return new ResourceSets().next([...resources])
}

/**
 * One set after the other: the list of a kind of which nothing has changed is the same list, and
 * `find` of each set looks into the newest.
 */
export class ResourceSets {
  #resources: readonly AnyResource[] = []
  #index = new Map<string, AnyResource>()
  /** Sorted, by kind. */
  #lists: ReadonlyMap<string, readonly AnyResource[]> = new Map()

  next(resources: readonly AnyResource[]): ResourceSet {
    const change = changeOf(this.#resources, resources)
    const { gone, come } = change
    const index = this.#index
    for (const one of gone) index.delete(keyText(one.key))
    for (const one of come) index.set(keyText(one.key), one)
    if (index.size !== resources.length) return this.#ofTwins(resources)
    this.#lists = listsAfter(this.#lists, change)
    this.#resources = resources
    return setOf(this.#lists, index)
  }

  /** Several have one key. The next set begins anew. */
  #ofTwins(resources: readonly AnyResource[]): ResourceSet {
    this.#resources = []
    this.#index = new Map()
    this.#lists = new Map()
    const index = new Map(resources.map((resource) => [keyText(resource.key), resource]))
    const change = { gone: new Set<AnyResource>(), come: [...index.values()] }
    return setOf(listsAfter(new Map(), change), index)
  }
}

function listsAfter(
  before: ReadonlyMap<string, readonly AnyResource[]>,
  { gone, come }: ListChange<AnyResource>,
): ReadonlyMap<string, readonly AnyResource[]> {
  const lists = new Map(before)
  const byKind = Map.groupBy(come.filter(isOfOwnGroup), ({ key }) => key.kind)
  for (const kind of new Set([...gone, ...come].map(({ key }) => key.kind))) {
    const change = { gone, come: byKind.get(kind) ?? [] }
    lists.set(kind, withChange(lists.get(kind) ?? EMPTY, change, compareIdentity))
  }
  return lists
}

const EMPTY: readonly never[] = []

function setOf(
  lists: ReadonlyMap<string, readonly AnyResource[]>,
  index: ReadonlyMap<string, AnyResource>,
): ResourceSet {
  const of = <K extends KindName>(kind: K): readonly Resource<ObjectOf<K>>[] =>
    // Lists are made by kind, of those whose group is that of the kind.
    (lists.get(kind) ?? EMPTY) as readonly Resource<ObjectOf<K>>[]
  return {
    gatewayClasses: of('GatewayClass'),
    gateways: of('Gateway'),
    listenerSets: of('ListenerSet'),
    httpRoutes: of('HTTPRoute'),
    grpcRoutes: of('GRPCRoute'),
    tlsRoutes: of('TLSRoute'),
    tcpRoutes: of('TCPRoute'),
    udpRoutes: of('UDPRoute'),
    referenceGrants: of('ReferenceGrant'),
    backendTlsPolicies: of('BackendTLSPolicy'),
    namespaces: of('Namespace'),
    services: of('Service'),
    endpoints: of('Endpoints'),
    endpointSlices: of('EndpointSlice'),
    secrets: of('Secret'),
    configMaps: of('ConfigMap'),
    envoyBackends: of('Backend'),
    xBackends: of('XBackend'),
    find: <K extends KindName>(key: ResourceKey & { readonly kind: K }) =>
      index.get(keyText(key)) as Resource<ObjectOf<K>> | undefined,
  }
}

function isOfOwnGroup({ key }: AnyResource): boolean {
  const own: Readonly<Record<string, { readonly group: string }>> = KINDS
  return own[key.kind]?.group === key.group
}

function compareIdentity(a: AnyResource, b: AnyResource): number {
  return (
    compareText(a.key.namespace, b.key.namespace) ||
    compareText(a.key.name, b.key.name) ||
    compareText(a.key.kind, b.key.kind)
  )
}
