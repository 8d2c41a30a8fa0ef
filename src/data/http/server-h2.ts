/**
 * HTTP/2 downstream: requests come from a session of ours (`h2/`) and each runs as an exchange. It
 * starts one turn of the event loop late, so that rapid resets reach no upstream in numbers
 * (security guide 2.3).
 */
import { Http2Code } from '../../wire/http2/frames.ts'
import { Exchange } from './exchange.ts'
import type { RequestLine } from './exchange-host.ts'
import { Fields } from './fields.ts'
import type { ServerStream, SessionEnd } from './h2/contract.ts'
import { ServerSession, type ServerSessionSink } from './h2/server-session.ts'
import type { HttpConnection, Protocol } from './http-connection.ts'
import { normalizeHttp2, type RequestHead } from './normalize.ts'
import { Http2Responder } from './responder-h2.ts'

/** Between the two GOAWAYs of a drain, when the client does not answer our ping. */
const GOAWAY_MS = 1000
/**
 * Between the answer to the ping and the second GOAWAY: streams that the client had begun before it
 * saw the first one, and which its answer may have overtaken in its own queue.
 */
const LAST_STREAMS_MS = 100
const LAST_STREAM_ID = 2 ** 31 - 1

export function acceptHttp2(connection: HttpConnection): void {
  new Http2Connection(connection).start()
}

/** A stream whose request waits for its turn of the event loop. */
interface Arrived {
  readonly responder: Http2Responder
  readonly rawHeaders: readonly string[]
}

class Http2Connection implements Protocol, ServerSessionSink {
  readonly #connection: HttpConnection
  readonly #session: ServerSession
  #arrived: Arrived[] = []

  constructor(connection: HttpConnection) {
    const { downstream, context } = connection
    this.#connection = connection
    this.#session = new ServerSession(downstream.socket, context.limits, context.wheel, this)
  }

  start(): void {
    this.#session.start()
    this.#connection.start(this)
  }

  drain(): void {
    const session = this.#session
    if (session.destroyed) return
    session.goaway(LAST_STREAM_ID, Http2Code.noError)
    const close = (): void => session.close()
    const timer = setTimeout(close, GOAWAY_MS)
    session.ping(() => {
      clearTimeout(timer)
      setTimeout(close, LAST_STREAMS_MS)
    })
  }

  /** `close` lets a race of streams finish; the socket goes with the session. */
  closeIdle(): void {
    if (!this.#connection.draining) this.#session.close()
  }

  onSilence(): void {
    this.#session.destroy()
    this.#connection.end({ reason: 'header-timeout' })
  }

  onExchangeEnded(): void {}

  onDefect(error: unknown): void {
    this.#connection.downstream.fail(error)
  }

  onSessionEnd({ kind, detail = '' }: SessionEnd): void {
    if (kind === 'closed') this.#connection.end({ reason: 'completed' })
    else if (kind === 'reset') this.#connection.end({ reason: 'client-reset', detail })
    else this.#connection.end({ reason: 'protocol-error', detail })
  }

  onStream(stream: ServerStream, rawHeaders: readonly string[]): void {
    const responder = new Http2Responder(stream)
    this.#arrived.push({ responder, rawHeaders })
    if (this.#arrived.length === 1) setImmediate(runArrived, this)
  }

  runArrived(): void {
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
    if (stream.destroyed) return
    const scheme = this.#connection.downstream.tls === undefined ? 'http' : 'https'
    // An empty body may have ended since the head came.
    const bodiless = stream.endAfterHeaders || stream.readableEnded
    const normalized = normalizeHttp2(rawHeaders, bodiless, scheme)
    const line = normalized.ok ? lineOf(normalized.head) : unreadLine(rawHeaders)
    responder.begin(line.method)
    new Exchange(this.#connection, responder, line).start(normalized)
  }
}

function runArrived(connection: Http2Connection): void {
  connection.runArrived()
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
