/**
 * The access log: one JSON line per TCP connection and per HTTP exchange. Field names follow
 * Envoy Gateway's default format where it has the field (operations guide).
 */
import type { Reason } from '../model/outcome.ts'
import type { RouteRef } from '../model/identity.ts'

/** How the downstream TLS came out; absent on cleartext and passthrough. */
export interface TlsFacts {
  /** `TLSv1.3` */
  readonly version: string
  readonly cipher: string
  /** Key exchange group, such as `X25519MLKEM768`; undefined where Node does not tell. */
  readonly group: string | undefined
  readonly alpn: string | undefined
  readonly resumed: boolean
  /** What the client showed where it was asked for a certificate. */
  readonly clientCertificate?: ClientCertificateFacts
}

export interface ClientCertificateFacts {
  /** RFC 2253 form, ASCII, without control characters. */
  readonly subject: string
  /** SHA-256, lower-case hex. */
  readonly fingerprint: string
  /** Valid, and issued by an authority of the listener. */
  readonly verified: boolean
}

export interface ConnectionRecord {
  /** Milliseconds since the epoch. */
  readonly startTime: number
  readonly connectionId: string
  readonly bind: string
  readonly listener: string | undefined
  readonly peer: string
  /** Who the connection speaks for, after PROXY protocol. */
  readonly client: string
  readonly local: string
  /** Normalised SNI; undefined: none was sent, or it was not readable. */
  readonly sni: string | undefined
  readonly tls: TlsFacts | undefined
  readonly action: string | undefined
  readonly route: RouteRef | undefined
  /** The rule's own name. */
  readonly rule?: string | undefined
  readonly upstream: string | undefined
  readonly endpoint: string | undefined
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly durationMs: number
  /** Accept to ClientHello complete. */
  readonly peekMs: number | undefined
  /** ClientHello to TLS finished. */
  readonly handshakeMs: number | undefined
  readonly connectMs: number | undefined
  /** Exchanges served, for HTTP connections. */
  readonly exchanges: number | undefined
  readonly reason: Reason
  readonly detail: string | undefined
}

/** The client came with no token that counts; its endpoint answered; another one had to. */
export type SessionFact = 'new' | 'kept' | 'moved'

export interface ExchangeRecord {
  readonly startTime: number
  readonly connectionId: string
  readonly requestId: string
  readonly listener: string
  readonly peer: string
  /** Who the connection speaks for, after PROXY protocol and trusted headers. */
  readonly client: string
  /** As a trusted peer sent it. */
  readonly forwardedFor?: string | undefined
  readonly sni: string | undefined
  readonly tls: TlsFacts | undefined
  readonly method: string
  readonly authority: string
  readonly path: string
  readonly protocol: string
  readonly route: RouteRef | undefined
  readonly rule: string | undefined
  readonly upstream: string | undefined
  readonly endpoint: string | undefined
  /** 0: nothing was sent. */
  readonly status: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly durationMs: number
  /** Until the whole request was here; undefined: it has no body, or that did not end. */
  readonly requestMs?: number | undefined
  /** Until external auth services decided, the body that they see included. */
  readonly authMs?: number | undefined
  /** Of the last attempt, until it had a connection: one that was free, or a new one with its TLS. */
  readonly connectMs?: number | undefined
  /** Of the last attempt, from its beginning to the head of the response. */
  readonly upstreamMs: number | undefined
  /** From there to the last byte for the client. */
  readonly responseMs?: number | undefined
  /** Where the route keeps sessions, and a backend has answered. */
  readonly session?: SessionFact | undefined
  readonly attempts: number
  readonly userAgent: string | undefined
  readonly reason: Reason
  readonly detail: string | undefined
}

export interface AccessLog {
  connection(record: ConnectionRecord): void
  exchange(record: ExchangeRecord): void
}
