/**
 * HTTP/2 downstream: one plain http2 server fed by `emit('connection')`, with the core 'stream' API.
 * Requests start one turn of the event loop late, and a client that resets more than it lets finish
 * is cut off, so that rapid resets reach no upstream in numbers (security.md section 2.3).
 */
import {
  constants,
  createServer,
  type Http2Server as NodeHttp2Server,
  type ServerHttp2Session,
} from 'node:http2'
import type { Limits } from '../../ipc/messages.ts'
import { Exchange } from './exchange.ts'
import type { RequestLine } from './exchange-host.ts'
import { Fields } from './fields.ts'
import { FloodGuard, type FloodSink } from './h2/flood-guard.ts'
import { type AcceptedStream, acceptStreams } from './h2/streams.ts'
import type { HttpConnection, Protocol } from './http-connection.ts'
import { normalizeHttp2, type RequestHead } from './normalize.ts'
import { type Http2Link, Http2Responder } from './responder-h2.ts'

/** Resets by the client that are forgiven before they must be fewer than finished exchanges. */
const FREE_RESETS = 100
/** Between the two GOAWAYs of a drain, when the client does not answer our ping. */
const GOAWAY_MS = 1000
/**
 * Between the answer to the ping and the second GOAWAY: streams that the client had begun before it
 * saw the first one, and which its answer may have overtaken in its own queue.
 */
const LAST_STREAMS_MS = 100
const LAST_STREAM_ID = 2 ** 31 - 1

export class Http2Server {
  readonly #server: NodeHttp2Server
  /** The session event follows `emit('connection')` synchronously. */
  #accepting: HttpConnection | undefined

  constructor(limits: Limits) {
    this.#server = createServer({
      maxSessionMemory: 10,
      maxHeaderListPairs: 128,
      maxOutstandingPings: 10,
      maxSettings: 32,
      // What an upstream sends twice goes on twice, as over HTTP/1.1.
      strictSingleValueFields: false,
      unknownProtocolTimeout: limits.headersMs,
      settings: {
        maxConcurrentStreams: limits.streamsPerConnection,
        maxHeaderListSize: limits.headerBytes,
        enableConnectProtocol: false,
        enablePush: false,
      },
    })
    this.#server.on('session', (session) => this.#onSession(session))
    this.#server.on('sessionError', ignore)
  }

  accept(connection: HttpConnection): void {
    this.#accepting = connection
    this.#server.emit('connection', connection.downstream.socket)
    this.#accepting = undefined
  }

  #onSession(session: ServerHttp2Session): void {
    const connection = this.#accepting
    if (connection === undefined) session.destroy()
    else new Http2Connection(connection, session)
  }
}

/** A stream whose request waits for its turn of the event loop. */
interface Arrived {
  readonly responder: Http2Responder
  readonly rawHeaders: readonly string[]
}

class Http2Connection implements Protocol, Http2Link, FloodSink {
  readonly #connection: HttpConnection
  readonly #session: ServerHttp2Session
  readonly guard: FloodGuard
  #arrived: Arrived[] = []
  #resets = 0
  #finished = 0

  constructor(connection: HttpConnection, session: ServerHttp2Session) {
    this.#connection = connection
    this.#session = session
    session.on('error', ignore)
    session.on('frameError', ignore)
    const { socket } = connection.downstream
    this.guard = new FloodGuard(socket, connection.context.wheel, this)
    session.on('close', () => {
      this.guard.close()
      connection.end({ reason: 'completed' })
    })
    acceptStreams(session, (stream, rawHeaders) => this.#onStream(stream, rawHeaders))
    socket.on('error', ignore)
    connection.start(this)
  }

  drain(): void {
    const session = this.#session
    if (session.destroyed) return
    session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM_ID)
    const close = (): void => {
      if (!session.destroyed) session.close()
    }
    const timer = setTimeout(close, GOAWAY_MS)
    session.ping(() => {
      clearTimeout(timer)
      setTimeout(close, LAST_STREAMS_MS)
    })
  }

  /** `close` lets a race of streams finish; the socket goes with the session. */
  closeIdle(): void {
    if (this.#connection.draining || this.#session.destroyed) return
    this.#session.close()
  }

  onSilence(): void {
    this.#session.destroy()
    this.#connection.end({ reason: 'header-timeout' })
  }

  onExchangeEnded(): void {}

  onFlood(): void {
    this.#cut('frames without use')
  }

  onDefect(error: unknown): void {
    this.#connection.downstream.fail(error)
  }

  #onStream(stream: AcceptedStream, rawHeaders: readonly string[]): void {
    this.guard.request(rawHeaders)
    const responder = new Http2Responder(stream, this)
    this.#arrived.push({ responder, rawHeaders })
    if (this.#arrived.length === 1) setImmediate(() => this.#runArrived())
  }

  #runArrived(): void {
    const arrived = this.#arrived
    this.#arrived = []
    try {
      for (const { responder, rawHeaders } of arrived) this.#run(responder, rawHeaders)
    } catch (error) {
      this.#connection.downstream.fail(error)
    }
  }

  #run(responder: Http2Responder, rawHeaders: readonly string[]): void {
    const { stream } = responder
    if (stream.destroyed || stream.aborted) return
    const scheme = this.#connection.downstream.tls === undefined ? 'http' : 'https'
    // An empty body may have ended since the head came.
    const bodiless = stream.endAfterHeaders || stream.readableEnded
    const normalized = normalizeHttp2(rawHeaders, bodiless, scheme)
    const line = normalized.ok ? lineOf(normalized.head) : unreadLine(rawHeaders)
    responder.begin(line.method)
    new Exchange(this.#connection, responder, line).start(normalized)
  }

  onStreamClosed(stream: AcceptedStream): void {
    // A reset may carry NO_ERROR as well.
    if (stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.aborted) this.#finished += 1
    else this.#resets += 1
    if (this.#resets > FREE_RESETS + this.#finished) this.#cut('too many streams reset')
  }

  #cut(detail: string): void {
    if (this.#session.destroyed) return
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
    this.#connection.end({ reason: 'protocol-error', detail })
  }
}

function lineOf({ method, target, authority, fields }: RequestHead): RequestLine {
  return {
    method,
    target,
    authority: authority.text,
    protocol: 'HTTP/2',
    userAgent: fields.get('user-agent'),
  }
}

function unreadLine(rawHeaders: readonly string[]): RequestLine {
  const fields = Fields.fromRaw(rawHeaders)
  return {
    method: fields.get(':method') ?? '',
    target: fields.get(':path') ?? '',
    authority: fields.get(':authority') ?? fields.get('host') ?? '',
    protocol: 'HTTP/2',
    userAgent: fields.get('user-agent'),
  }
}

function ignore(): void {}
