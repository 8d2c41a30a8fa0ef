/**
 * The Snapshot: all that the data plane knows, as plain data. A manifest names content-addressed
 * parts, so that a worker is sent only the parts that it lacks. Nothing here knows YAML, Gateway
 * API references or files; digests exclude origin and generation.
 */
import type { Digest } from '../base/brand.ts'
import type { GrpcHostPart, HttpHostPart, RouteTablePart } from './http.ts'
import type { BindKey, ListenerKey, RouteRef } from './identity.ts'
import type { CertificatePart, TrustDomain } from './tls.ts'
import type { UpstreamPart, WeightedUpstream } from './upstream.ts'

export interface Snapshot {
  readonly manifest: Manifest
  /** Every part of the manifest. */
  readonly parts: ReadonlyMap<Digest, KeptPart>
}

export interface Manifest {
  /** Counts changes of the digest, from 1. */
  readonly generation: number
  /** Digest of `binds`. */
  readonly digest: Digest
  readonly binds: readonly Digest[]
  /** Every part reachable from `binds`: what a worker must hold. */
  readonly parts: ReadonlySet<Digest>
}

export type Part =
  | BindPart
  | RouteTablePart
  | HttpHostPart
  | GrpcHostPart
  | UpstreamPart
  | CertificatePart

/** A part as it travels and is kept; ipc/packed-part has both directions. */
export type KeptPart = Part | PackedHost

export interface PackedHost {
  readonly kind: 'packed-host'
  /** Of an HttpHostPart or GrpcHostPart. */
  readonly json: string
}

/** What has long lists. */
export type ListPart = BindPart | RouteTablePart

/**
 * What stays the same of such a part when its lists change: parts of one name replace each other. A
 * bind's begins with its transport, a listener's with its object's kind.
 */
export function listPartName(part: ListPart): string {
  return part.kind === 'bind' ? part.key : part.listener
}

export function isListPart(part: KeptPart): part is ListPart {
  return part.kind === 'bind' || part.kind === 'route-table'
}

/** One OS socket and what it does for each local address and class of SNI. */
export interface BindPart {
  readonly kind: 'bind'
  readonly key: BindKey
  readonly transport: 'tcp' | 'udp'
  /** IPv4 or IPv6 literal; `::` is dual-stack unless the machine has no IPv6. */
  readonly address: string
  readonly port: number
  /**
   * Decided by the bind before any SNI: `tls` peeks the ClientHello, `http` sniffs the HTTP/2
   * preface, `tcp` dials at once (the server may speak first).
   */
  readonly ingress: 'tls' | 'http' | 'tcp' | 'udp'
  /** Before all that: whether trusted peers begin with a PROXY protocol header. Absent: they do not. */
  readonly proxyProtocol?: 'optional' | 'required'
  /** Several when Gateways with own addresses share a wildcard socket (decision 6). */
  readonly tables: readonly ChainTable[]
}

export interface ChainTable {
  /** Local addresses this table serves, normalised (no v4-mapped); `*` is every other one. */
  readonly localAddresses: readonly string[]
  /** Most specific hostname first; for `http`, `tcp` and `udp` ingress exactly one with hostname ''. */
  readonly chains: readonly Chain[]
  /**
   * Which listener an authority belongs to, most specific first. Behind TLS it is the view of the
   * whole bind: an exchange whose authority selects another listener than its chain's own is
   * answered 421 (RFC 9110 section 15.5.20). On cleartext it selects the route table.
   */
  readonly listeners: readonly HttpListener[]
}

export interface Chain {
  /** `''` matches every name and none; `*.x` any number of labels left of x; else exact. */
  readonly hostname: string
  /** The Gateway API listener it belongs to; on `http` ingress the authority chooses anew. */
  readonly listener: ListenerKey
  readonly action: ChainAction
}

export type ChainAction =
  | TcpForwardAction
  | TlsPassthroughAction
  | TlsTerminateAction
  | HttpAction
  | UdpForwardAction
  | ResetAction

interface ForwardBase {
  readonly route: RouteRef
  /** The rule's own `name`, when given: for logs. */
  readonly name?: string
  /** Keys the weighted round robin's position, which outlives runtimes. */
  readonly id: string
  readonly backends: readonly WeightedUpstream[]
}

export interface TcpForwardAction extends ForwardBase {
  readonly kind: 'tcp-forward'
}

export interface TlsPassthroughAction extends ForwardBase {
  readonly kind: 'tls-passthrough'
}

export interface UdpForwardAction extends ForwardBase {
  readonly kind: 'udp-forward'
}

export interface TlsTerminateAction {
  readonly kind: 'tls-terminate'
  readonly domain: TrustDomain
  /** CertificatePart digests; the first is the default when no certificate covers the SNI. */
  readonly certificates: readonly Digest[]
  /** In order of preference: `h2`, `http/1.1`; empty for plain TCP behind TLS. */
  readonly alpn: readonly string[]
  readonly then: TcpForwardAction | HttpAction | ResetAction
}

/** HTTP/1.1, HTTP/2 and WebSocket; which route table serves an exchange: ChainTable.listeners. */
export interface HttpAction {
  readonly kind: 'http'
}

export interface HttpListener {
  /** As Chain.hostname; the listeners are sorted most specific first. */
  readonly hostname: string
  readonly listener: ListenerKey
  /** Digest of a RouteTablePart; absent for a listener that is not HTTP (TLS passthrough on the same port). */
  readonly routes?: Digest
}

export interface ResetAction {
  readonly kind: 'reset'
  /** Reason of the outcome table: why a matching connection is refused. */
  readonly reason: 'no-route' | 'invalid-backend' | 'no-certificate'
  readonly route?: RouteRef
}
