/**
 * Connects to one endpoint, with TLS where that is asked for, in bounded time; gives the other end of a relay. Streams backend.
 * Owns the socket until it is connected, or for good when it fails.
 */
import { connect, type Socket } from 'node:net'
import { assertNever } from '../../base/assert-never.ts'
import { errnoOf } from '../../base/errors.ts'
import type { Reason } from '../../model/outcome.ts'
import type { Endpoint } from '../../model/upstream.ts'
import type { OriginTls } from '../upstream/tls.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'
import type { Accepted } from './accepted.ts'
import { KEEP_ALIVE_MS, NO_BYTES, type RelayEnd } from './relay-end.ts'

export interface DialSink {
  onConnected(end: RelayEnd): void
  /** `overload`: we have run out of descriptors or ports; it says nothing about the endpoint. */
  onDialFailed(reason: DialReason, detail: string): void
  /** A fault of ours. Nothing is closed yet. */
  onDefect(error: unknown): void
}

export interface DialOptions {
  readonly tls: OriginTls | undefined
  /** The first bytes, before TLS. */
  readonly preface: Buffer | undefined
  readonly timeoutMs: number
  /** Whom the end is for, where that is known: a backend may relay as soon as it is connected. */
  readonly relay?: { readonly downstream: Accepted; readonly idleMs: number }
}

export type DialReason = Extract<
  Reason,
  'connect-refused' | 'connect-failed' | 'connect-timeout' | 'upstream-tls-failed' | 'overload'
>

const kDial = Symbol('dial')

interface DialingSocket extends Socket {
  [kDial]?: StreamDial | undefined
}

const OWN_LIMITS: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
])

/** One attempt. Exactly one call to the sink, unless cancelled. */
export class StreamDial implements TimerSink {
  readonly #sink: DialSink
  readonly #timeoutMs: number
  readonly #tls: OriginTls | undefined
  readonly #preface: Buffer | undefined
  readonly #socket: DialingSocket
  readonly #deadline: Deadline
  #cancelled = false

  constructor(
    endpoint: Endpoint,
    { tls, preface, timeoutMs }: DialOptions,
    wheel: TimerWheel,
    sink: DialSink,
  ) {
    this.#sink = sink
    this.#tls = tls
    this.#preface = preface
    this.#timeoutMs = timeoutMs
    this.#deadline = new Deadline(wheel, this)
    this.#deadline.arm(timeoutMs)
    this.#socket = open(endpoint)
    this.#socket[kDial] = this
    // Stays for ever: see Accepted.
    this.#socket.on('error', onDialError)
    this.#socket.once('connect', onDialConnect)
  }

  cancel(): void {
    this.#cancelled = true
    this.#release()
    this.#socket.destroy()
  }

  onDeadline(): void {
    this.cancel()
    this.#sink.onDialFailed('connect-timeout', 'connect timed out')
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  onConnect(): void {
    const tls = this.#tls
    this.#release()
    if (this.#preface !== undefined) this.#socket.write(this.#preface)
    if (tls === undefined) this.#connected(this.#socket)
    else this.#secure(tls)
  }

  #secure(tls: OriginTls): void {
    tls.begin(this.#socket, { alpn: [], timeoutMs: this.#timeoutMs }, (error, secure) => {
      if (this.#cancelled) return
      if (error === undefined) this.#connected(secure)
      else this.#sink.onDialFailed('upstream-tls-failed', error.message)
    })
  }

  #connected(socket: Socket): void {
    this.#sink.onConnected({ kind: 'stream', socket, transport: this.#socket, head: NO_BYTES })
  }

  onError(error: Error): void {
    this.#release()
    const errno = errnoOf(error) ?? error.message
    this.#sink.onDialFailed(dialReason(errno), errno)
  }

  #release(): void {
    this.#deadline.cancel()
    this.#socket[kDial] = undefined
    this.#socket.off('connect', onDialConnect)
  }
}

function open(endpoint: Endpoint): Socket {
  const common = {
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  }
  switch (endpoint.kind) {
    case 'ip':
      // A literal address: nothing is looked up.
      return connect({
        ...common,
        host: endpoint.address,
        port: endpoint.port,
        autoSelectFamily: false,
      })
    case 'unix':
      return connect({ ...common, path: endpoint.path })
    default:
      return assertNever(endpoint)
  }
}

/** What the errno of a connect means. */
export function dialReason(errno: string): DialReason {
  if (OWN_LIMITS.has(errno)) return 'overload'
  if (errno === 'ECONNREFUSED') return 'connect-refused'
  return errno === 'ETIMEDOUT' ? 'connect-timeout' : 'connect-failed'
}

function onDialConnect(this: DialingSocket): void {
  this[kDial]?.onConnect()
}

function onDialError(this: DialingSocket, error: Error): void {
  this[kDial]?.onError(error)
}
