/**
 * `GET /page`: what the status page shows, small whatever the configuration's size. Counters are
 * totals since the start; the page makes rates of two answers. No key, token or header value.
 */
import type { ReadyReport } from '../contract.ts'

/** The first rows of those that fit the filter; the rest is a number. */
export interface PageList<Row> {
  readonly total: number
  readonly matching: number
  readonly rows: readonly Row[]
}

export interface PageState {
  readonly level: 'ok' | 'warning' | 'error'
  /** One line: `OK`, or the conditions that are not as they should be. */
  readonly text: string
}

/** Totals since the daemon started, counted when a connection or exchange ends. */
export interface Tally {
  readonly connections: number
  readonly requests: number
  /** Ends that a backend or gwproxy itself is to blame for, and answers from 500 on. */
  readonly failures: number
  readonly receivedBytes: number
  readonly sentBytes: number
}

export interface GatewayRow {
  /** `Gateway default/edge`, `ListenerSet default/more`. */
  readonly name: string
  readonly className: string
  readonly addresses: readonly string[]
  readonly state: PageState
  /** `file:line:column`. */
  readonly from: string
}

export interface ListenerRow {
  /** Of the Gateway or ListenerSet, as GatewayRow.name. */
  readonly owner: string
  readonly name: string
  readonly protocol: string
  readonly port: string
  /** '': any. */
  readonly hostname: string
  readonly routes: number
  readonly state: PageState
  readonly traffic: Tally
}

export interface RouteRow {
  readonly name: string
  readonly hostnames: readonly string[]
  readonly parents: readonly string[]
  readonly state: PageState
  readonly from: string
  /** Connections and, but for HTTPRoute and GRPCRoute, requests are not counted by route: 0. */
  readonly traffic: Tally
}

export interface CertificateRow {
  readonly source: string
  readonly dnsNames: readonly string[]
  readonly keyType: string
  /** ISO 8601. */
  readonly notAfter: string
  /** Whole days; negative: expired. */
  readonly daysLeft: number
}

export interface EndpointRow {
  readonly upstream: string
  readonly endpoint: string
  /** Workers that use it, and those of them that have it ejected after failures. */
  readonly workers: number
  readonly ejectedBy: number
  readonly ejectedForMs: number
  /** Those of the others whose ejection is over, and which have seen no success since. */
  readonly onTrialBy: number
  /** Connections that were opened to this address, or could not be, whatever the upstream. */
  readonly connects: number
  readonly failedConnects: number
}

export interface ProblemRow {
  readonly severity: 'error' | 'warning'
  /** `file:line:column`. */
  readonly at: string
  readonly object: string
  readonly path: string
  readonly message: string
  readonly help: string
}

/** Ends that were not good, by the outcome table's reason. */
export interface FailureRow {
  readonly reason: string
  readonly side: 'downstream' | 'upstream' | 'internal'
  readonly connections: number
  readonly requests: number
}

export interface PageSummary {
  readonly version: string
  /** Tells one run of the daemon from another. */
  readonly startedAt: string
  /** Milliseconds since the start, of a clock that nobody sets: what rates are made with. */
  readonly uptimeMs: number
  readonly generation: number
  readonly ready: ReadyReport
  readonly workers: number
  readonly restarts: number
  readonly open: { readonly connections: number; readonly exchanges: number }
  readonly counts: {
    readonly errors: number
    readonly warnings: number
    readonly stale: number
    readonly expiring: number
    readonly ejected: number
  }
  readonly traffic: Tally
  readonly problems: PageList<ProblemRow>
  readonly gateways: PageList<GatewayRow>
  readonly listeners: PageList<ListenerRow>
  readonly routes: PageList<RouteRow>
  readonly certificates: PageList<CertificateRow>
  readonly endpoints: PageList<EndpointRow>
  readonly failures: readonly FailureRow[]
}
