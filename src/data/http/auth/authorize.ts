/**
 * The guards of one exchange: external auth services that must all allow the request, one after
 * another, before anything of it goes to an upstream or a mirror (GEP-1494). Whatever keeps one from
 * answering denies the request: the filter fails closed.
 */
import type { ExternalAuthFilter, HttpFilter } from '../../../model/http-filter.ts'
import type { Reason } from '../../../model/outcome.ts'
import type { BackendSet } from '../../upstream/contract.ts'
import type { BodyWatcher } from '../body-source.ts'
import type { ExchangeHost } from '../exchange-host.ts'
import type { Fields } from '../fields.ts'
import type { FilterAnswer } from '../filters/filters.ts'
import { grpcRefusal } from '../local-reply.ts'
import type { RequestBody } from '../request-body.ts'
import { type AuthAnswer, AuthCall, type AuthCallSink } from './call.ts'
import { grpcQuestion, grpcVerdict } from './grpc-service.ts'
import { HeldBody, type HeldBodySink } from './held-body.ts'
import { httpQuestion, httpVerdict } from './http-service.ts'
import type { AuthRequest } from './request.ts'
import { editFields, editQuery, type FieldEdit, type Verdict } from './verdict.ts'

/** By filter: the service to ask. */
export type Guards = ReadonlyMap<HttpFilter, BackendSet>

export interface AuthorizationSink extends BodyWatcher {
  /** A service said no, in its own words. */
  onAnswer(answer: FilterAnswer): void
  onFailure(reason: Reason, detail: string): void
  onDefect(error: unknown): void
}

export class Authorization implements AuthCallSink, HeldBodySink {
  #request: AuthRequest
  readonly #guards: Guards
  readonly #host: ExchangeHost
  readonly #sink: AuthorizationSink
  readonly #responseEdits: FieldEdit[] = []
  #queue: ExternalAuthFilter[] = []
  #then: () => void = ignore
  #asked: ExternalAuthFilter | undefined
  #running: AuthCall | undefined
  #held: HeldBody | undefined
  #waited = 0
  /** Monotonic milliseconds; undefined: nothing is asked. */
  #since: number | undefined

  constructor(request: AuthRequest, guards: Guards, host: ExchangeHost, sink: AuthorizationSink) {
    this.#request = request
    this.#guards = guards
    this.#host = host
    this.#sink = sink
  }

  /** Path and query, as the services leave them. */
  get target(): string {
    return this.#request.head.target
  }

  /** Read to its end, if a service wanted to see it. */
  get body(): RequestBody | undefined {
    return this.#held?.body
  }

  /** Milliseconds that the request has stood here. */
  get waitedMs(): number {
    return this.#waited + (this.#since === undefined ? 0 : this.#now - this.#since)
  }

  get #now(): number {
    return this.#host.context.clock.monotonic()
  }

  /** Asks the guards among `filters` in their order; `then` is called once all of them allow. */
  ask(filters: readonly HttpFilter[], then: () => void): void {
    this.#queue = filters.filter((filter) => filter.kind === 'external-auth')
    this.#then = then
    this.#since = this.#now
    this.#next()
  }

  /** What the services want the client to get. */
  editResponse(fields: Fields): void {
    editFields(fields, this.#responseEdits)
  }

  /** Idempotent: cancels what runs. */
  stop(): void {
    this.#then = ignore
    this.#running?.cancel()
    this.#held?.release()
  }

  #next(): void {
    const filter = this.#queue.shift()
    this.#asked = filter
    if (filter === undefined) this.#goOn()
    else if (filter.maxBodyBytes > 0 && this.#request.head.body.kind !== 'none') this.#hold(filter)
    else this.#call(filter, undefined)
  }

  #goOn(): void {
    this.#waited = this.waitedMs
    this.#since = undefined
    this.#then()
  }

  #hold(filter: ExternalAuthFilter): void {
    if (this.#held === undefined) {
      const { body, head } = this.#request
      this.#held = new HeldBody(body, filter.maxBodyBytes, this.#host.context, this)
      this.#held.start(head.body)
    } else if (this.#held.bytes > filter.maxBodyBytes) this.onNotHeld('body-too-large')
    else this.onHeld()
  }

  onHeld(): void {
    if (this.#asked !== undefined) this.#call(this.#asked, this.#held?.body)
  }

  onNotHeld(reason: Reason): void {
    this.#sink.onFailure(reason, `${this.#asked?.id}: the body cannot be held`)
  }

  onBodyWanted(): void {
    this.#sink.onBodyWanted()
  }

  onBodyChunk(bytes: number, more: boolean): void {
    this.#sink.onBodyChunk(bytes, more)
  }

  onBodyEnd(): void {
    this.#sink.onBodyEnd()
  }

  #call(filter: ExternalAuthFilter, body: RequestBody | undefined): void {
    const choice = this.#guards.get(filter)?.choose()
    if (choice?.kind !== 'upstream') {
      this.onNoAnswer('no service')
      return
    }
    const { service } = filter
    const { downstream, context } = this.#host
    const question =
      service.kind === 'http'
        ? httpQuestion(service, this.#request.head, body)
        : grpcQuestion(service, this.#request, downstream, body, context.limits.authMs)
    this.#running = new AuthCall(choice.upstream, question, context, this)
    this.#running.start()
  }

  onAnswer(answer: AuthAnswer): void {
    const service = this.#asked?.service
    if (service === undefined) return
    this.#follow(service.kind === 'http' ? httpVerdict(service, answer) : grpcVerdict(answer))
  }

  onNoAnswer(detail: string): void {
    this.#sink.onFailure('auth-failed', `${this.#asked?.id}: ${detail}`)
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  #follow(verdict: Verdict): void {
    switch (verdict.kind) {
      case 'allowed': {
        const { request, response, query } = verdict.permission
        const { head } = this.#request
        editFields(head.fields, request)
        this.#responseEdits.push(...response)
        this.#request = {
          ...this.#request,
          head: { ...head, target: editQuery(head.target, query) },
        }
        this.#next()
        return
      }
      case 'denied': {
        const detail = `${this.#asked?.id}: ${verdict.reply.status}`
        const reply = this.#request.isGrpc ? grpcRefusal(verdict.reply) : verdict.reply
        this.#sink.onAnswer({ reply, reason: 'auth-denied', detail })
        return
      }
      case 'failed':
        this.onNoAnswer(verdict.detail)
    }
  }
}

function ignore(): void {}
