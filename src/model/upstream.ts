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
  /** Each connection begins with a header that says who it is for, before TLS. */
  readonly proxyProtocol?: 'v1' | 'v2'
}

/** TLS to the endpoints, as a BackendTLSPolicy (GEP-1897) or the backend itself asks for it. */
export interface UpstreamTls extends UpstreamTrust, UpstreamTlsSettings {
  /** Who asks, for logs: `BackendTLSPolicy/namespace/name`, `XBackend/…`, `Backend/…`. */
  readonly policy: string
}

/** Which name is asked for, and who may answer. */
export interface UpstreamTrust {
  /**
   * The SNI; the certificate must be for it unless `subjectAltNames` says whom it may name. '' asks
   * for none, only where anyone may answer.
   */
  readonly hostname: string
  /** Any one of them, as an entry of the certificate; empty: the hostname. */
  readonly subjectAltNames: readonly SubjectAltName[]
  readonly authorities:
    | { readonly kind: 'bundle'; readonly caPem: string }
    /** Those that the operating system trusts. */
    | { readonly kind: 'system' }
    /** No certificate is verified, for testing: whoever is reached is believed. */
    | { readonly kind: 'anyone' }
}

export interface UpstreamTlsSettings {
  /** Absent: TLS 1.2. */
  readonly minVersion?: TlsVersion
  /** Absent: TLS 1.3. */
  readonly maxVersion?: TlsVersion
  /** Digest of a CertificatePart: what is shown to those who ask. */
  readonly clientCertificate?: Digest
  /** Nothing is shown, whatever the Gateway shows to others. */
  readonly anonymous?: true
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

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
