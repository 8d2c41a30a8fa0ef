/**
 * The one table of how a connection or exchange can end (decision 14). Everything that depends on
 * the end reads it here: status codes, L4 action, log flag, retry, metrics.
 * Flags are Envoy's response flags where one exists.
 */

export interface OutcomeRow {
  /** Whose doing it was. `none`: a good end. */
  readonly side: 'none' | 'downstream' | 'upstream' | 'internal'
  /** Status of the local reply when no response head was sent; 0: nothing to send. */
  readonly httpStatus: number
  /** gRPC status of the local reply (trailers-only). */
  readonly grpcStatus: number
  /** What an L4 connection gets. */
  readonly l4: 'fin' | 'reset'
  readonly flag: string
  /** Another endpoint may be tried while nothing was sent. */
  readonly retryable: boolean
}

function row(
  side: OutcomeRow['side'],
  httpStatus: number,
  grpcStatus: number,
  l4: OutcomeRow['l4'],
  flag: string,
  retryable = false,
): OutcomeRow {
  return { side, httpStatus, grpcStatus, l4, flag, retryable }
}

export const OUTCOMES = {
  // Good ends.
  completed: row('none', 0, 0, 'fin', '-'),
  redirected: row('none', 0, 12, 'fin', '-'),
  upgraded: row('none', 0, 0, 'fin', '-'),
  preflight: row('none', 0, 0, 'fin', '-'),

  // The downstream side, before routing: nothing is written, the socket is closed.
  'not-tls': row('downstream', 0, 0, 'fin', 'DPE'),
  'malformed-hello': row('downstream', 0, 0, 'fin', 'DPE'),
  'hello-too-large': row('downstream', 0, 0, 'fin', 'DPE'),
  'proxy-header-invalid': row('downstream', 0, 0, 'fin', 'DPE'),
  'proxy-peer-untrusted': row('downstream', 0, 0, 'fin', 'DPE'),
  'handshake-timeout': row('downstream', 0, 0, 'fin', 'DT'),
  'no-chain': row('downstream', 0, 0, 'fin', 'NR'),
  'tls-handshake-failed': row('downstream', 0, 0, 'fin', 'DPE'),
  'sni-mismatch': row('downstream', 0, 0, 'reset', 'DPE'),
  'client-certificate-refused': row('downstream', 0, 0, 'reset', 'DPE'),

  // The downstream side, HTTP.
  'bad-request': row('downstream', 400, 3, 'fin', 'DPE'),
  'ambiguous-path': row('downstream', 400, 3, 'fin', 'DPE'),
  'headers-too-large': row('downstream', 431, 8, 'fin', 'DPE'),
  'header-timeout': row('downstream', 408, 4, 'fin', 'DT'),
  'body-timeout': row('downstream', 408, 4, 'fin', 'SI'),
  'method-not-allowed': row('downstream', 405, 12, 'fin', 'DPE'),
  'expectation-failed': row('downstream', 417, 3, 'fin', 'DPE'),
  'body-too-large': row('downstream', 413, 8, 'fin', 'DPE'),
  'auth-denied': row('downstream', 403, 7, 'fin', 'UAEX'),
  misdirected: row('downstream', 421, 14, 'fin', 'NR'),
  'no-route': row('downstream', 404, 12, 'reset', 'NR'),
  'client-closed': row('downstream', 0, 1, 'fin', 'DC'),
  'client-reset': row('downstream', 0, 1, 'reset', 'DC'),
  'idle-timeout': row('downstream', 0, 4, 'reset', 'SI'),
  'stream-idle-timeout': row('downstream', 504, 4, 'reset', 'SI'),
  'protocol-error': row('downstream', 0, 13, 'reset', 'DPE'),

  // The upstream side.
  'invalid-backend': row('upstream', 500, 14, 'reset', 'NC'),
  'no-backend': row('upstream', 500, 14, 'reset', 'NC'),
  'filter-invalid': row('upstream', 500, 13, 'reset', 'NC'),
  'auth-failed': row('upstream', 403, 7, 'fin', 'UAEX'),
  'no-certificate': row('upstream', 503, 14, 'fin', 'NC'),
  'no-endpoint': row('upstream', 503, 14, 'reset', 'UH'),
  'name-unresolved': row('upstream', 503, 14, 'reset', 'DF'),
  'connect-refused': row('upstream', 503, 14, 'reset', 'UF', true),
  'connect-failed': row('upstream', 503, 14, 'reset', 'UF', true),
  'connect-timeout': row('upstream', 503, 14, 'reset', 'UF', true),
  'upstream-tls-failed': row('upstream', 502, 14, 'reset', 'UF'),
  'upstream-reset': row('upstream', 503, 14, 'reset', 'UC'),
  'upstream-closed': row('upstream', 503, 14, 'reset', 'UC'),
  'upstream-protocol-error': row('upstream', 502, 13, 'reset', 'UPE'),
  'request-timeout': row('upstream', 504, 4, 'reset', 'UT'),
  'backend-timeout': row('upstream', 504, 4, 'reset', 'UT'),
  'upstream-overflow': row('upstream', 503, 14, 'reset', 'UO'),

  // Ourselves.
  overload: row('internal', 503, 14, 'reset', 'OM'),
  draining: row('internal', 503, 14, 'reset', 'LR'),
  'drain-deadline': row('internal', 503, 14, 'reset', 'LR'),
  'listener-removed': row('internal', 503, 14, 'reset', 'LR'),
  'internal-error': row('internal', 500, 13, 'reset', 'LR'),
} as const satisfies Record<string, OutcomeRow>

export type Reason = keyof typeof OUTCOMES

/** How something ended. `detail` is one line for the log, free of secrets. */
export interface Outcome {
  readonly reason: Reason
  readonly detail?: string
}

export function outcomeRow(reason: Reason): OutcomeRow {
  return OUTCOMES[reason]
}
