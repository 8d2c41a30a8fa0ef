/**
 * One connection to an HTTP/2 upstream: connects and secures while calls wait, then each call is a
 * stream of it. Owns its socket until the session has it.
 */
import { connect, type Socket } from 'node:net'
import { errnoOf } from '../../base/errors.ts'
import type { Reason } from '../../model/outcome.ts'
import type { Endpoint } from '../../model/upstream.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'
import { type OriginTls, UpstreamTlsError } from '../upstream/tls.ts'
import type { Http2Call, WaitingRoom } from './client-h2-call.ts'
import { ClientSession, type ClientSessionSink, MAX_STREAMS } from './h2/client-session.ts'

/** Without a call. */
const IDLE_MS = 60_000
const KEEPALIVE_PROBE_MS = 60_000

/** Where sockets without TLS read into, all of a thread: what they tell is lent. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536)

export interface Http2Options {
  /** For the connection, and again for TLS. */
  readonly connectMs: number
  readonly headerBytes: number
  readonly wheel: TimerWheel
  readonly tls: OriginTls | undefined
  /** A connection was opened. */
  readonly onConnect?: () => void
}

export class Http2Connection implements ClientSessionSink, TimerSink, WaitingRoom {
  readonly #options: Http2Options
  readonly #onGone: (connection: Http2Connection) => void
  readonly #deadline: Deadline
  #socket: Socket
  #session: ClientSession | undefined
  #waiting: Http2Call[] = []
  #isClosing = false

  /** `onGone`: once, when it takes no call any more and its socket is gone. */
  constructor(
    endpoint: Endpoint,
    options: Http2Options,
    onGone: (connection: Http2Connection) => void,
  ) {
    this.#options = options
    this.#onGone = onGone
    this.#deadline = new Deadline(options.wheel, this)
    this.#socket = connect({
      ...(endpoint.kind === 'unix'
        ? { path: endpoint.path }
        : { host: endpoint.address, port: endpoint.port, autoSelectFamily: false }),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_PROBE_MS,
      ...(this.#borrows ? { onread: { buffer: READ_BUFFER, callback: this.#onRead } } : {}),
    })
    this.#socket.on('error', this.#onConnectError)
    this.#socket.once('close', this.#onConnectClosed)
    this.#socket.once('connect', this.#onConnected)
    this.#deadline.arm(options.connectMs)
  }

  /** It takes no further call. */
  get isClosing(): boolean {
    return this.#isClosing || this.#session?.closed === true
  }

  get #borrows(): boolean {
    return this.#options.tls === undefined
  }

  get hasRoom(): boolean {
    if (this.#isClosing) return false
    return this.#session === undefined ? this.#waiting.length < MAX_STREAMS : this.#session.room > 0
  }

  /** Only while it has room. */
  run(call: Http2Call): void {
    if (this.#session !== undefined) this.#open(call, this.#session)
    else {
      call.room = this
      this.#waiting.push(call)
    }
  }

  leave(call: Http2Call): void {
    this.#waiting = this.#waiting.filter((one) => one !== call)
    if (this.#isClosing) this.close()
  }

  /** What runs, or waits, may end. */
  close(): void {
    this.#isClosing = true
    if (this.#session !== undefined) this.#session.close()
    else if (this.#waiting.length === 0) this.#fail('connect-failed', 'closed')
  }

  onDeadline(): void {
    if (this.#session === undefined) this.#fail('connect-timeout', 'timed out')
    else if (this.#session.streamCount === 0) this.#session.close()
  }

  onDefect(): void {
    this.#socket.destroy()
  }

  readonly #onConnected = (): void => {
    const { tls, connectMs } = this.#options
    this.#deadline.cancel()
    if (tls === undefined) {
      this.#ready()
      return
    }
    const transport = this.#socket
    // From here on TLS tells what becomes of the socket.
    this.#letGo(transport)
    const handshake = { alpn: ['h2'], timeoutMs: connectMs }
    this.#socket = tls.begin(transport, handshake, (error) => {
      if (error === undefined) this.#ready()
      else this.#fail(connectReason(error), detailOf(error))
    })
  }

  readonly #onRead = (length: number): boolean => {
    this.#session?.read(READ_BUFFER.subarray(0, length))
    return true
  }

  readonly #onConnectError = (error: Error): void => {
    this.#fail(connectReason(error), detailOf(error))
  }

  readonly #onConnectClosed = (): void => {
    this.#fail('connect-failed', 'closed')
  }

  #letGo(socket: Socket): void {
    socket.off('error', this.#onConnectError)
    socket.off('close', this.#onConnectClosed)
    socket.on('error', ignore)
  }

  #ready(): void {
    const { headerBytes, wheel, tls, onConnect } = this.#options
    if (tls === undefined) this.#letGo(this.#socket)
    const options = { headerBytes, wheel, borrows: this.#borrows }
    const session = new ClientSession(this.#socket, options, this)
    this.#session = session
    session.start()
    onConnect?.()
    const waiting = this.#waiting
    this.#waiting = []
    for (const call of waiting) this.#open(call, session)
    if (this.#isClosing) session.close()
    else if (session.streamCount === 0) this.onIdle()
  }

  #open(call: Http2Call, session: ClientSession): void {
    call.open(session, this.#options.tls === undefined ? 'http' : 'https')
  }

  onIdle(): void {
    this.#deadline.arm(IDLE_MS)
  }

  onSessionEnd(): void {
    this.#isClosing = true
    this.#deadline.cancel()
    this.#onGone(this)
  }

  /** It never came to a session. */
  #fail(reason: Reason, detail: string): void {
    if (this.#session !== undefined) return
    const waiting = this.#waiting
    this.#waiting = []
    this.#letGo(this.#socket)
    this.#socket.destroy()
    this.onSessionEnd()
    for (const call of waiting) call.tellUnsent(reason, detail)
  }
}

function connectReason(error: Error): Reason {
  if (error instanceof UpstreamTlsError) return 'upstream-tls-failed'
  const code = errnoOf(error)
  if (code === 'ECONNREFUSED') return 'connect-refused'
  return code === 'ETIMEDOUT' ? 'connect-timeout' : 'connect-failed'
}

function detailOf(error: Error): string {
  const code = errnoOf(error)
  return code === undefined ? error.message : `${code}: ${error.message}`
}

function ignore(): void {}
