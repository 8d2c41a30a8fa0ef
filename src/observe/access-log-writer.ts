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
import { isoTime } from './iso-time.ts'
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
  const isAsItIs = format === 'json' && skip.length === 0
  const write = (json: string): void => {
    if (isAsItIs) {
      sink.write(`${json}\n`)
      return
    }
    // The JSON line defines the fields that rules and the text speak of.
    const line: AccessLine = JSON.parse(json)
    if (skip.some((rule) => fits(rule, line))) return
    sink.write(`${format === 'json' ? json : textLine(line)}\n`)
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

function connectionLine(record: ConnectionRecord): string {
  return (
    beginning(record.startTime, 'connection') +
    text('connection_id', record.connectionId) +
    text('bind', record.bind) +
    text('listener', record.listener) +
    text('downstream_remote_address', record.peer) +
    text('client', record.client) +
    text('downstream_local_address', record.local) +
    text('requested_server_name', cap(record.sni, MAX_NAME)) +
    tlsFields(record.tls) +
    text('action', record.action) +
    text('route_name', routeName(record.route)) +
    text('rule', record.rule) +
    text('upstream_cluster', record.upstream) +
    text('upstream_host', record.endpoint) +
    plain('bytes_received', record.bytesReceived) +
    plain('bytes_sent', record.bytesSent) +
    plain('duration', Math.round(record.durationMs)) +
    plain('peek_ms', tenths(record.peekMs)) +
    plain('handshake_ms', tenths(record.handshakeMs)) +
    plain('connect_ms', tenths(record.connectMs)) +
    plain('exchanges', record.exchanges) +
    ending(record)
  )
}

function exchangeLine(record: ExchangeRecord): string {
  return (
    beginning(record.startTime, 'exchange') +
    text('connection_id', record.connectionId) +
    text('x-request-id', cap(record.requestId, MAX_NAME)) +
    text('listener', record.listener) +
    text('downstream_remote_address', record.peer) +
    text('client', record.client) +
    text('requested_server_name', cap(record.sni, MAX_NAME)) +
    tlsFields(record.tls) +
    text('method', cap(record.method, 32)) +
    text(':authority', cap(record.authority, MAX_NAME)) +
    text('path', cap(record.path, MAX_PATH)) +
    text('protocol', record.protocol) +
    text('route_name', routeName(record.route)) +
    text('rule', record.rule) +
    text('upstream_cluster', record.upstream) +
    text('upstream_host', record.endpoint) +
    plain('response_code', record.status) +
    plain('bytes_received', record.bytesReceived) +
    plain('bytes_sent', record.bytesSent) +
    plain('duration', Math.round(record.durationMs)) +
    plain('auth_ms', tenths(record.authMs)) +
    plain('upstream_ms', tenths(record.upstreamMs)) +
    plain('attempts', record.attempts) +
    text('user-agent', cap(record.userAgent, MAX_NAME)) +
    ending(record)
  )
}

function beginning(startTime: number, log: 'connection' | 'exchange'): string {
  return `{"start_time":"${isoTime(startTime)}","log":"${log}"`
}

function ending({ reason, detail }: Pick<ConnectionRecord, 'reason' | 'detail'>): string {
  const { flag, side } = outcomeRow(reason)
  const shown = cap(detail, MAX_DETAIL)
  return (
    text('response_flags', flag) +
    text('reason', reason) +
    text('connection_termination_details', shown) +
    text('upstream_transport_failure_reason', side === 'upstream' ? shown : undefined) +
    '}'
  )
}

function tlsFields(tls: TlsFacts | undefined): string {
  if (tls === undefined) return ''
  const { clientCertificate } = tls
  return (
    text('tls_version', tls.version) +
    text('tls_cipher', tls.cipher) +
    text('tls_group', tls.group) +
    text('tls_alpn', tls.alpn) +
    plain('tls_resumed', tls.resumed) +
    text('downstream_peer_subject', cap(clientCertificate?.subject, MAX_NAME)) +
    text('downstream_peer_fingerprint_256', clientCertificate?.fingerprint) +
    plain('downstream_peer_verified', clientCertificate?.verified)
  )
}

/** A field of the line; an absent fact is none. */
function text(name: string, value: string | undefined): string {
  if (value === undefined) return ''
  return isSafe(value) ? `,"${name}":"${value}"` : `,"${name}":${JSON.stringify(value)}`
}

/** As `text`, of what JSON writes as it is. */
function plain(name: string, value: number | boolean | undefined): string {
  return value === undefined ? '' : `,"${name}":${value}`
}

/** Printable ASCII that JSON need not escape. */
function isSafe(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false
  }
  return true
}

function routeName(route: RouteRef | undefined): string | undefined {
  return route === undefined ? undefined : `${route.kind}/${route.namespace}/${route.name}`
}

function cap(value: string | undefined, max: number): string | undefined {
  return value === undefined ? undefined : capLength(value, max)
}

function tenths(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10
}
