/**
 * Steps pick and forward of an exchange: chooses an endpoint, sends the request, and tries another
 * endpoint while nothing was sent. Reports to the endpoint's health; counts its uses.
 */
import type { Duplex } from 'node:stream'
import { assertNever } from '../../base/assert-never.ts'
import { outcomeRow, type Reason } from '../../model/outcome.ts'
import type { UpstreamProtocol } from '../../model/upstream.ts'
import { type ProxyFacts, proxyHeader } from '../../wire/proxy-protocol-writer.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import type { EndpointState, Upstream } from '../upstream/contract.ts'
import { BodySource, type BodyWatcher } from './body-source.ts'
import { Http1Client } from './client-h1.ts'
import { Http2Client } from './client-h2.ts'
import type { ExchangeHost } from './exchange-host.ts'
import type { RequestBody } from './request-body.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamEvents,
  UpstreamFailure,
  UpstreamRequest,
} from './upstream-client.ts'

const MAX_ATTEMPTS = 3
/** Interim responses of a request that go on: nothing else bounds what waits for a slow client. */
const MAX_HINTS = 32

/** Safe methods may be sent again when a reused connection turned out to be closed (RFC 9110 9.2.2). */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

export interface ForwardOptions {
  readonly connectMs: number
  readonly headerBytes: number
  readonly wheel: TimerWheel
  /** A retry rule decides about lost requests, and bounds how often one is sent. */
  readonly isRetried?: boolean
  /** For upstreams that want a PROXY protocol header. Absent: the request is our own. */
  readonly proxied?: ProxyFacts
}

/** Those of requests that are sent on for the client. */
export function forwardOptions(
  { downstream, context }: ExchangeHost,
  isRetried: boolean,
): ForwardOptions {
  const { connectMs, headerBytes } = context.limits
  const { ends, sni, tls } = downstream
  const { wheel } = context
  const proxied = { ends, authority: sni, alpn: tls?.alpn }
  return { connectMs, headerBytes, wheel, isRetried, proxied }
}

export interface ForwardSink extends BodyWatcher {
  /** An attempt begins at this endpoint. */
  onAttempt(endpoint: string): void
  /** It has a connection: the request is being written. */
  onConnected(): void
  onInformation(status: number, rawFields: readonly string[]): void
  onHead(status: number, rawFields: readonly string[], isWhole: boolean): void
  /** As UpstreamEvents. */
  onData(chunk: Uint8Array, isLent: boolean): void
  onEnd(rawTrailers: readonly string[]): void
  onUpgrade(rawFields: readonly string[], socket: Duplex): void
  /** No attempt is left, or the response broke off. */
  onFailure(reason: Reason, detail: string): void
  /** A fault of ours in one of these or before it. Nothing is cancelled yet. */
  onDefect(error: unknown): void
}

export type Outgoing = Omit<UpstreamRequest, 'body'> & { readonly body: RequestBody | undefined }

export class Forwarding implements UpstreamEvents {
  readonly #upstream: Upstream
  readonly #request: Outgoing
  readonly #sink: ForwardSink
  readonly #options: ForwardOptions
  /** Of this one alone: a session knows its first try by it (`pinned.ts`). */
  readonly #tried = new Set<EndpointState>()
  #endpoint: EndpointState | undefined
  #call: UpstreamCall | undefined
  #body: BodySource | undefined
  #cancelWait: (() => void) | undefined
  #headReceived = false
  #hints = 0
  /** Why the last attempt failed. */
  #failure: { readonly reason: Reason; readonly detail: string } | undefined
  #over = false
  attempts = 0

  constructor(upstream: Upstream, request: Outgoing, sink: ForwardSink, options: ForwardOptions) {
    this.#upstream = upstream
    this.#request = request
    this.#sink = sink
    this.#options = options
  }

  start(): void {
    this.#attempt(true)
  }

  pause(): void {
    this.#call?.pause()
  }

  resume(): void {
    this.#call?.resume()
  }

  /** Idempotent; the upstream request is cancelled. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#cancelWait?.()
    this.#call?.abort()
    this.#body?.destroy()
    this.#leave()
  }

  #attempt(mayWait: boolean): void {
    const pick = this.#upstream.pick(this.#tried)
    switch (pick.kind) {
      case 'pending':
        if (!mayWait) {
          this.#fail('name-unresolved', this.#upstream.name)
          return
        }
        this.#cancelWait = this.#upstream.whenResolved(this.#options.connectMs, () => {
          this.#cancelWait = undefined
          try {
            if (!this.#over) this.#attempt(false)
          } catch (error) {
            this.#sink.onDefect(error)
          }
        })
        return
      case 'none': {
        const { reason, detail } = this.#failure ?? {
          reason: pick.reason,
          detail: this.#upstream.name,
        }
        this.#fail(reason, detail)
        return
      }
      case 'endpoint':
        this.#send(pick.endpoint)
        return
      default:
        assertNever(pick)
    }
  }

  #send(endpoint: EndpointState): void {
    this.attempts += 1
    this.#tried.add(endpoint)
    this.#endpoint = endpoint
    endpoint.begin()
    this.#sink.onAttempt(endpoint.text)
    const { body } = this.#request
    this.#body = body === undefined ? undefined : new BodySource(body, this.#sink)
    const request = isBodiless(this.#request)
      ? this.#request
      : { ...this.#request, body: this.#body }
    const { protocol, proxyProtocol } = this.#upstream
    if (proxyProtocol === undefined) {
      this.#call = clientOf(endpoint, protocol, this.#options).request(request, this)
      return
    }
    // The connection speaks for one client: it is of this request alone, and never pooled.
    const client = proxyingClient(endpoint, proxyProtocol, this.#options)
    this.#call = client.request(request, this)
    client.close()
  }

  onConnected(): void {
    try {
      this.#sink.onConnected()
    } catch (error) {
      this.#sink.onDefect(error)
    }
  }

  onInformation(status: number, rawFields: readonly string[]): void {
    try {
      if (++this.#hints <= MAX_HINTS) this.#sink.onInformation(status, rawFields)
    } catch (error) {
      this.#sink.onDefect(error)
    }
  }

  onHead(status: number, rawFields: readonly string[], isWhole: boolean): void {
    this.#headReceived = true
    try {
      this.#endpoint?.succeeded()
      this.#sink.onHead(status, rawFields, isWhole)
    } catch (error) {
      this.#sink.onDefect(error)
    }
  }

  onData(chunk: Uint8Array, isLent: boolean): void {
    try {
      this.#sink.onData(chunk, isLent)
    } catch (error) {
      this.#sink.onDefect(error)
    }
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#over) return
    this.#over = true
    try {
      this.#leave()
      this.#sink.onEnd(rawTrailers)
    } catch (error) {
      this.#sink.onDefect(error)
    }
  }

  onUpgrade(rawFields: readonly string[], socket: Duplex): void {
    if (this.#over) {
      socket.destroy()
      return
    }
    try {
      this.#endpoint?.succeeded()
      // The endpoint stays in use: the exchange cancels when the tunnel ends.
      this.#sink.onUpgrade(rawFields, socket)
    } catch (error) {
      // Whose it is by now may be nobody's.
      socket.destroy()
      this.#sink.onDefect(error)
    }
  }

  onError(failure: UpstreamFailure): void {
    try {
      this.#failed(failure)
    } catch (error) {
      this.#sink.onDefect(error)
    }
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  #failed({ reason, detail, unsent }: UpstreamFailure): void {
    if (this.#over) return
    const endpoint = this.#endpoint
    if (!this.#headReceived && outcomeRow(reason).side === 'upstream') {
      if (outcomeRow(reason).retryable) endpoint?.failed('connect')
      else if (reason !== 'upstream-overflow') endpoint?.failed('early-reset')
    }
    this.#leave()
    this.#failure = { reason, detail: `${endpoint?.text ?? this.#upstream.name}: ${detail}` }
    if (unsent ? this.#mayTryAnother(reason) : this.#maySendAgain(reason)) {
      // A connection that was kept too long says nothing against its endpoint.
      if (!unsent && endpoint !== undefined) this.#tried.delete(endpoint)
      this.#attempt(false)
    } else {
      this.#fail(this.#failure.reason, this.#failure.detail)
    }
  }

  #mayTryAnother(reason: Reason): boolean {
    const isWhole = this.#request.body?.replayable ?? true
    return outcomeRow(reason).retryable && this.attempts < MAX_ATTEMPTS && isWhole
  }

  #maySendAgain(reason: Reason): boolean {
    const { method, body } = this.#request
    const stale = reason === 'upstream-closed' || reason === 'upstream-reset'
    if (!stale || this.#headReceived || this.attempts > 1) return false
    if (this.#options.isRetried === true) return false
    return SAFE.has(method) && body === undefined
  }

  #fail(reason: Reason, detail: string): void {
    this.#over = true
    this.#sink.onFailure(reason, detail)
  }

  #leave(): void {
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    this.#call = undefined
    endpoint?.end()
  }
}

function isBodiless(request: Outgoing): request is Outgoing & { readonly body: undefined } {
  return request.body === undefined
}

function clientOf(
  endpoint: EndpointState,
  protocol: UpstreamProtocol,
  options: ForwardOptions,
): UpstreamClient {
  const { endpoint: place } = endpoint
  return protocol === 'h2c'
    ? endpoint.resource('h2c', () => new Http2Client(place, clientOptions(endpoint, options)))
    : endpoint.resource('http/1.1', () => new Http1Client(place, clientOptions(endpoint, options)))
}

function proxyingClient(
  endpoint: EndpointState,
  version: NonNullable<Upstream['proxyProtocol']>,
  options: ForwardOptions,
): Http1Client {
  const preface = proxyHeader(version, options.proxied ?? { ends: undefined })
  return new Http1Client(endpoint.endpoint, { ...clientOptions(endpoint, options), preface })
}

function clientOptions(endpoint: EndpointState, options: ForwardOptions) {
  const { tls } = endpoint
  const { connectMs, headerBytes, wheel } = options
  return { connectMs, headerBytes, wheel, tls, onConnect: () => endpoint.connected() }
}
