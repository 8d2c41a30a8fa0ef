/**
 * The metrics of traffic: what a worker counts and control exposes (operations guide). Labels hold
 * names from the configuration and words of ours, never what a client chose.
 */

export interface Family {
  readonly help: string
  readonly labels: readonly string[]
}

export const COUNTERS = {
  connections_total: {
    help: 'Connections that ended, by what was done with them and how they ended.',
    labels: ['bind', 'gateway', 'listener', 'action', 'reason'],
  },
  connections_refused_total: {
    help: 'Connections closed at once, unread, since the worker was overloaded.',
    labels: ['reason'],
  },
  received_bytes_total: {
    help: 'Bytes that clients sent through routes, counted when an exchange or connection ends.',
    labels: ['gateway', 'listener', 'route', 'backend'],
  },
  sent_bytes_total: {
    help: 'Bytes that clients got through routes, counted when an exchange or connection ends.',
    labels: ['gateway', 'listener', 'route', 'backend'],
  },
  tls_handshakes_total: {
    help: 'TLS handshakes that gwproxy terminated or failed to.',
    labels: ['gateway', 'listener', 'result', 'version', 'group', 'resumed'],
  },
  sni_unmatched_total: {
    help: 'TLS connections whose server name no listener of the bind answers to.',
    labels: ['bind'],
  },
  http_requests_total: {
    help: 'HTTP exchanges that ended. code 0: no answer was sent.',
    labels: ['gateway', 'listener', 'route', 'backend', 'code', 'reason'],
  },
  http_retries_total: {
    help: 'Further attempts of exchanges, beyond the first.',
    labels: ['route', 'backend'],
  },
  upstream_connects_total: {
    help: 'Connections that were opened to endpoints, or could not be.',
    labels: ['endpoint', 'result'],
  },
  upstream_ejections_total: {
    help: 'How often an endpoint was ejected after failures.',
    labels: ['endpoint'],
  },
} as const satisfies Record<string, Family>

export const HISTOGRAMS = {
  http_request_duration_seconds: {
    help: 'From the first byte of a request to the last of its answer.',
    labels: ['gateway', 'listener', 'route', 'backend', 'code_class'],
  },
  tls_handshake_seconds: {
    help: 'From a whole ClientHello to the end of the handshake.',
    labels: ['gateway', 'listener', 'resumed'],
  },
  upstream_connect_seconds: {
    help: 'From the first dial of a relayed connection to an open one.',
    labels: ['backend'],
  },
} as const satisfies Record<string, Family>

export type CounterName = keyof typeof COUNTERS
export type HistogramName = keyof typeof HISTOGRAMS

/** Upper bounds in seconds; one more bucket counts everything above. */
export const BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

/** Stands between label values in a series' key; admission lets no control character into a name. */
export const SEPARATOR = '\t'
