/**
 * The registry of kinds that gwproxy reads: who they are, in which versions, and the schema that
 * admits them. The single place that config, the schema command and the resource set read.
 */
import type * as z from 'zod'
import { backendTlsPolicySchema } from './backend-tls-policy.ts'
import type { Output } from './common.ts'
import { configMapSchema } from './config-map.ts'
import { endpointSliceSchema } from './endpoint-slice.ts'
import { endpointsSchema } from './endpoints.ts'
import { envoyBackendSchema } from './envoy-backend.ts'
import { gatewaySchema } from './gateway.ts'
import { gatewayClassSchema } from './gateway-class.ts'
import { grpcRouteSchema } from './grpc-route.ts'
import { httpRouteSchema } from './http-route.ts'
import { listenerSetSchema } from './listener-set.ts'
import { namespaceSchema } from './namespace.ts'
import { referenceGrantSchema } from './reference-grant.ts'
import { secretSchema } from './secret.ts'
import { serviceSchema } from './service.ts'
import { tcpRouteSchema } from './tcp-route.ts'
import { tlsRouteSchema } from './tls-route.ts'
import { udpRouteSchema } from './udp-route.ts'
import { xBackendSchema } from './x-backend.ts'

interface KindShape {
  /** Also the key in the registry: no two kinds that gwproxy reads share a name. */
  readonly kind: string
  /** '' for the core group. */
  readonly group: string
  /** Served versions, preferred first. */
  readonly versions: readonly [string, ...string[]]
  readonly namespaced: boolean
  readonly schema: z.ZodType
  /** An unknown field always refuses the object: dropping it could open what it should close. */
  readonly policyStrict: boolean
}

const GATEWAY_API = 'gateway.networking.k8s.io'

export const KINDS = {
  GatewayClass: {
    kind: 'GatewayClass',
    group: GATEWAY_API,
    versions: ['v1', 'v1beta1'],
    namespaced: false,
    schema: gatewayClassSchema,
    policyStrict: false,
  },
  Gateway: {
    kind: 'Gateway',
    group: GATEWAY_API,
    versions: ['v1', 'v1beta1'],
    namespaced: true,
    schema: gatewaySchema,
    policyStrict: false,
  },
  ListenerSet: {
    kind: 'ListenerSet',
    group: GATEWAY_API,
    versions: ['v1'],
    namespaced: true,
    schema: listenerSetSchema,
    policyStrict: false,
  },
  HTTPRoute: {
    kind: 'HTTPRoute',
    group: GATEWAY_API,
    versions: ['v1', 'v1beta1'],
    namespaced: true,
    schema: httpRouteSchema,
    policyStrict: false,
  },
  GRPCRoute: {
    kind: 'GRPCRoute',
    group: GATEWAY_API,
    versions: ['v1'],
    namespaced: true,
    schema: grpcRouteSchema,
    policyStrict: false,
  },
  TLSRoute: {
    kind: 'TLSRoute',
    group: GATEWAY_API,
    versions: ['v1', 'v1alpha3', 'v1alpha2'],
    namespaced: true,
    schema: tlsRouteSchema,
    policyStrict: false,
  },
  TCPRoute: {
    kind: 'TCPRoute',
    group: GATEWAY_API,
    versions: ['v1', 'v1alpha2'],
    namespaced: true,
    schema: tcpRouteSchema,
    policyStrict: false,
  },
  UDPRoute: {
    kind: 'UDPRoute',
    group: GATEWAY_API,
    versions: ['v1', 'v1alpha2'],
    namespaced: true,
    schema: udpRouteSchema,
    policyStrict: false,
  },
  ReferenceGrant: {
    kind: 'ReferenceGrant',
    group: GATEWAY_API,
    versions: ['v1', 'v1beta1'],
    namespaced: true,
    schema: referenceGrantSchema,
    policyStrict: true,
  },
  BackendTLSPolicy: {
    kind: 'BackendTLSPolicy',
    group: GATEWAY_API,
    versions: ['v1', 'v1alpha3'],
    namespaced: true,
    schema: backendTlsPolicySchema,
    policyStrict: true,
  },
  Namespace: {
    kind: 'Namespace',
    group: '',
    versions: ['v1'],
    namespaced: false,
    schema: namespaceSchema,
    policyStrict: false,
  },
  Service: {
    kind: 'Service',
    group: '',
    versions: ['v1'],
    namespaced: true,
    schema: serviceSchema,
    policyStrict: false,
  },
  Endpoints: {
    kind: 'Endpoints',
    group: '',
    versions: ['v1'],
    namespaced: true,
    schema: endpointsSchema,
    policyStrict: false,
  },
  EndpointSlice: {
    kind: 'EndpointSlice',
    group: 'discovery.k8s.io',
    versions: ['v1'],
    namespaced: true,
    schema: endpointSliceSchema,
    policyStrict: false,
  },
  Secret: {
    kind: 'Secret',
    group: '',
    versions: ['v1'],
    namespaced: true,
    schema: secretSchema,
    policyStrict: false,
  },
  ConfigMap: {
    kind: 'ConfigMap',
    group: '',
    versions: ['v1'],
    namespaced: true,
    schema: configMapSchema,
    policyStrict: false,
  },
  Backend: {
    kind: 'Backend',
    group: 'gateway.envoyproxy.io',
    versions: ['v1alpha1'],
    namespaced: true,
    schema: envoyBackendSchema,
    policyStrict: false,
  },
  XBackend: {
    kind: 'XBackend',
    group: 'gateway.networking.x-k8s.io',
    versions: ['v1alpha1'],
    namespaced: true,
    schema: xBackendSchema,
    policyStrict: false,
  },
} as const satisfies Readonly<Record<string, KindShape>>

export type KindName = keyof typeof KINDS
export type KindEntry = (typeof KINDS)[KindName]

/** The admitted object of a kind, `ObjectOf<'Gateway'>`. */
export type ObjectOf<K extends KindName> = Output<(typeof KINDS)[K]['schema']>

export type KindLookup =
  | { readonly kind: 'known'; readonly entry: KindEntry; readonly version: string }
  | { readonly kind: 'unsupported-version'; readonly entry: KindEntry; readonly version: string }
  /** A group of ours without such a kind: most likely a typing error. */
  | { readonly kind: 'unknown-kind'; readonly group: string; readonly kinds: readonly KindName[] }
  /** Somebody else's object, such as a Deployment. */
  | { readonly kind: 'foreign'; readonly group: string }

export function isKindName(kind: string): kind is KindName {
  return Object.hasOwn(KINDS, kind)
}

/** Tells what an object with this apiVersion (`group/version` or `version`) and kind is to gwproxy. */
export function findKind(apiVersion: string, kind: string): KindLookup {
  const slash = apiVersion.lastIndexOf('/')
  const group = slash < 0 ? '' : apiVersion.slice(0, slash)
  const version = apiVersion.slice(slash + 1)
  const entry = isKindName(kind) ? KINDS[kind] : undefined
  if (entry !== undefined && entry.group === group) {
    const versions: readonly string[] = entry.versions
    return { kind: versions.includes(version) ? 'known' : 'unsupported-version', entry, version }
  }
  const kinds = Object.values(KINDS)
    .filter((other) => other.group === group)
    .map((other) => other.kind)
  // The core group and discovery hold dozens of kinds that are none of our business.
  const isOurs = kinds.length > 0 && group !== '' && group !== 'discovery.k8s.io'
  return isOurs ? { kind: 'unknown-kind', group, kinds } : { kind: 'foreign', group }
}
