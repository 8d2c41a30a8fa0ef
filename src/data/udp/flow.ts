/**
 * THE narrative of a UDP flow: what one client address says to one local address, and the answers.
 * It keeps its backend by a connected socket, which also filters whom answers may come from. One
 * idempotent `end`, one access line. A flow can never reach a Runtime.
 */
import type { Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { ConnectionContext } from '../connection.ts'
import type { Living } from '../connection-set.ts'
import type { EndpointState, Upstream } from '../upstream/contract.ts'
import { createSocket, SEND_QUEUE_BYTES } from './datagram-socket.ts'
import type { FlowLinks } from './flow-list.ts'
import type { FlowTable } from './flow-table.ts'
import type { LocalSocket } from './local-socket.ts'
import type { UdpChain } from './compiled-bind.ts'

/** Datagrams that may wait for a name or a socket. */
const MAX_WAITING = 16

/** Our own want of descriptors or memory: it says nothing about the endpoint. */
const OWN_LIMITS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'])
/** One datagram could not be sent; the next may. */
const TRANSIENT: ReadonlySet<string> = new Set(['EMSGSIZE', 'EAGAIN'])
const NOT_TRIED: ReadonlySet<EndpointState> = new Set()

/** What flows need of their worker; nothing here leads to a runtime. */
export type FlowContext = Pick<
  ConnectionContext,
  'clock' | 'wheel' | 'limits' | 'accessLog' | 'connections' | 'nextId' | 'onDefect'
>

export interface FlowPlace {
  readonly bind: string
  readonly table: FlowTable
  readonly local: LocalSocket
  readonly clientAddress: string
  readonly clientPort: number
  /** As `FlowTable.find` is asked for it. */
  readonly key: string
  /** Whether this worker itself takes datagrams there: such a flow would begin another, without end. */
  isOwn(address: string, port: number): boolean
}

export class Flow implements Living {
  linkedIn: unknown = undefined
  linkedNext: Living | undefined = undefined
  linkedPrevious: Living | undefined = undefined
  readonly key: string
  readonly local: LocalSocket
  readonly listener: ListenerKey
  /** Set by the table. */
  movedAt = 0
  readonly links: FlowLinks = { list: undefined, previous: undefined, next: undefined }
  readonly #place: FlowPlace
  readonly #chain: UdpChain
  readonly #context: FlowContext
  readonly #id: string
  readonly #startTime: number
  readonly #startedAt: number
  /** Until the upstream socket is connected. */
  #waiting: Buffer[] | undefined = []
  #upstream: string | undefined
  #endpoint: EndpointState | undefined
  #endpointText: string | undefined
  #socket: Socket | undefined
  #cancelWait: (() => void) | undefined
  #refusal: Outcome | undefined
  #isAnswered = false
  #isAssured = false
  #bytesReceived = 0
  #bytesSent = 0
  #dropped = 0
  #ended = false

  constructor(place: FlowPlace, chain: UdpChain, context: FlowContext) {
    this.key = place.key
    this.local = place.local
    this.listener = chain.listener
    this.#place = place
    this.#chain = chain
    this.#context = context
    this.#id = context.nextId()
    this.#startTime = context.clock.now()
    this.#startedAt = context.clock.monotonic()
  }

  /** The client has sent again after an answer: no made-up source address can do that. */
  get isAssured(): boolean {
    return this.#isAssured
  }

  /** Step 1: the chain chooses the backend, once for the whole flow. */
  start(): void {
    this.#context.connections.add(this)
    this.#place.table.add(this)
    const choice = this.#chain.backends?.choose()
    switch (choice?.kind) {
      case undefined:
        this.#refuse({ reason: this.#chain.refusal })
        return
      case 'invalid':
        this.#upstream = choice.name
        this.#refuse({ reason: 'invalid-backend', detail: choice.message })
        return
      case 'none':
        this.#refuse({ reason: 'no-backend' })
        return
      case 'upstream':
        this.#upstream = choice.upstream.name
        this.#pick(choice.upstream)
        return
    }
  }

  /** A datagram of the client. */
  receive(datagram: Buffer): void {
    if (this.#ended) return
    this.#bytesReceived += datagram.length
    if (this.#refusal !== undefined) {
      this.#dropped++
      return
    }
    if (this.#isAnswered) this.#isAssured = true
    this.#place.table.touch(this)
    if (this.#waiting === undefined) this.#forward(datagram)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(datagram)
    else this.#dropped++
  }

  /** Silent for long enough. */
  expire(): void {
    this.end(this.#refusal ?? { reason: 'completed' })
  }

  /** A fault of ours costs this flow, not the others. */
  fail(error: unknown): void {
    this.#context.onDefect(error)
    this.end({ reason: 'internal-error', detail: messageOf(error) })
  }

  /** The last step, once: socket closed, table left, one line written. Never throws. */
  end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    try {
      this.#cancelWait?.()
      this.#socket?.close()
      this.#socket = undefined
      this.#waiting = undefined
      this.#releaseEndpoint()
      this.#writeLine(outcome)
    } catch (error) {
      this.#context.onDefect(error)
    }
    this.#place.table.delete(this)
    // Last: the set of a draining worker may become empty, and then the log is closed.
    this.#context.connections.delete(this)
  }

  /** Step 2: an endpoint, as soon as a name is resolved. */
  #pick(upstream: Upstream): void {
    const pick = upstream.pick(NOT_TRIED)
    switch (pick.kind) {
      case 'none':
        this.#refuse({ reason: pick.reason })
        return
      case 'pending':
        this.#cancelWait = upstream.whenResolved(this.#context.limits.connectMs, () => {
          this.#cancelWait = undefined
          try {
            this.#pickAgain(upstream)
          } catch (error) {
            this.fail(error)
          }
        })
        return
      case 'endpoint':
        this.#connect(pick.endpoint)
        return
    }
  }

  #pickAgain(upstream: Upstream): void {
    const pick = upstream.pick(NOT_TRIED)
    if (pick.kind === 'endpoint') this.#connect(pick.endpoint)
    else this.#refuse({ reason: pick.kind === 'none' ? pick.reason : 'name-unresolved' })
  }

  /** Step 3: a socket of its own, connected to the endpoint. */
  #connect(state: EndpointState): void {
    const { endpoint } = state
    this.#endpointText = state.text
    if (endpoint.kind === 'unix') {
      this.#refuse({ reason: 'no-endpoint', detail: 'a unix socket takes no datagrams' })
      return
    }
    if (this.#place.isOwn(endpoint.address, endpoint.port)) {
      this.#refuse({
        reason: 'no-endpoint',
        detail: `a loop: ${state.text} is a UDP listener here`,
      })
      return
    }
    state.begin()
    this.#endpoint = state
    const socket = createSocket(isIPv6(endpoint.address))
    this.#socket = socket
    socket.on('error', this.#onError)
    socket.on('message', this.#onAnswer)
    socket.once('connect', this.#onConnected)
    socket.connect(endpoint.port, endpoint.address)
  }

  readonly #onConnected = (): void => {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    try {
      for (const datagram of waiting) this.#forward(datagram)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Step 4, again and again: to the backend ... */
  #forward(datagram: Buffer): void {
    const socket = this.#socket
    if (socket === undefined || socket.getSendQueueSize() > SEND_QUEUE_BYTES) this.#dropped++
    else socket.send(datagram, this.#onSent)
  }

  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#onError(error)
  }

  /** ... and back, from the address that the client wrote to. */
  readonly #onAnswer = (datagram: Buffer): void => {
    try {
      this.#answer(datagram)
    } catch (error) {
      this.fail(error)
    }
  }

  #answer(datagram: Buffer): void {
    const { table, local, clientAddress, clientPort } = this.#place
    if (!this.#isAnswered) {
      this.#isAnswered = true
      this.#endpoint?.succeeded()
    }
    table.touch(this)
    if (local.send(datagram, clientAddress, clientPort)) this.#bytesSent += datagram.length
    else this.#dropped++
  }

  /** An ICMP refusal ends the flow: the client's next datagram begins one on a better endpoint. */
  readonly #onError = (error: Error): void => {
    if (this.#ended) return
    try {
      this.#failed(error)
    } catch (defect) {
      this.fail(defect)
    }
  }

  #failed(error: Error): void {
    const errno = errnoOf(error) ?? error.message
    if (TRANSIENT.has(errno)) {
      this.#dropped++
      return
    }
    if (OWN_LIMITS.has(errno)) {
      this.end({ reason: 'overload', detail: errno })
      return
    }
    this.#endpoint?.failed()
    const reason = errno === 'ECONNREFUSED' ? 'connect-refused' : 'connect-failed'
    this.end({ reason, detail: errno })
  }

  /** Nothing can be forwarded: what the client sends is dropped and counted for a moment. */
  #refuse(outcome: Outcome): void {
    this.#refusal = outcome
    this.#dropped += this.#waiting?.length ?? 0
    this.#waiting = undefined
    this.#place.table.refuse(this)
  }

  #releaseEndpoint(): void {
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    endpoint?.end()
  }

  #writeLine({ reason, detail }: Outcome): void {
    const { bind, local, clientAddress, clientPort } = this.#place
    this.#context.accessLog.connection({
      startTime: this.#startTime,
      connectionId: this.#id,
      bind,
      listener: this.listener,
      peer: addressText(clientAddress, clientPort),
      client: clientAddress,
      local: addressText(local.address, local.port),
      sni: undefined,
      tls: undefined,
      action: this.#chain.action,
      route: this.#chain.route,
      rule: this.#chain.rule,
      upstream: this.#upstream,
      endpoint: this.#endpointText,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      durationMs: this.#context.clock.monotonic() - this.#startedAt,
      peekMs: undefined,
      handshakeMs: undefined,
      connectMs: undefined,
      exchanges: undefined,
      reason,
      detail: this.#withDropped(detail),
    })
  }

  #withDropped(detail: string | undefined): string | undefined {
    if (this.#dropped === 0) return detail
    const dropped = `${this.#dropped} datagrams dropped`
    return detail === undefined ? dropped : `${detail}; ${dropped}`
  }
}

function addressText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
