/**
 * What `gwproxy explain` asks and what it is answered: plain data without any field's value of the
 * configuration, so that no credential is in it. The data plane explains, the CLI renders.
 */
import type { BindKey } from './identity.ts'
import type { OutcomeRow, Reason } from './outcome.ts'
import type { BindPart, Snapshot } from './snapshot.ts'
import type { UpstreamPart } from './upstream.ts'

/** A request as people write it. */
export interface ExplainRequest {
  /** `https://`, `http://`, `tls://`, `tcp://` or `udp://`, a host, and a port where the scheme has none. */
  readonly url: string
  /** GET by default. */
  readonly method?: string
  /** `Name: value`; Host replaces the authority, not the SNI. */
  readonly headers?: readonly string[]
  /** The local address that the client connects to; by default a host of the URL that is one. */
  readonly address?: string
}

/** What is explained: a snapshot, and what a running daemon knows beside it. */
export interface Explained extends Pick<Snapshot, 'parts'> {
  readonly binds: readonly BindPart[]
  /** Absent: files that nobody serves. */
  readonly live?: LiveState
}

export interface LiveState {
  /** Why a bind is not open. */
  bindError(bind: BindKey): string | undefined
  /** Of a name; undefined: not answered yet. */
  addresses(name: string): readonly string[] | undefined
  /** How long the endpoint is avoided still by the worker that does so longest; 0: by none. */
  ejectedForMs(upstream: string, endpoint: string): number
}

/** What the addresses of a port answer. */
export interface Explanations {
  /** One for each answer that the addresses of the port give; empty: no listener has the port. */
  readonly explanations: readonly Explanation[]
  /** Without an explanation: where connections are taken, the first ones. */
  readonly elsewhere?: readonly BindKey[]
}

/** `POST /explain` */
export interface ExplainReport extends Explanations {
  /** Of the snapshot that explains. */
  readonly generation: number
  /** Of the newest configuration, where not every worker serves it yet. */
  readonly awaited?: number
}

export interface Explanation {
  /** Where a client gets this answer: `tcp/127.0.0.1:443`, or `tcp/[::]:443 at 10.0.0.1`. */
  readonly addresses: readonly string[]
  /** What trusted peers begin with, before everything else. */
  readonly proxyProtocol?: NonNullable<BindPart['proxyProtocol']>
  readonly listener?: string
  /** `namespace/name` of the Secrets. */
  readonly certificates?: readonly string[]
  readonly clientCertificate?: 'required' | 'asked for'
  /** Of an authority that belongs to another listener than the SNI. */
  readonly authorityListener?: string
  readonly route?: string
  /** Its name, else its id; as in the access log. */
  readonly rule?: string
  /** The match that wins. */
  readonly match?: string
  readonly filters?: readonly string[]
  /** Timeouts, retries and what else the rule wants. */
  readonly policies?: readonly string[]
  readonly backends?: readonly ExplainedBackend[]
  readonly answer: ExplainedAnswer
  /** Whether the client gets what the configuration promises, and no refusal. */
  readonly serves: boolean
  readonly otherListeners: Losers
  readonly otherRules: Losers
}

export type ExplainedAnswer =
  /** The backends answer. */
  | { readonly kind: 'forward' }
  /** HTTP is spoken on the connection; the URL asks for no request. */
  | { readonly kind: 'http' }
  | ExplainedReply
  /** The connection ends without an answer. */
  | { readonly kind: 'closed'; readonly how: OutcomeRow['l4']; readonly reason: Reason }
  /** The daemon has no socket there. */
  | { readonly kind: 'not-listening'; readonly message: string }

/** gwproxy answers by itself. */
export interface ExplainedReply {
  readonly kind: 'reply'
  readonly reason: Reason
  readonly status: number
  readonly grpcStatus?: number
  readonly location?: string
  /** `Name: value` of the fields of CORS. */
  readonly fields?: readonly string[]
}

export interface ExplainedBackend {
  /** `Service/namespace/name:port` */
  readonly name: string
  readonly weight: number
  /** Why the reference leads nowhere. */
  readonly problem?: string
  readonly endpoints: readonly ExplainedEndpoint[]
  readonly filters: readonly string[]
  /** What the backend is sent, where it differs from what the client sent. */
  readonly request?: { readonly authority: string; readonly target: string }
  /** What its share gets instead of the backend's answer. */
  readonly answer?: ExplainedAnswer
  /** The header that each connection to it begins with. */
  readonly proxyProtocol?: NonNullable<UpstreamPart['proxyProtocol']>
  readonly tls?: string
}

export interface ExplainedEndpoint {
  /** `10.0.0.1:80`; of a name that has no addresses, `name:80`. */
  readonly endpoint: string
  /** The name that led there. */
  readonly name?: string
  /** `unresolved`: the name has no addresses. Absent: files alone do not tell. */
  readonly health?: 'healthy' | 'ejected' | 'unresolved'
  readonly ejectedForMs?: number
}

/** The nearest ones first. */
export interface Losers {
  readonly listed: readonly Loser[]
  /** How many more there are. */
  readonly more: number
}

export interface Loser {
  readonly name: string
  readonly why: string
}
