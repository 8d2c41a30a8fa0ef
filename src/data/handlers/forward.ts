/**
 * What every L4 action shares: choose a backend, dial its endpoints one after the other while no
 * byte was sent, then relay. One state object per connection; ends with `connection.end`.
 */
import { type Outcome, outcomeRow } from '../../model/outcome.ts'
import { proxyHeader } from '../../wire/proxy-protocol-writer.ts'
import type { Connection, Stage } from '../connection.ts'
import type { Dial, Relay } from '../io/backend.ts'
import type { DialReason, DialSink } from '../io/dial.ts'
import { dropEnd, type RelayEnd } from '../io/relay-end.ts'
import type { RelayReason, RelaySink } from '../relay/stream.ts'
import type { BackendChoice, EndpointState, Upstream } from '../upstream/contract.ts'

/** A client should not wait for more refusals than this. */
const MAX_ATTEMPTS = 5

const NONE: ReadonlySet<EndpointState> = new Set()

export class Forward implements Stage, DialSink, RelaySink {
  readonly #connection: Connection
  #upstream: Upstream | undefined
  #endpoint: EndpointState | undefined
  /** Endpoints that failed. */
  #tried = NONE
  /** How the last attempt failed. */
  #failure: Outcome | undefined
  /** As of `Connection.micros`. */
  #dialStarted = 0
  #dial: Dial | undefined
  #relay: Relay | undefined
  #cancelWait: (() => void) | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  start(choice: BackendChoice): void {
    this.#connection.enter(this)
    switch (choice.kind) {
      case 'invalid':
        this.#connection.end({ reason: 'invalid-backend', detail: choice.message })
        return
      case 'none':
        this.#connection.end({ reason: 'no-backend' })
        return
      case 'upstream':
        this.#upstream = choice.upstream
        this.#connection.facts.upstream = choice.upstream.name
        this.#next(choice.upstream)
        return
    }
  }

  #next(upstream: Upstream): void {
    if (this.#tried.size >= MAX_ATTEMPTS && this.#failure !== undefined) {
      this.#connection.end(this.#failure)
      return
    }
    const pick = upstream.pick(this.#tried)
    switch (pick.kind) {
      case 'none':
        this.#connection.end(this.#failure ?? { reason: pick.reason })
        return
      case 'pending':
        this.#waitForName(upstream)
        return
      case 'endpoint':
        this.#dialEndpoint(pick.endpoint)
        return
    }
  }

  #waitForName(upstream: Upstream): void {
    this.#failure = { reason: 'name-unresolved' }
    const { connectMs } = this.#connection.context.limits
    this.#cancelWait = upstream.whenResolved(connectMs, () => {
      this.#cancelWait = undefined
      try {
        this.#afterWait(upstream)
      } catch (error) {
        this.#connection.fail(error)
      }
    })
  }

  #afterWait(upstream: Upstream): void {
    const pick = upstream.pick(this.#tried)
    if (pick.kind === 'endpoint') this.#dialEndpoint(pick.endpoint)
    else this.#connection.end({ reason: pick.kind === 'none' ? pick.reason : 'name-unresolved' })
  }

  #dialEndpoint(endpoint: EndpointState): void {
    const { context } = this.#connection
    this.#endpoint = endpoint
    endpoint.begin()
    this.#connection.facts.endpoint = endpoint.text
    this.#dialStarted = this.#connection.micros()
    const { tls } = endpoint
    const { connectMs, tcpIdleMs } = context.limits
    const relay = { downstream: this.#connection.accepted, idleMs: tcpIdleMs }
    const options = { tls, preface: this.#preface(), timeoutMs: connectMs, relay }
    this.#dial = context.io.dial(endpoint.endpoint, options, this)
  }

  /** The PROXY protocol header that the upstream wants. */
  #preface(): Buffer | undefined {
    const version = this.#upstream?.proxyProtocol
    if (version === undefined) return undefined
    const { ends, facts } = this.#connection
    return proxyHeader(version, { ends, authority: facts.sni, alpn: facts.tls?.alpn })
  }

  onDialFailed(reason: DialReason, detail: string): void {
    try {
      this.#dialFailed(reason, detail)
    } catch (error) {
      this.#connection.fail(error)
    }
  }

  #dialFailed(reason: DialReason, detail: string): void {
    const endpoint = this.#releaseEndpoint()
    if (endpoint !== undefined) this.#tried = new Set([...this.#tried, endpoint])
    this.#dial = undefined
    this.#failure = { reason, detail }
    // Our own want of descriptors says nothing about the endpoint, and more attempts want more.
    if (reason === 'overload' || this.#upstream === undefined) {
      this.#connection.end(this.#failure)
      return
    }
    if (!outcomeRow(reason).retryable) {
      endpoint?.failed('early-reset')
      this.#connection.end(this.#failure)
      return
    }
    endpoint?.failed()
    this.#next(this.#upstream)
  }

  onConnected(upstreamEnd: RelayEnd): void {
    const { accepted, context, facts } = this.#connection
    let downstreamEnd: RelayEnd | undefined
    this.#dial = undefined
    try {
      this.#endpoint?.connected()
      this.#endpoint?.succeeded()
      facts.connectUs = this.#connection.micros() - this.#dialStarted
      const { tcpIdleMs } = context.limits
      downstreamEnd = accepted.takeRelayEnd()
      this.#relay = context.io.relay(downstreamEnd, upstreamEnd, tcpIdleMs, this)
      this.#relay.start()
    } catch (error) {
      // What no relay has nobody else would close.
      if (this.#relay === undefined) {
        dropEnd(upstreamEnd)
        if (downstreamEnd !== undefined) dropEnd(downstreamEnd)
      }
      this.#connection.fail(error)
    }
  }

  onRelayEnd(reason: RelayReason, detail: string | undefined): void {
    this.#connection.end(detail === undefined ? { reason } : { reason, detail })
  }

  onDefect(error: unknown): void {
    this.#connection.fail(error)
  }

  /** The connection has ended, for whatever reason: nothing of ours may stay. */
  stop(how: 'fin' | 'reset'): void {
    this.#cancelWait?.()
    this.#dial?.cancel()
    this.#releaseEndpoint()
    if (this.#relay === undefined) return
    this.#connection.facts.bytesReceived = this.#relay.bytesReceived
    this.#connection.facts.bytesSent = this.#relay.bytesSent
    this.#relay.stop(how)
  }

  #releaseEndpoint(): EndpointState | undefined {
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    endpoint?.end()
    return endpoint
  }
}
