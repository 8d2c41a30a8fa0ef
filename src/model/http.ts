/**
 * HTTP routing as data: what matches, in which order, and what happens then. Translate has already
 * applied defaults, intersected hostnames and computed precedence keys (digest section 4.1).
 */
import type { Digest } from '../base/brand.ts'
import type { HttpFilter, RedirectFilter } from './http-filter.ts'
import type { ListenerKey, RouteRef } from './identity.ts'
import type { WeightedUpstream } from './upstream.ts'

/** The routes of a listener. Each host is a part of its own: an edit sends and compiles no other. */
export interface RouteTablePart {
  readonly kind: 'route-table'
  readonly listener: ListenerKey
  /** Port for redirects that name neither scheme nor port. */
  readonly port: number
  /**
   * Most specific hostname first; lookup tries each host that matches, in this order. A hostname
   * may stand here several times: that of the more specific route comes first. HttpHostParts.
   */
  readonly hosts: readonly HostRef[]
  /** GrpcHostParts, for gRPC requests, which ask here first; absent: no GRPCRoute is attached. */
  readonly grpc?: readonly HostRef[]
}

export interface HostRef {
  /** As Chain.hostname. */
  readonly hostname: string
  readonly routes: Digest
}

/** What requests for a host are asked for and get, whatever the host's name. */
export interface HttpHostPart {
  readonly kind: 'http-host'
  readonly rules: readonly HttpRule[]
  /** Sorted by precedence, best first: see `comparePrecedence` in translate/routes/http-precedence. */
  readonly matches: readonly HttpMatch[]
}

export interface GrpcHostPart {
  readonly kind: 'grpc-host'
  readonly rules: readonly HttpRule[]
  /** Sorted by precedence, best first: see `compareGrpcPrecedence` in translate/routes. */
  readonly matches: readonly GrpcMatch[]
}

export interface HttpMatch {
  readonly path: PathMatch
  readonly method?: string
  /** Names lower case, first of duplicates only. */
  readonly headers: readonly ValueMatch[]
  readonly query: readonly ValueMatch[]
  /** Index into the part's rules. */
  readonly rule: number
}

/** `/service/method`; absent: every one. */
export interface GrpcMatch {
  readonly service?: NameMatch
  readonly method?: NameMatch
  /** As HttpMatch.headers. */
  readonly headers: readonly ValueMatch[]
  /** Index into the part's rules. */
  readonly rule: number
}

export interface NameMatch {
  readonly kind: 'exact' | 'regex'
  readonly value: string
}

export type PathMatch =
  | { readonly kind: 'exact'; readonly value: string }
  /** By path element; without trailing slash, so `/` is ''. */
  | { readonly kind: 'prefix'; readonly value: string }
  /** RE2 dialect, at most 1 KiB, matched against the whole path. */
  | { readonly kind: 'regex'; readonly value: string }

export interface ValueMatch {
  readonly name: string
  readonly kind: 'exact' | 'regex'
  readonly value: string
}

export interface HttpRule {
  /** `HTTPRoute/namespace/name/index`, or of a GRPCRoute; keys the weighted round robin's position. */
  readonly id: string
  readonly route: RouteRef
  /** The rule's own `name`, when given. */
  readonly name?: string
  /** Rule-level filters in order of application. */
  readonly filters: readonly HttpFilter[]
  readonly action: HttpRuleAction
  readonly timeouts: HttpTimeouts
  readonly retry?: HttpRetry
  readonly session?: HttpSession
}

/** A client stays with the endpoint that answered it first, by a token that it keeps (GEP-1619). */
export interface HttpSession {
  /** Whose tokens count: rules that it tells apart share no sessions. Outlives reloads. */
  readonly scope: string
  readonly carrier: SessionCarrier
  /** From its beginning, in milliseconds; absent: a session ends with its endpoint. */
  readonly absoluteMs?: number
}

export type SessionCarrier =
  /** `permanent`: the client keeps it for `absoluteMs`, else until it is closed. */
  | { readonly kind: 'cookie'; readonly name: string; readonly permanent: boolean }
  /** A header of responses, which clients send back. Lower case. */
  | { readonly kind: 'header'; readonly name: string }

export type HttpRuleAction =
  | { readonly kind: 'forward'; readonly backends: readonly WeightedUpstream[] }
  | { readonly kind: 'redirect'; readonly redirect: RedirectFilter }
  /** No backendRefs (500), an unresolvable filter (500). */
  | { readonly kind: 'fail'; readonly reason: 'no-backend' | 'filter-invalid' }

/** Lost connections and tries that time out count as well, whatever the codes. */
export interface HttpRetry {
  /** Statuses of the upstream that are tried again. */
  readonly codes: readonly number[]
  /** Tries after the first one. */
  readonly attempts: number
  /** The least pause before a try, in milliseconds. */
  readonly backoffMs: number
}

/** Milliseconds; absent: no limit by the route. */
export interface HttpTimeouts {
  readonly requestMs?: number
  readonly backendRequestMs?: number
}
