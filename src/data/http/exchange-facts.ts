/** What the access line of an exchange says, gathered as it becomes known. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { RouteRef } from '../../model/identity.ts'
import type { ExchangeRecord } from '../../observe/access-log.ts'
import type { HttpDownstream } from './contract.ts'
import type { HttpContext, RequestLine } from './exchange-host.ts'
import type { Fields } from './fields.ts'

export interface ExchangeFacts {
  readonly method: string
  readonly authority: string
  readonly path: string
  readonly protocol: string
  readonly userAgent: string | undefined
  readonly startTime: number
  readonly startedAt: number
  requestId: string | undefined
  client: string | undefined
  listener: string | undefined
  route: RouteRef | undefined
  rule: string | undefined
  upstream: string | undefined
  endpoint: string | undefined
  status: number
  bytesReceived: number
  bytesSent: number
  attemptAt: number
  attempts: number
  authMs: number | undefined
  upstreamMs: number | undefined
}

export function newFacts(clock: Clock, line: RequestLine): ExchangeFacts {
  const { target, ...rest } = line
  const mark = target.indexOf('?')
  return {
    ...rest,
    // A query may carry secrets.
    path: mark === -1 ? target : target.slice(0, mark),
    startTime: clock.now(),
    startedAt: clock.monotonic(),
    requestId: undefined,
    client: undefined,
    listener: undefined,
    route: undefined,
    rule: undefined,
    upstream: undefined,
    endpoint: undefined,
    status: 0,
    bytesReceived: 0,
    bytesSent: 0,
    attemptAt: 0,
    attempts: 0,
    authMs: undefined,
    upstreamMs: undefined,
  }
}

export function exchangeRecord(
  facts: ExchangeFacts,
  downstream: HttpDownstream,
  { clock, trusted }: Pick<HttpContext, 'clock' | 'trusted'>,
  outcome: Outcome,
  fields: Fields | undefined,
): ExchangeRecord {
  const { startedAt, attemptAt: _, ...rest } = facts
  const { peerAddress, peerPort } = downstream
  return {
    ...rest,
    connectionId: downstream.connectionId,
    requestId: facts.requestId ?? randomUUID(),
    listener: facts.listener ?? '',
    peer: peerAddress.includes(':') ? `[${peerAddress}]:${peerPort}` : `${peerAddress}:${peerPort}`,
    // What no route took was not prepared for a backend, which is where the client is found out.
    client:
      facts.client ??
      trusted.clientOf(downstream.ends.source.address, fields?.get('x-forwarded-for')),
    sni: downstream.sni,
    tls: downstream.tls,
    durationMs: clock.monotonic() - startedAt,
    reason: outcome.reason,
    detail: outcome.detail,
  }
}
