/**
 * Everything that was admitted, by kind: what config produces and translate reads. Immutable; every
 * list is sorted by namespace and name in byte order, so that nothing depends on file order.
 */
import { compareText } from '../base/byte-order.ts'
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
  const index = new Map<string, AnyResource>()
  for (const resource of resources) index.set(keyText(resource.key), resource)
  const sorted = [...index.values()].sort(compareIdentity)
  const byKind = Map.groupBy(sorted, ({ key }) => key.kind)
  const of = <K extends KindName>(kind: K) =>
    (byKind.get(kind) ?? []).filter((resource) => isOfKind(resource, kind))
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

function isOfKind<K extends KindName>(
  resource: AnyResource,
  kind: K,
): resource is AnyResource & Resource<ObjectOf<K>> {
  return resource.key.kind === kind && resource.key.group === KINDS[kind].group
}

function compareIdentity(a: AnyResource, b: AnyResource): number {
  return (
    compareText(a.key.namespace, b.key.namespace) ||
    compareText(a.key.name, b.key.name) ||
    compareText(a.key.kind, b.key.kind)
  )
}
