/**
 * What may be done to an exchange on its way, as data: one union member per filter, each with its
 * schema in api/, its lowering in translate/filters and its apply in data/http/filters.
 */
import type { UpstreamTarget } from './upstream-target.ts'

/** Filters that change an exchange on its way. One file each under data/http/filters. */
export type HttpFilter =
  | HeaderModifierFilter
  | UrlRewriteFilter
  | MirrorFilter
  | CorsFilter
  | RedirectFilter
  | ExternalAuthFilter

export interface HeaderModifierFilter {
  readonly kind: 'request-header-modifier' | 'response-header-modifier'
  readonly set: readonly HeaderValue[]
  readonly add: readonly HeaderValue[]
  /** Lower case. */
  readonly remove: readonly string[]
}

export interface HeaderValue {
  readonly name: string
  readonly value: string
}

export interface UrlRewriteFilter {
  readonly kind: 'url-rewrite'
  /** Replaces the upstream Host. */
  readonly hostname?: string
  readonly path?: PathRewrite
}

/** `prefix` is the matched PathPrefix that the replacement stands for. */
export type PathRewrite =
  | { readonly kind: 'full'; readonly value: string }
  | { readonly kind: 'prefix'; readonly prefix: string; readonly value: string }

/** Of a rule it is the action; among filters it stands for the share of one backend. */
export interface RedirectFilter {
  readonly kind: 'request-redirect'
  readonly scheme?: 'http' | 'https'
  readonly hostname?: string
  readonly path?: PathRewrite
  readonly port?: number
  readonly statusCode: 301 | 302 | 303 | 307 | 308
}

/** A copy of the request for another upstream, whose answer nobody waits for. */
export interface MirrorFilter {
  readonly kind: 'request-mirror'
  /** Keys the position of the share, as HttpRule.id does that of the weights. */
  readonly id: string
  readonly target: UpstreamTarget
  /** So many of `denominator` requests are copied, evenly spread. */
  readonly numerator: number
  readonly denominator: number
}

/** Cross-origin sharing (Fetch standard): preflights are answered here, never by an upstream. */
export interface CorsFilter {
  readonly kind: 'cors'
  readonly allowOrigins: 'any' | readonly OriginPattern[]
  readonly allowCredentials: boolean
  /** As configured; `*` stands alone. Empty: the field is not sent. */
  readonly allowMethods: readonly string[]
  readonly allowHeaders: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly maxAgeSeconds: number
}

export interface OriginPattern {
  readonly scheme: 'http' | 'https'
  /** As Chain.hostname: `''` is every host. */
  readonly hostname: string
  readonly port: number
}

/**
 * A service that must allow a request before anything of it goes on (GEP-1494). Whatever keeps it
 * from answering denies the request.
 */
export interface ExternalAuthFilter {
  readonly kind: 'external-auth'
  /** As MirrorFilter.id. */
  readonly id: string
  readonly target: UpstreamTarget
  readonly service: AuthService
  /** The body goes along, and one of more bytes is refused; 0: it does not. */
  readonly maxBodyBytes: number
}

/** Names are lower case, without those that are sent in any case. */
export type AuthService =
  | {
      /** The request itself without its body, as far as listed; the answer 200 allows it. */
      readonly kind: 'http'
      /** Put before the path; without trailing slash. */
      readonly pathPrefix: string
      readonly requestHeaders: readonly string[]
      /** What of the answer the backend gets, and of what the client sent nothing. */
      readonly responseHeaders: 'all' | readonly string[]
    }
  | {
      /** envoy.service.auth.v3.Authorization/Check. */
      readonly kind: 'grpc'
      /** `:authority` of the call. */
      readonly authority: string
      readonly requestHeaders: 'all' | readonly string[]
    }
