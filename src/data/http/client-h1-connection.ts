/**
 * One connection to an HTTP/1.1 upstream: connects, secures, then serves one call after the other,
 * never two at once (RFC 9112 section 9.3). What comes that no call has asked for ends it. Owns its
 * socket until an upgrade hands it over.
 */
import { connect, type Socket } from 'node:net'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { Reason } from '../../model/outcome.ts'
import type { Endpoint } from '../../model/upstream.ts'
import { ChunkedDecoder } from '../../wire/http1/chunked-decoder.ts'
import { HeadReader } from '../../wire/http1/head-reader.ts'
import { type ResponseFraming, responseFraming } from '../../wire/http1/response-framing.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'
import { type OriginTls, UpstreamTlsError } from '../upstream/tls.ts'
import type { Http1Call } from './client-h1-call.ts'
import { BodyWriter, type BodyWriterSink, lastHead } from './client-h1-request.ts'

/** Fields of a head or trailer section. */
const MAX_FIELDS = 256
/** How long a connection is kept when its upstream does not say. */
const IDLE_MS = 4000
const MAX_IDLE_MS = 600_000
/** Taken from what the upstream promises: it may close while a request is on its way. */
const IDLE_MARGIN_MS = 2000
const KEEPALIVE_PROBE_MS = 60_000

/** Where sockets without TLS read into, all of a thread: what they tell is lent. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536)

export interface Http1Options {
  readonly connectMs: number
  readonly headerBytes: number
  readonly wheel: TimerWheel
  readonly tls: OriginTls | undefined
  /** The first bytes of each connection, before TLS. */
  readonly preface?: Buffer
  /** A connection was opened. */
  readonly onConnect?: () => void
}

export interface ConnectionOwner {
  readonly endpoint: Endpoint
  readonly options: Http1Options
  /** Each request is its connection's last. */
  readonly isClosed: boolean
  /** The connection can take the next call. */
  onIdle(connection: Http1Connection): void
  /** Once: it takes no call any more. */
  onGone(connection: Http1Connection): void
}

type State = 'connecting' | 'idle' | 'head' | 'body' | 'gone'

export class Http1Connection implements TimerSink, BodyWriterSink {
  readonly #owner: ConnectionOwner
  readonly #deadline: Deadline
  readonly #head: HeadReader
  #decoder: ChunkedDecoder | undefined
  #socket: Socket
  /** Bytes of its reads are valid during their callback only. */
  readonly #borrows: boolean
  #state: State = 'connecting'
  #call: Http1Call | undefined
  #writer: BodyWriter | undefined
  /** Of the response in state `body`. */
  #framing: ResponseFraming | undefined
  /** Bytes that are missing of a body with a length. */
  #left = 0

  /** Opens it for this call; one that asks for an upgrade gets a connection of its own kind. */
  constructor(owner: ConnectionOwner, call: Http1Call) {
    const { endpoint, options } = owner
    const { websocket } = call.request
    this.#owner = owner
    this.#call = call
    this.#head = new HeadReader('response', limitsOf(options))
    this.#deadline = new Deadline(options.wheel, this)
    this.#borrows = options.tls === undefined && !websocket
    const onread = { buffer: READ_BUFFER, callback: this.#onRead }
    this.#socket = connect({
      ...(endpoint.kind === 'unix'
        ? { path: endpoint.path }
        : { host: endpoint.address, port: endpoint.port, autoSelectFamily: false }),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_PROBE_MS,
      // A tunnel needs both halves.
      allowHalfOpen: websocket,
      ...(this.#borrows ? { onread } : {}),
    })
    this.#socket.on('error', this.#onError)
    this.#socket.once('close', this.#onClose)
    this.#socket.once('connect', this.#onConnected)
    this.#deadline.arm(options.connectMs)
  }

  /** A call that has to wait no longer. */
  send(call: Http1Call): void {
    this.#call = call
    this.#start(call)
  }

  pause(call: Http1Call): void {
    if (this.#call === call) this.#socket.pause()
  }

  resume(call: Http1Call): void {
    if (this.#call === call) this.#socket.resume()
  }

  /** The call is not wanted any more, and its response would be the next one's. */
  abort(call: Http1Call): void {
    if (this.#call === call) this.close()
  }

  /** Idempotent; no event of its call follows. */
  close(): void {
    if (this.#state === 'gone') return
    this.#leave()
    this.#socket.destroy()
  }

  onDeadline(): void {
    if (this.#state === 'connecting') this.#fail('connect-timeout', 'timed out')
    else if (this.#state === 'idle') this.close()
  }

  onDefect(error: unknown): void {
    const call = this.#call
    this.close()
    call?.events.onDefect(error)
  }

  onBodyBroken(reason: Reason, detail: string): void {
    this.#fail(reason, detail)
  }

  readonly #onConnected = (): void => {
    const { options } = this.#owner
    const { tls, preface, connectMs } = options
    this.#deadline.cancel()
    if (preface !== undefined) this.#socket.write(preface)
    if (tls === undefined) {
      this.#ready()
      return
    }
    const transport = this.#socket
    // From here on TLS tells what becomes of the socket.
    transport.off('error', this.#onError)
    transport.on('error', ignore)
    transport.off('close', this.#onClose)
    const handshake = { alpn: ['http/1.1'], timeoutMs: connectMs }
    this.#socket = tls.begin(transport, handshake, (error) => {
      if (this.#state === 'gone') return
      if (error === undefined) this.#ready()
      else this.#fail(connectReason(error), detailOf(error))
    })
    this.#socket.on('error', this.#onError)
    this.#socket.once('close', this.#onClose)
  }

  #ready(): void {
    const socket = this.#socket
    if (!this.#borrows) socket.on('data', this.#onData)
    socket.on('end', this.#onEof)
    socket.on('drain', this.#onDrain)
    this.#owner.options.onConnect?.()
    if (this.#call !== undefined) this.#start(this.#call)
  }

  #start(call: Http1Call): void {
    const { request } = call
    const socket = this.#socket
    const last = this.#owner.isClosed && !request.websocket
    const head = last ? lastHead(call.head) : call.head
    this.#state = 'head'
    call.connection = this
    call.events.onConnected()
    if (request.body === undefined) {
      socket.write(head)
      return
    }
    socket.cork()
    socket.write(head)
    this.#writer = new BodyWriter(request.body, request.contentLength, socket, this)
    this.#writer.start()
  }

  readonly #onDrain = (): void => {
    this.#writer?.resume()
  }

  readonly #onRead = (length: number): boolean => {
    this.#read(READ_BUFFER.subarray(0, length))
    return true
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#read(bytes)
  }

  #read(bytes: Buffer): void {
    try {
      this.#take(bytes)
    } catch (error) {
      this.onDefect(error)
    }
  }

  #take(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#state === 'head') at = this.#takeHead(bytes, at)
      else if (this.#state === 'body') at = this.#takeBody(bytes, at)
      else {
        // Nobody has asked for these: the next one who asks must not get them (response splitting).
        this.close()
        return
      }
    }
  }

  /** Returns where to go on. */
  #takeHead(bytes: Buffer, from: number): number {
    const head = this.#head
    const verdict = head.read(bytes, from)
    if (verdict === 'more') return bytes.length
    const call = this.#call
    if (verdict !== 'complete' || call === undefined) {
      this.#refuse(verdict === 'too-large' ? 'head too large' : head.detail)
      return bytes.length
    }
    const { status, fields } = head
    const framing = responseFraming(call.request.method, status, head.minorVersion, fields)
    if (framing === undefined) this.#refuse('ambiguous message framing')
    else if (status === 101) this.#upgrade(call, bytes.subarray(head.end))
    else if (status < 200) call.events.onInformation(status, fields)
    else {
      this.#framing = framing
      this.#left = framing.bytes
      this.#state = 'body'
      call.hasHead = true
      call.events.onHead(status, fields, framing.kind === 'none')
      if (framing.kind === 'none') this.#finish(NO_FIELDS)
    }
    return head.end
  }

  #takeBody(bytes: Buffer, from: number): number {
    switch (this.#framing?.kind) {
      case 'chunked':
        return this.#takeChunks(bytes, from)
      case 'length': {
        const end = Math.min(bytes.length, from + this.#left)
        this.#left -= end - from
        this.#deliver(bytes, from, end)
        if (this.#left === 0) this.#finish(NO_FIELDS)
        return end
      }
      default:
        this.#deliver(bytes, from, bytes.length)
        return bytes.length
    }
  }

  #takeChunks(bytes: Buffer, from: number): number {
    this.#decoder ??= new ChunkedDecoder(limitsOf(this.#owner.options))
    const decoder = this.#decoder
    const verdict = decoder.read(bytes, from)
    const { data } = decoder
    if (data !== undefined) this.#deliver(data, 0, data.length)
    if (verdict === 'complete') this.#finish(decoder.trailers)
    else if (verdict !== 'more') {
      this.#refuse(verdict === 'too-large' ? 'trailers too large' : decoder.detail)
    }
    return verdict === 'complete' ? decoder.end : bytes.length
  }

  #deliver(bytes: Buffer, from: number, to: number): void {
    if (this.#state === 'gone') return
    this.#call?.events.onData(bytes.subarray(from, to), this.#borrows)
  }

  /** The response is whole. */
  #finish(trailers: readonly string[]): void {
    // Its call may have been given up by an event before.
    if (this.#state !== 'body') return
    const call = this.#call
    const framing = this.#framing
    const wasSent = this.#writer === undefined || this.#writer.isDone
    this.#call = undefined
    this.#framing = undefined
    this.#writer?.stop()
    this.#writer = undefined
    const idleMs = wasSent && call?.request.method !== 'HEAD' ? idleTime(framing) : 0
    if (idleMs > 0 && !this.#owner.isClosed && call?.request.websocket === false) {
      this.#idle(idleMs)
    } else this.close()
    call?.events.onEnd(trailers)
  }

  #idle(idleMs: number): void {
    this.#state = 'idle'
    this.#deadline.arm(idleMs)
    if (this.#socket.isPaused()) this.#socket.resume()
    this.#owner.onIdle(this)
  }

  #upgrade(call: Http1Call, rest: Buffer): void {
    if (!call.request.websocket) {
      this.#refuse('101 that nobody asked for')
      return
    }
    const socket = this.#socket
    const { fields } = this.#head
    this.#leave()
    socket.off('data', this.#onData)
    socket.off('end', this.#onEof)
    socket.off('drain', this.#onDrain)
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    call.events.onUpgrade(fields, socket)
    socket.resume()
  }

  #refuse(detail: string): void {
    this.#fail('upstream-protocol-error', detail)
  }

  readonly #onEof = (): void => {
    if (this.#state === 'body' && this.#framing?.kind === 'until-close') this.#finish(NO_FIELDS)
    else this.#lost('closed', undefined)
  }

  readonly #onError = (error: Error): void => {
    if (this.#state === 'connecting') this.#fail(connectReason(error), detailOf(error))
    else this.#lost(detailOf(error), lostReason(error))
  }

  readonly #onClose = (): void => {
    if (this.#state === 'connecting') this.#fail('connect-failed', 'closed')
    else this.#lost('closed', undefined)
  }

  #lost(detail: string, reason: Reason | undefined): void {
    const hasHead = this.#call?.hasHead === true
    this.#fail(reason ?? (hasHead ? 'upstream-reset' : 'upstream-closed'), detail)
  }

  #fail(reason: Reason, detail: string): void {
    if (this.#state === 'gone') return
    const call = this.#call
    const unsent = this.#state === 'connecting'
    this.close()
    call?.fail({ reason, detail, unsent })
  }

  #leave(): void {
    this.#state = 'gone'
    this.#call = undefined
    this.#deadline.cancel()
    this.#writer?.stop()
    this.#writer = undefined
    this.#owner.onGone(this)
  }
}

const NO_FIELDS: readonly string[] = []

function limitsOf({ headerBytes }: Http1Options) {
  return { maxBytes: headerBytes, maxFields: MAX_FIELDS }
}

/** How long the connection may wait for its next request; 0: not at all. */
function idleTime(framing: ResponseFraming | undefined): number {
  if (framing?.persistent !== true) return 0
  const { idleSeconds } = framing
  if (idleSeconds === undefined) return IDLE_MS
  return Math.min(MAX_IDLE_MS, Math.max(0, idleSeconds * 1000 - IDLE_MARGIN_MS))
}

function connectReason(error: Error): Reason {
  if (error instanceof UpstreamTlsError) return 'upstream-tls-failed'
  const code = errnoOf(error)
  if (code === 'ECONNREFUSED') return 'connect-refused'
  return code === 'ETIMEDOUT' ? 'connect-timeout' : 'connect-failed'
}

/** undefined: no more is known than that the connection is lost. */
function lostReason(error: Error): Reason | undefined {
  const code = errnoOf(error) ?? ''
  // An alert after the handshake: with TLS 1.3 the verdict on our certificate comes this late.
  if (code.startsWith('ERR_SSL_')) return 'upstream-tls-failed'
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'upstream-reset' : undefined
}

function detailOf(error: Error): string {
  const code = errnoOf(error)
  // OpenSSL's messages hold addresses in memory.
  if (code?.startsWith('ERR_SSL_')) return code
  return code === undefined ? messageOf(error) : `${code}: ${error.message}`
}

function ignore(): void {}
