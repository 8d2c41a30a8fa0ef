/** Where traffic goes after resolution: weighted upstreams of endpoints. */
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
