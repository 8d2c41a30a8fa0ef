/**
 * Listener protocols as a table: what a port must do before anything else, whom a listener
 * conflicts with, and which routes it carries (digest sections 2.1 and 2.3).
 */
import type { RouteGroupKind } from '../model/status.ts'

export const GATEWAY_GROUP = 'gateway.networking.k8s.io'

export type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' | 'TCPRoute' | 'UDPRoute'

/** Whether this version carries traffic for the kind; the others are answered with conditions. */
export const ROUTE_KIND_SUPPORTED = {
  HTTPRoute: true,
  GRPCRoute: true,
  TLSRoute: true,
  TCPRoute: true,
  UDPRoute: true,
} as const satisfies Record<RouteKind, boolean>

export interface Protocol {
  /** What the port's socket does first: listeners with different ones cannot share a port. */
  readonly ingress: 'tls' | 'http' | 'tcp' | 'udp'
  /** Equal hostnames: HostnameConflict within one family, ProtocolConflict between families. */
  readonly family: 'HTTP' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP'
  readonly kinds: {
    readonly Terminate: readonly RouteKind[]
    readonly Passthrough: readonly RouteKind[]
  }
  /** What is offered after the handshake; empty: plain TCP. */
  readonly alpn: readonly string[]
}

/** Route kinds of a protocol for which `tls.mode` has no meaning or only one value. */
function always(...kinds: RouteKind[]): Protocol['kinds'] {
  return { Terminate: kinds, Passthrough: kinds }
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  HTTP: { ingress: 'http', family: 'HTTP', kinds: always('HTTPRoute', 'GRPCRoute'), alpn: [] },
  HTTPS: {
    ingress: 'tls',
    family: 'HTTPS',
    kinds: always('HTTPRoute', 'GRPCRoute'),
    alpn: ['h2', 'http/1.1'],
  },
  // An alias from older guides, which the specification reserves: HTTPS with gRPC only.
  GRPC: { ingress: 'tls', family: 'HTTPS', kinds: always('GRPCRoute'), alpn: ['h2'] },
  TLS: {
    ingress: 'tls',
    family: 'TLS',
    kinds: { Terminate: ['TLSRoute', 'TCPRoute'], Passthrough: ['TLSRoute'] },
    alpn: [],
  },
  TCP: { ingress: 'tcp', family: 'TCP', kinds: always('TCPRoute'), alpn: [] },
  UDP: { ingress: 'udp', family: 'UDP', kinds: always('UDPRoute'), alpn: [] },
}

/** undefined: not supported. */
export function protocolOf(name: string): Protocol | undefined {
  return Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined
}

/** For messages: what a user may write instead. */
export const PROTOCOL_NAMES = 'HTTP, HTTPS, TLS, TCP or UDP'

export function routeGroupKind(kind: RouteKind): RouteGroupKind {
  return { group: GATEWAY_GROUP, kind }
}
