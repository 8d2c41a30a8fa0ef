/**
 * Writes the access log as JSON lines, or as text. Field names are Envoy Gateway's where it has the field
 * (operations guide); ours are snake_case beside them. Absent facts are absent fields; JSON escapes
 * control characters; what a stranger chose is cut to a bounded length.
 */
import { outcomeRow, type Reason } from '../model/outcome.ts'
import type { RouteRef } from '../model/identity.ts'
import type { AccessLog, ConnectionRecord, ExchangeRecord, TlsFacts } from './access-log.ts'
import { type AccessLogSettings, DEFAULT_ACCESS_LOG, type SkipRule } from './access-log-settings.ts'
import { type AccessLine, textLine } from './access-log-text.ts'
import type { LineSink } from './line-sink.ts'
import { capLength } from './redact.ts'

const MAX_NAME = 256
const MAX_PATH = 1024
const MAX_DETAIL = 256

/** Nothing is written. */
export const NO_ACCESS_LOG: AccessLog = { connection: () => {}, exchange: () => {} }

/** `random` draws the sample: 0 <= x < 1. */
export function createAccessLog(
  sink: LineSink,
  { format, sample, skip }: Omit<AccessLogSettings, 'target'> = DEFAULT_ACCESS_LOG,
  random: () => number = Math.random,
): AccessLog {
  const isDrawn = (failed: boolean): boolean => sample === 1 || failed || random() < sample
  const write = (line: AccessLine): void => {
    if (skip.some((rule) => fits(rule, line))) return
    sink.write(`${format === 'json' ? JSON.stringify(line) : textLine(line)}\n`)
  }
  return {
    connection: (record) => {
      if (isDrawn(isFailure(record.reason))) write(connectionLine(record))
    },
    exchange: (record) => {
      const failed = isFailure(record.reason) || record.status >= 500
      if (isDrawn(failed)) write(exchangeLine(record))
    },
  }
}

function isFailure(reason: Reason): boolean {
  return outcomeRow(reason).side !== 'none'
}

function fits({ field, value, isPrefix }: SkipRule, line: AccessLine): boolean {
  const own = line[field]
  if (own === undefined) return false
  return isPrefix ? String(own).startsWith(value) : String(own) === value
}

function connectionLine(record: ConnectionRecord): Record<string, unknown> {
  return {
    start_time: new Date(record.startTime).toISOString(),
    log: 'connection',
    connection_id: record.connectionId,
    bind: record.bind,
    listener: record.listener,
    downstream_remote_address: record.peer,
    client: record.client,
    downstream_local_address: record.local,
    requested_server_name: cap(record.sni, MAX_NAME),
    ...tlsFields(record.tls),
    action: record.action,
    route_name: routeName(record.route),
    rule: record.rule,
    upstream_cluster: record.upstream,
    upstream_host: record.endpoint,
    bytes_received: record.bytesReceived,
    bytes_sent: record.bytesSent,
    duration: Math.round(record.durationMs),
    peek_ms: tenths(record.peekMs),
    handshake_ms: tenths(record.handshakeMs),
    connect_ms: tenths(record.connectMs),
    exchanges: record.exchanges,
    ...outcomeFields(record),
  }
}

function exchangeLine(record: ExchangeRecord): Record<string, unknown> {
  return {
    start_time: new Date(record.startTime).toISOString(),
    log: 'exchange',
    connection_id: record.connectionId,
    'x-request-id': cap(record.requestId, MAX_NAME),
    listener: record.listener,
    downstream_remote_address: record.peer,
    client: record.client,
    requested_server_name: cap(record.sni, MAX_NAME),
    ...tlsFields(record.tls),
    method: cap(record.method, 32),
    ':authority': cap(record.authority, MAX_NAME),
    path: cap(record.path, MAX_PATH),
    protocol: record.protocol,
    route_name: routeName(record.route),
    rule: record.rule,
    upstream_cluster: record.upstream,
    upstream_host: record.endpoint,
    response_code: record.status,
    bytes_received: record.bytesReceived,
    bytes_sent: record.bytesSent,
    duration: Math.round(record.durationMs),
    auth_ms: tenths(record.authMs),
    upstream_ms: tenths(record.upstreamMs),
    attempts: record.attempts,
    'user-agent': cap(record.userAgent, MAX_NAME),
    ...outcomeFields(record),
  }
}

function outcomeFields({
  reason,
  detail,
}: Pick<ConnectionRecord, 'reason' | 'detail'>): Record<string, unknown> {
  const { flag, side } = outcomeRow(reason)
  return {
    response_flags: flag,
    reason,
    connection_termination_details: cap(detail, MAX_DETAIL),
    upstream_transport_failure_reason: side === 'upstream' ? cap(detail, MAX_DETAIL) : undefined,
  }
}

function tlsFields(tls: TlsFacts | undefined): Record<string, unknown> {
  if (tls === undefined) return {}
  const { clientCertificate } = tls
  return {
    tls_version: tls.version,
    tls_cipher: tls.cipher,
    tls_group: tls.group,
    tls_alpn: tls.alpn,
    tls_resumed: tls.resumed,
    downstream_peer_subject: cap(clientCertificate?.subject, MAX_NAME),
    downstream_peer_fingerprint_256: clientCertificate?.fingerprint,
    downstream_peer_verified: clientCertificate?.verified,
  }
}

function routeName(route: RouteRef | undefined): string | undefined {
  return route === undefined ? undefined : `${route.kind}/${route.namespace}/${route.name}`
}

function cap(text: string | undefined, max: number): string | undefined {
  return text === undefined ? undefined : capLength(text, max)
}

function tenths(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10
}
