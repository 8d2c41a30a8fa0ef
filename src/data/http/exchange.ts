/**
 * THE narrative of a request, in time order: normalise, match, ask, pick, filter, forward,
 * response filters, write, end. One idempotent `end(outcome)`: access line, endpoint released,
 * connection told. An exchange keeps its rule; the view it came from is read once at its start.
 */
import type { Duplex } from 'node:stream'
import { assertNever } from '../../base/assert-never.ts'
import { messageOf } from '../../base/errors.ts'
import type { HttpRule } from '../../model/http.ts'
import type { HttpFilter } from '../../model/http-filter.ts'
import { isGrpcContent } from '../../match/grpc/table.ts'
import { type Outcome, outcomeRow, type Reason } from '../../model/outcome.ts'
import { Deadline, type TimerSink } from '../timer-wheel.ts'
import type { BackendChoice, Upstream } from '../upstream/contract.ts'
import { Authorization, type Guards } from './auth/authorize.ts'
import { BodyWait } from './body-wait.ts'
import { Fields } from './fields.ts'
import {
  type FilterAnswer,
  type FilterRequest,
  filterAnswer,
  filterRequest,
  filterRequestOf,
  filterResponse,
  redirectAnswer,
} from './filters/filters.ts'
import {
  prepareRequestFields,
  prepareResponseFields,
  prepareTrailers,
  sealRequestFields,
  sealResponseFields,
} from './headers.ts'
import { type LocalReply, localReply } from './local-reply.ts'
import type { Normalized, RequestHead } from './normalize.ts'
import { ExchangeFacts } from './exchange-facts.ts'
import type { ExchangeHost, RequestLine } from './exchange-host.ts'
import { requestBodyOf, type RequestBody } from './request-body.ts'
import { hasNoContent, type Responder, type ResponderSink } from './responder.ts'
import type { ClientSession } from './session.ts'
import { forwardOptions } from './forward.ts'
import { Tries, type TriesSink } from './tries.ts'
import { isWebSocketAnswer, Tunnel } from './upgrade.ts'
import type { LiveRule } from './live-hosts.ts'
import { type CompiledView, compiledView, findRule, type LiveListener } from './view.ts'

type Chosen = Extract<BackendChoice, { kind: 'upstream' }>

export class Exchange implements ResponderSink, TriesSink, TimerSink {
  readonly #host: ExchangeHost
  readonly #responder: Responder
  readonly #facts: ExchangeFacts
  readonly #idle: Deadline
  readonly #total: Deadline
  /** Since somebody waits for the request's body. */
  #bodyWait: BodyWait | undefined
  #head: RequestHead | undefined
  #rule: LiveRule | undefined
  /** Set with the rule: the request as its filters see it. */
  #asked: FilterRequest | undefined
  #backendFilters: readonly HttpFilter[] = []
  #authorization: Authorization | undefined
  #requestBody: RequestBody | undefined
  #tries: Tries | undefined
  #tunnel: Tunnel | undefined
  #session: ClientSession | undefined
  #grpc = false
  #mayTrail = false
  #blocked = false
  #headSent = false
  /** Nothing can follow this exchange on its connection. */
  #broken = false
  /** How it ends once everything is written. */
  #outcome: Outcome = { reason: 'completed' }
  #ended = false

  constructor(host: ExchangeHost, responder: Responder, line: RequestLine) {
    const { context } = host
    this.#host = host
    this.#responder = responder
    this.#facts = new ExchangeFacts(host, line)
    this.#idle = new Deadline(context.wheel, this)
    this.#total = new Deadline(context.wheel, this)
  }

  /** Step 1: the head is readable, or refused; then the exchange takes the view of this moment. */
  start(normalized: Normalized): void {
    this.#host.exchangeStarted()
    this.#responder.attach(this)
    this.#touch()
    if (!normalized.ok) {
      this.#fail(normalized.reason, normalized.detail)
      return
    }
    this.#head = normalized.head
    this.#grpc = isGrpcContent(normalized.head.fields.get('content-type'))
    const { view } = this.#host.downstream.slot
    if (view === undefined) {
      this.#fail('listener-removed')
      return
    }
    this.#match(compiledView(view), normalized.head)
  }

  /** Step 2: the authority chooses the listener, the route table the rule (digest 2.5, 2.6, 4.1). */
  #match(view: CompiledView, head: RequestHead): void {
    const { host } = head.authority
    const name = host.kind === 'name' ? host.name : undefined
    const listener = view.listeners.lookup(name)
    const own = this.#host.downstream.listener
    this.#facts.listener = listener?.key ?? own ?? ''
    if (own !== undefined && listener !== undefined && listener.key !== own) {
      this.#fail('misdirected')
      return
    }
    const rule = listener?.routes && findRule(listener.routes, head, name, this.#grpc)
    if (listener === undefined || rule === undefined) {
      this.#fail('no-route')
      return
    }
    this.#rule = rule
    this.#enter(head, listener, rule)
  }

  /** Step 3: what the rule's filters answer by themselves. */
  #enter(head: RequestHead, listener: LiveListener, live: LiveRule): void {
    const { id, name, route, timeouts } = live.rule
    this.#facts.route = route
    this.#facts.rule = name ?? id
    const identity = prepareRequestFields(head, {
      peerAddress: this.#host.downstream.ends.source.address,
      localPort: this.#host.downstream.ends.destination.port,
      trusted: this.#host.context.trusted,
      clientCertificate: this.#host.downstream.tls?.clientCertificate,
    })
    this.#facts.client = identity.client
    this.#facts.forwardedFor = identity.forwardedFor
    this.#facts.requestId = identity.requestId
    const asked = filterRequestOf(head, listener.routes?.port ?? 0)
    this.#asked = asked
    const own = filterAnswer(live.rule.filters, asked)
    if (own !== undefined) {
      this.onAnswer(own)
      return
    }
    if (timeouts.requestMs) this.#total.arm(timeouts.requestMs)
    if (live.guards === undefined) this.#act(head, live, asked)
    else this.#ask(live.guards, live.rule.filters, head, () => this.#act(head, live, asked))
  }

  /** Step 4: nothing of the request goes on before the services that guard it allow that. */
  #ask(guards: Guards, filters: readonly HttpFilter[], head: RequestHead, then: () => void): void {
    const { requestId, client, startTime } = this.#facts
    const { body } = this.#responder
    const asked = { requestId, client, startTime, head, isGrpc: this.#grpc, body }
    this.#authorization ??= new Authorization(asked, guards, this.#host, this)
    this.#authorization.ask(filters, then)
  }

  /** A filter or a guard answers by itself. */
  onAnswer({ reply, ...outcome }: FilterAnswer): void {
    this.#outcome = outcome
    this.#reply(reply, false)
  }

  /** Step 5: what the rule does. */
  #act(head: RequestHead, live: LiveRule, asked: FilterRequest): void {
    const { action } = live.rule
    switch (action.kind) {
      case 'fail':
        this.#fail(action.reason)
        return
      case 'redirect':
        this.onAnswer(redirectAnswer(action.redirect, asked.redirect))
        return
      case 'forward':
        this.#pick(head, live, asked)
        return
      default:
        assertNever(action)
    }
  }

  /** Step 6: a backend by the client's session or by weight, then its filters after the rule's. */
  #pick(head: RequestHead, live: LiveRule, asked: FilterRequest): void {
    const { backends, sessions } = live
    this.#session = sessions?.begin(head.fields)
    const choice = this.#session?.choice ?? backends?.choose() ?? { kind: 'none' }
    switch (choice.kind) {
      case 'none':
        this.#fail('no-backend')
        return
      case 'invalid':
        this.#fail('invalid-backend', choice.message)
        return
      case 'upstream': {
        this.#backendFilters = choice.filters
        const own = filterAnswer(choice.filters, asked)
        const { guards } = live
        if (guards === undefined || own?.reason === 'preflight') this.#send(head, live, choice, own)
        else this.#ask(guards, choice.filters, head, () => this.#send(head, live, choice, own))
        return
      }
      default:
        assertNever(choice)
    }
  }

  /** Step 7: the filters' answer, or what they make of the request. */
  #send(head: RequestHead, live: LiveRule, choice: Chosen, own: FilterAnswer | undefined): void {
    if (own !== undefined) {
      this.onAnswer(own)
      return
    }
    const { rule, mirrors } = live
    const { upstream, filters } = choice
    const draft = { fields: head.fields, target: this.#authorization?.target ?? head.target }
    const { retry } = rule
    this.#requestBody =
      this.#authorization?.body ?? requestBodyOf(head, this.#responder, retry !== undefined)
    const { context } = this.#host
    const mirrored = { head, draft, body: this.#requestBody }
    filterRequest(rule.filters, draft)
    context.mirrors.send(rule.filters, mirrors, mirrored, context)
    filterRequest(filters, draft)
    context.mirrors.send(filters, mirrors, mirrored, context)
    this.#forward(head, rule, upstream, draft.target)
  }

  /** Step 8: the request goes out; what comes back arrives at the `on` methods below. */
  #forward(head: RequestHead, rule: HttpRule, upstream: Upstream, target: string): void {
    const { host, raw } = sealRequestFields(head.fields)
    this.#facts.upstream = upstream.name
    this.#mayTrail = upstream.protocol !== 'http/1.1'
    const request = {
      method: head.method,
      target,
      host,
      fields: raw,
      body: this.#requestBody,
      contentLength: head.body.kind === 'length' ? head.body.bytes : undefined,
      websocket: head.websocket,
    }
    this.#tries = new Tries(upstream, request, this, {
      retry: rule.retry,
      tryMs: rule.timeouts.backendRequestMs,
      forward: forwardOptions(this.#host, rule.retry !== undefined),
    })
    this.#tries.start()
  }

  onAttempt(endpoint: string): void {
    this.#facts.endpoint = endpoint
    this.#facts.attemptAt = this.#host.context.clock.monotonic()
    this.#facts.attempts += 1
    this.#tries?.attemptBegan()
  }

  onConnected(): void {
    this.#facts.connectMs = this.#host.context.clock.monotonic() - this.#facts.attemptAt
  }

  onBodyWanted(): void {
    if (this.#head?.expectContinue === true && !this.#headSent) this.#responder.sendContinue()
    if (this.#headSent || this.#grpc || this.#responder.bodyComplete) return
    const { wheel, limits } = this.#host.context
    this.#bodyWait ??= new BodyWait(wheel, this, limits.bodyIdleMs)
    this.#bodyWait.begin(this.#head?.body.kind === 'length')
  }

  onBodyChunk(bytes: number, more: boolean): void {
    this.#facts.bytesReceived += bytes
    this.#touch()
    if (more) this.#bodyWait?.progress(bytes)
    else this.#bodyWait?.end()
  }

  onBodyEnd(): void {
    this.#bodyWait?.end()
    // It is called before the next try, too.
    if (!this.#responder.bodyComplete) return
    this.#facts.requestMs ??= this.#host.context.clock.monotonic() - this.#facts.startedAt
  }

  onInformation(status: number, rawFields: readonly string[]): void {
    const fields = Fields.fromRaw(rawFields)
    prepareResponseFields(fields)
    try {
      this.#responder.inform(status, fields)
    } catch {
      // A hint that Node finds malformed is no loss.
    }
  }

  /** Step 9: response filters, then the head goes out. */
  onHead(status: number, rawFields: readonly string[], isWhole: boolean): void {
    if (this.#ended || this.#tries?.againAfterStatus(status)) return
    const fields = Fields.fromRaw(rawFields)
    const length = prepareResponseFields(fields)
    const contentLength = status === 204 ? undefined : length
    this.#facts.headAt = this.#host.context.clock.monotonic()
    this.#facts.upstreamMs = this.#facts.headAt - this.#facts.attemptAt
    this.#filterResponse(fields)
    this.#facts.session = this.#session?.answered(this.#facts.endpoint, fields)
    try {
      const head = { status, fields, contentLength, isWhole, mayTrail: this.#mayTrail }
      this.#responder.head(head, this.#lastOne())
    } catch (error) {
      this.#fail('upstream-protocol-error', messageOf(error))
      return
    }
    this.#sent(status)
    // From here on a body may come as slowly as the answer goes.
    this.#bodyWait?.end()
    this.#touch()
  }

  /** Step 10: body with backpressure; the trailers end it. */
  onData(chunk: Uint8Array, isLent: boolean): void {
    if (this.#ended) return
    this.#touch()
    if (this.#responder.write(chunk, isLent)) return
    this.#blocked = true
    this.#tries?.pause()
    this.#touch()
  }

  onWritable(): void {
    if (!this.#blocked) return
    this.#blocked = false
    this.#touch()
    this.#tries?.resume()
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#ended) return
    this.#tries?.finish()
    this.#total.cancel()
    try {
      this.#responder.end(prepareTrailers(rawTrailers))
    } catch (error) {
      this.#fail('upstream-protocol-error', messageOf(error))
    }
  }

  /** A WebSocket begins only when the upstream really said so (security.md section 2.5). */
  onUpgrade(rawFields: readonly string[], socket: Duplex): void {
    const fields = Fields.fromRaw(rawFields)
    const downstream = isWebSocketAnswer(fields)
      ? this.#switchProtocols(fields)
      : this.#fail('upstream-protocol-error', '101 without a WebSocket')
    if (downstream === undefined) {
      socket.destroy()
      return
    }
    this.#tries?.finish()
    this.#total.cancel()
    this.#idle.cancel()
    this.#outcome = { reason: 'upgraded' }
    const { context } = this.#host
    this.#tunnel = new Tunnel(downstream, socket, context.wheel, context.limits.tcpIdleMs, this)
    this.#tunnel.start()
  }

  onTunnelEnd(outcome: Outcome, received: number, sent: number): void {
    this.#facts.bytesReceived = received
    this.#facts.bytesSent = sent
    if (outcomeRow(outcome.reason).l4 === 'reset') this.#responder.abort(outcome)
    this.end(outcome)
  }

  onFailure(reason: Reason, detail: string): void {
    if (!this.#tries?.againAfterFailure(reason)) this.#fail(reason, detail)
  }

  /** The request turned out to be unreadable in its middle: an answer if possible, then no more. */
  breakOff(reason: Reason, detail: string): void {
    this.#broken = true
    this.#fail(reason, detail)
  }

  onDeadline(timer: Deadline): void {
    if (timer === this.#total) this.#fail('request-timeout')
    else if (this.#bodyWait?.owns(timer)) this.#fail('body-timeout')
    else this.#fail(this.#blocked ? 'idle-timeout' : 'stream-idle-timeout')
  }

  onTryTimeout(): void {
    this.#fail('backend-timeout')
  }

  /** A fault of ours, whoever's event brought it out: it costs the connection. */
  onDefect(error: unknown): void {
    this.#host.downstream.fail(error)
    this.end({ reason: 'internal-error', detail: messageOf(error) })
  }

  onSent(): void {
    this.end(this.#outcome)
  }

  onGone(reset: boolean): void {
    this.end({ reason: reset ? 'client-reset' : 'client-closed' })
  }

  /** The last step, once. Never throws. */
  end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    try {
      this.#close(outcome)
    } catch (error) {
      this.#host.downstream.fail(error)
    }
    this.#host.exchangeEnded()
  }

  #close(outcome: Outcome): void {
    this.#idle.cancel()
    this.#total.cancel()
    this.#bodyWait?.end()
    this.#authorization?.stop()
    this.#tries?.stop()
    this.#requestBody?.close()
    this.#tunnel?.stop()
    this.#facts.bytesSent ||= this.#responder.bytesSent
    this.#facts.authMs = this.#authorization?.waitedMs
    this.#facts.end(outcome, this.#host, this.#head?.fields)
    this.#host.context.accessLog.exchange(this.#facts)
  }

  /** A reply from the outcome table while no head was sent, else a visible break. */
  #fail(reason: Reason, detail?: string): undefined {
    if (this.#ended) return
    this.#outcome = detail === undefined ? { reason } : { reason, detail }
    this.#authorization?.stop()
    this.#tries?.stop()
    if (this.#headSent || outcomeRow(reason).httpStatus === 0) {
      this.#responder.abort(this.#outcome)
      this.end(this.#outcome)
      return undefined
    }
    const { side } = outcomeRow(reason)
    this.#reply(localReply(reason, this.#grpc), side === 'downstream' && this.#rule === undefined)
  }

  #reply({ status, fields, body }: LocalReply, close: boolean): void {
    this.#total.cancel()
    this.#tries?.stop()
    this.#filterResponse(fields)
    const ends = close || this.#lastOne() || this.#outcome.reason === 'body-timeout'
    // RFC 9110 section 8.6: a 204 has no length.
    const contentLength = status === 204 ? undefined : body.length
    const isWhole = body.length === 0
    this.#responder.head({ status, fields, contentLength, isWhole }, ends)
    this.#sent(status)
    if (body.length > 0 && !hasNoContent(this.#facts.method, status))
      this.#responder.write(body, false)
    this.#responder.end(undefined)
  }

  #filterResponse(fields: Fields): void {
    this.#authorization?.editResponse(fields)
    if (this.#rule !== undefined && this.#asked !== undefined) {
      filterResponse(this.#rule.rule.filters, fields, this.#asked)
      filterResponse(this.#backendFilters, fields, this.#asked)
    }
    sealResponseFields(fields)
  }

  /** The client sees this answer and no other. */
  #sent(status: number): void {
    this.#headSent = true
    this.#facts.status = status
    this.#tries?.settle()
  }

  #switchProtocols(fields: Fields): Duplex | undefined {
    prepareResponseFields(fields)
    this.#filterResponse(fields)
    this.#session?.answered(this.#facts.endpoint, fields)
    try {
      const socket = this.#responder.upgrade(fields)
      this.#sent(101)
      return socket
    } catch (error) {
      return this.#fail('upstream-protocol-error', messageOf(error))
    }
  }

  /** A refused upgrade leaves a connection whose next bytes Node drops or misreads: the last one. */
  #lastOne(): boolean {
    return this.#broken || this.#host.draining || this.#head?.upgrade === true
  }

  #touch(): void {
    const { limits } = this.#host.context
    this.#idle.arm(this.#blocked ? limits.bodyIdleMs : limits.streamIdleMs)
  }
}
