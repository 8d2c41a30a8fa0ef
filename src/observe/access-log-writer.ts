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
import { JsonLine, type LineKey, lineKey } from './json-line.ts'
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
  const line = new JsonLine()
  const write = (bytes: Buffer): void => {
    if (isAsItIs) {
      sink.write(bytes)
      return
    }
    // The JSON line defines the fields that rules and the text speak of.
    const fields: AccessLine = JSON.parse(bytes.toString())
    if (skip.some((rule) => fits(rule, fields))) return
    sink.write(format === 'json' ? bytes : `${textLine(fields)}\n`)
  }
  return {
    connection: (record) => {
      if (isDrawn(isFailure(record.reason))) write(connectionLine(line, record))
    },
    exchange: (record) => {
      const failed = isFailure(record.reason) || record.status >= 500
      if (isDrawn(failed)) write(exchangeLine(line, record))
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

function connectionLine(line: JsonLine, record: ConnectionRecord): Buffer {
  line.begin()
  line.text(KEYS.start_time, isoTime(record.startTime))
  line.text(KEYS.log, 'connection')
  line.text(KEYS.connection_id, record.connectionId)
  line.text(KEYS.bind, record.bind)
  line.text(KEYS.listener, record.listener)
  line.text(KEYS.downstream_remote_address, record.peer)
  line.text(KEYS.client, record.client)
  line.text(KEYS.downstream_local_address, record.local)
  line.text(KEYS.requested_server_name, cap(record.sni, MAX_NAME))
  tlsFields(line, record)
  line.text(KEYS.action, record.action)
  line.text(KEYS.route_name, routeName(record.route))
  line.text(KEYS.rule, record.rule)
  line.text(KEYS.upstream_cluster, record.upstream)
  line.text(KEYS.upstream_host, record.endpoint)
  line.integer(KEYS.bytes_received, record.bytesReceived)
  line.integer(KEYS.bytes_sent, record.bytesSent)
  line.integer(KEYS.duration, Math.round(record.durationMs))
  line.tenths(KEYS.peek_ms, record.peekMs)
  line.tenths(KEYS.handshake_ms, record.handshakeMs)
  line.tenths(KEYS.connect_ms, record.connectMs)
  line.integer(KEYS.exchanges, record.exchanges)
  return ending(line, record)
}

function exchangeLine(line: JsonLine, record: ExchangeRecord): Buffer {
  const { tls, route } = record
  const ofConnection = tls && connectionFields(record, tls)
  const ofRoute = route && routeFields(record, route)
  line.begin()
  line.text(KEYS.start_time, isoTime(record.startTime))
  line.text(KEYS.log, 'exchange')
  put(line, ofConnection?.id, idFields, record)
  line.text(KEYS['x-request-id'], cap(record.requestId, MAX_NAME))
  put(line, ofConnection?.ends, endFields, record)
  line.text(KEYS['x-forwarded-for'], cap(record.forwardedFor, MAX_NAME))
  put(line, ofConnection?.names, nameFields, record)
  line.text(KEYS.method, cap(record.method, 32))
  line.text(KEYS[':authority'], cap(record.authority, MAX_NAME))
  line.text(KEYS.path, cap(record.path, MAX_PATH))
  line.text(KEYS.protocol, record.protocol)
  put(line, ofRoute?.all, backendFields, record)
  line.integer(KEYS.response_code, record.status)
  line.integer(KEYS.bytes_received, record.bytesReceived)
  line.integer(KEYS.bytes_sent, record.bytesSent)
  line.integer(KEYS.duration, Math.round(record.durationMs))
  line.tenths(KEYS.request_ms, record.requestMs)
  line.tenths(KEYS.auth_ms, record.authMs)
  line.tenths(KEYS.connect_ms, record.connectMs)
  line.tenths(KEYS.upstream_ms, record.upstreamMs)
  line.tenths(KEYS.response_ms, record.responseMs)
  line.integer(KEYS.attempts, record.attempts)
  line.text(KEYS.session, record.session)
  line.text(KEYS['user-agent'], cap(record.userAgent, MAX_NAME))
  return ending(line, record)
}

function ending(
  line: JsonLine,
  { reason, detail }: Pick<ConnectionRecord, 'reason' | 'detail'>,
): Buffer {
  const { flag, side } = outcomeRow(reason)
  const shown = cap(detail, MAX_DETAIL)
  line.text(KEYS.response_flags, flag)
  line.text(KEYS.reason, reason)
  line.text(KEYS.connection_termination_details, shown)
  line.text(KEYS.upstream_transport_failure_reason, side === 'upstream' ? shown : undefined)
  return line.end()
}

type Write = (line: JsonLine, record: ExchangeRecord) => void

/** Fields as they are known, or written anew. */
function put(
  line: JsonLine,
  known: Uint8Array | undefined,
  write: Write,
  record: ExchangeRecord,
): void {
  if (known === undefined) write(line, record)
  else line.again(known)
}

function idFields(line: JsonLine, record: ExchangeRecord): void {
  line.text(KEYS.connection_id, record.connectionId)
}

function endFields(line: JsonLine, record: ExchangeRecord): void {
  line.text(KEYS.listener, record.listener)
  line.text(KEYS.downstream_remote_address, record.peer)
  line.text(KEYS.client, record.client)
}

function nameFields(line: JsonLine, record: ExchangeRecord): void {
  line.text(KEYS.requested_server_name, cap(record.sni, MAX_NAME))
  tlsFields(line, record)
}

function backendFields(line: JsonLine, record: ExchangeRecord): void {
  line.text(KEYS.route_name, routeName(record.route))
  line.text(KEYS.rule, record.rule)
  line.text(KEYS.upstream_cluster, record.upstream)
  line.text(KEYS.upstream_host, record.endpoint)
}

/** What the lines of a connection behind TLS have in common: most of their bytes, with the route's. */
interface ConnectionFields
  extends Pick<ExchangeRecord, 'connectionId' | 'listener' | 'peer' | 'client' | 'sni'> {
  readonly id: Uint8Array
  readonly ends: Uint8Array
  readonly names: Uint8Array
}

/** By the facts of the connection's handshake. */
const CONNECTION_FIELDS = new WeakMap<TlsFacts, ConnectionFields>()

function connectionFields(record: ExchangeRecord, tls: TlsFacts): ConnectionFields {
  const { connectionId, listener, peer, client, sni } = record
  const known = CONNECTION_FIELDS.get(tls)
  if (
    known !== undefined &&
    known.connectionId === connectionId &&
    known.listener === listener &&
    known.peer === peer &&
    known.client === client &&
    known.sni === sni
  ) {
    return known
  }
  const made = {
    connectionId,
    listener,
    peer,
    client,
    sni,
    id: written(idFields, record),
    ends: written(endFields, record),
    names: written(nameFields, record),
  }
  CONNECTION_FIELDS.set(tls, made)
  return made
}

interface RouteFields extends Pick<ExchangeRecord, 'rule' | 'upstream' | 'endpoint'> {
  readonly all: Uint8Array
}

/** The last one of each route: endpoints take turns, but most routes have few. */
const ROUTE_FIELDS = new WeakMap<RouteRef, RouteFields>()

function routeFields(record: ExchangeRecord, route: RouteRef): RouteFields {
  const { rule, upstream, endpoint } = record
  const known = ROUTE_FIELDS.get(route)
  if (
    known !== undefined &&
    known.endpoint === endpoint &&
    known.rule === rule &&
    known.upstream === upstream
  ) {
    return known
  }
  const made = { rule, upstream, endpoint, all: written(backendFields, record) }
  ROUTE_FIELDS.set(route, made)
  return made
}

const scratch = new JsonLine()

function written(write: Write, record: ExchangeRecord): Uint8Array {
  scratch.begin()
  scratch.text(KEYS.log, 'exchange')
  const { length } = scratch
  write(scratch, record)
  return scratch.since(length)
}

function tlsFields(line: JsonLine, { tls }: Pick<ConnectionRecord, 'tls'>): void {
  if (tls === undefined) return
  const { clientCertificate } = tls
  line.text(KEYS.tls_version, tls.version)
  line.text(KEYS.tls_cipher, tls.cipher)
  line.text(KEYS.tls_group, tls.group)
  line.text(KEYS.tls_alpn, tls.alpn)
  line.truth(KEYS.tls_resumed, tls.resumed)
  line.text(KEYS.downstream_peer_subject, cap(clientCertificate?.subject, MAX_NAME))
  line.text(KEYS.downstream_peer_fingerprint_256, clientCertificate?.fingerprint)
  line.truth(KEYS.downstream_peer_verified, clientCertificate?.verified)
}

const ROUTE_NAMES = new WeakMap<RouteRef, string>()

function routeName(route: RouteRef | undefined): string | undefined {
  if (route === undefined) return undefined
  const known = ROUTE_NAMES.get(route)
  if (known !== undefined) return known
  const name = `${route.kind}/${route.namespace}/${route.name}`
  ROUTE_NAMES.set(route, name)
  return name
}

function cap(value: string | undefined, max: number): string | undefined {
  return value === undefined ? undefined : capLength(value, max)
}

const FIELDS = [
  'start_time',
  'log',
  'connection_id',
  'bind',
  'listener',
  'downstream_remote_address',
  'client',
  'downstream_local_address',
  'requested_server_name',
  'action',
  'route_name',
  'rule',
  'upstream_cluster',
  'upstream_host',
  'bytes_received',
  'bytes_sent',
  'duration',
  'peek_ms',
  'handshake_ms',
  'connect_ms',
  'exchanges',
  'x-request-id',
  'x-forwarded-for',
  'method',
  ':authority',
  'path',
  'protocol',
  'response_code',
  'request_ms',
  'auth_ms',
  'upstream_ms',
  'response_ms',
  'session',
  'attempts',
  'user-agent',
  'response_flags',
  'reason',
  'connection_termination_details',
  'upstream_transport_failure_reason',
  'tls_version',
  'tls_cipher',
  'tls_group',
  'tls_alpn',
  'tls_resumed',
  'downstream_peer_subject',
  'downstream_peer_fingerprint_256',
  'downstream_peer_verified',
] as const

/** The names of all fields, ready to be written. */
const KEYS = Object.fromEntries(FIELDS.map((name) => [name, lineKey(name)])) as Readonly<
  Record<(typeof FIELDS)[number], LineKey>
>
