/** Where traffic goes after resolution: weighted upstreams of endpoints. */
import type { Digest } from '../base/brand.ts'
import type { HttpFilter } from './http-filter.ts'
import type { UpstreamTarget } from './upstream-target.ts'

/** A literal place to connect to. */
export type Endpoint =
  | { readonly kind: 'ip'; readonly address: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** A name that control resolves for all workers (decision 8). */
export interface NamedEndpoint {
  readonly kind: 'name'
  readonly name: string
  readonly port: number
}

/** How to speak to the endpoints; `tcp` and `udp` are for L4 actions. */
export type UpstreamProtocol = 'tcp' | 'udp' | 'http/1.1' | 'h2c'

export interface UpstreamPart {
  readonly kind: 'upstream'
  /** `Service/namespace/name:port`, for logs, metrics and the position of the round robin. */
  readonly name: string
  readonly protocol: UpstreamProtocol
  readonly endpoints: readonly (Endpoint | NamedEndpoint)[]
  /** Absent: spoken to in plaintext. */
  readonly tls?: UpstreamTls
}

/** TLS to the endpoints: which name is asked for, and who may answer (BackendTLSPolicy, GEP-1897). */
export interface UpstreamTls {
  /** `BackendTLSPolicy/namespace/name`: for logs. */
  readonly policy: string
  /** The SNI; the certificate must be for it unless `subjectAltNames` says whom it may name. */
  readonly hostname: string
  /** Any one of them, as an entry of the certificate; empty: the hostname. */
  readonly subjectAltNames: readonly SubjectAltName[]
  readonly authorities:
    | { readonly kind: 'bundle'; readonly caPem: string }
    /** Those that the operating system trusts. */
    | { readonly kind: 'system' }
  /** Digest of a CertificatePart: what the Gateway shows of itself. */
  readonly clientCertificate?: Digest
}

export interface SubjectAltName {
  readonly type: 'DNS' | 'URI'
  readonly value: string
}

export interface WeightedUpstream {
  /** 0 to 1,000,000; 0 receives nothing. */
  readonly weight: number
  readonly target: UpstreamTarget
  /** Backend-level filters (HTTP only), applied after the rule's. */
  readonly filters: readonly HttpFilter[]
}

/** `10.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`: for logs and as a Map key. */
export function endpointText(endpoint: Endpoint | NamedEndpoint): string {
  switch (endpoint.kind) {
    case 'ip':
      return endpoint.address.includes(':')
        ? `[${endpoint.address}]:${endpoint.port}`
        : `${endpoint.address}:${endpoint.port}`
    case 'unix':
      return `unix:${endpoint.path}`
    case 'name':
      return `${endpoint.name}:${endpoint.port}`
  }
}
