/** What the access line of an exchange says, gathered as it becomes known. */
import { randomUUID } from 'node:crypto'
import type { Outcome, Reason } from '../../model/outcome.ts'
import type { RouteRef } from '../../model/identity.ts'
import type { ExchangeRecord, SessionFact, TlsFacts } from '../../observe/access-log.ts'
import type { ExchangeHost, RequestLine } from './exchange-host.ts'
import type { Fields } from './fields.ts'

export class ExchangeFacts implements ExchangeRecord {
  readonly startTime: number
  readonly startedAt: number
  readonly connectionId: string
  readonly peer: string
  readonly sni: string | undefined
  readonly tls: TlsFacts | undefined
  readonly method: string
  readonly authority: string
  readonly path: string
  readonly protocol: string
  readonly userAgent: string | undefined
  requestId = ''
  client = ''
  forwardedFor: string | undefined = undefined
  listener = ''
  route: RouteRef | undefined = undefined
  rule: string | undefined = undefined
  upstream: string | undefined = undefined
  endpoint: string | undefined = undefined
  status = 0
  bytesReceived = 0
  bytesSent = 0
  attemptAt = 0
  headAt = 0
  attempts = 0
  requestMs: number | undefined = undefined
  authMs: number | undefined = undefined
  connectMs: number | undefined = undefined
  upstreamMs: number | undefined = undefined
  responseMs: number | undefined = undefined
  session: SessionFact | undefined = undefined
  durationMs = 0
  reason: Reason = 'completed'
  detail: string | undefined = undefined

  constructor({ downstream, context }: ExchangeHost, line: RequestLine) {
    const { target } = line
    const mark = target.indexOf('?')
    this.startTime = context.clock.now()
    this.startedAt = context.clock.monotonic()
    this.connectionId = downstream.connectionId
    this.peer = downstream.peer
    this.sni = downstream.sni
    this.tls = downstream.tls
    this.method = line.method
    this.authority = line.authority
    // A query may carry secrets.
    this.path = mark === -1 ? target : target.slice(0, mark)
    this.protocol = line.protocol
    this.userAgent = line.userAgent
  }

  /** The record is complete. `fields`: of the request, if it could be read. */
  end(outcome: Outcome, { downstream, context }: ExchangeHost, fields: Fields | undefined): void {
    // What no route took was not prepared for a backend, which is where these are found out.
    if (this.requestId === '') this.requestId = randomUUID()
    if (this.client === '') {
      const { address } = downstream.ends.source
      const forwardedFor = fields?.get('x-forwarded-for')
      this.client = context.trusted.clientOf(address, forwardedFor)
      this.forwardedFor = context.trusted.has(address) ? forwardedFor : undefined
    }
    this.durationMs = context.clock.monotonic() - this.startedAt
    if (this.headAt > 0) this.responseMs = this.startedAt + this.durationMs - this.headAt
    this.reason = outcome.reason
    this.detail = outcome.detail
  }
}
