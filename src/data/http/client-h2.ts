/**
 * HTTP/2 upstreams by prior knowledge (h2c; gRPC), on Node's own client with a small session pool
 * per endpoint. A response is complete only after a true END_STREAM: resets that Node reports as a
 * clean end are told apart here (platform.md section 5.2).
 */
import { type ClientHttp2Session, type ClientSessionOptions, connect, constants } from 'node:http2'
import net from 'node:net'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { Reason } from '../../model/outcome.ts'
import type { Endpoint } from '../../model/upstream.ts'
import { type OriginTls, UpstreamTlsError } from '../upstream/tls.ts'
import { fieldKey } from './field-names.ts'
import type { ClientSink, ClientStream } from './h2/handle-contract.ts'
import { isEndStream } from './h2/node-streams.ts'
import { openStream } from './h2/streams.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamEvents,
  UpstreamFailure,
  UpstreamRequest,
} from './upstream-client.ts'

const MAX_SESSIONS = 16
/** Until the upstream's settings say otherwise; never more than it allows. */
const MAX_STREAMS = 100
/** An unused session is closed. */
const IDLE_MS = 60_000

export interface Http2Options {
  readonly connectMs: number
  readonly headerBytes: number
  readonly tls: OriginTls | undefined
  /** A connection was opened. */
  readonly onConnect?: () => void
}

export class Http2Client implements UpstreamClient {
  readonly #endpoint: Endpoint
  readonly #options: Http2Options
  readonly #sessions = new Set<Http2Session>()

  constructor(endpoint: Endpoint, options: Http2Options) {
    this.#endpoint = endpoint
    this.#options = options
  }

  request(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall {
    const call = new Http2Call(request, events)
    const session = this.#session()
    if (session === undefined) {
      setImmediate(() => call.fail('upstream-overflow', 'all sessions are full'))
    } else {
      session.run(call)
    }
    return call
  }

  close(): void {
    for (const session of this.#sessions) session.close()
  }

  #session(): Http2Session | undefined {
    for (const session of this.#sessions) if (session.hasRoom) return session
    if (this.#sessions.size >= MAX_SESSIONS) return undefined
    const session = new Http2Session(this.#endpoint, this.#options, () => {
      this.#sessions.delete(session)
    })
    this.#sessions.add(session)
    return session
  }
}

/** One connection: calls wait until it is connected, then each is a stream. */
class Http2Session {
  readonly #session: ClientHttp2Session
  readonly #socket: net.Socket
  /** A count: a Set that calls pass through would cost collections (`stream-table.ts`). */
  #calls = 0
  readonly #timer: NodeJS.Timeout
  #waiting: Http2Call[] | undefined = []
  #closing = false

  constructor(endpoint: Endpoint, options: Http2Options, onClose: () => void) {
    const { connectMs, headerBytes } = options
    const socket = this.#begin(dial(endpoint), options)
    this.#socket = socket
    this.#session = connect('http://upstream', sessionOptions(headerBytes, socket))
    this.#timer = setTimeout(() => this.#failWaiting('connect-timeout', 'timed out'), connectMs)
    this.#session.on('connect', () => {
      options.onConnect?.()
      this.#onConnect()
    })
    this.#session.on('error', (error: Error) =>
      this.#failWaiting(connectReason(error), detailOf(error)),
    )
    this.#session.on('goaway', () => {
      this.#closing = true
    })
    this.#session.on('close', () => {
      clearTimeout(this.#timer)
      this.#closing = true
      this.#failWaiting('connect-failed', 'closed')
      onClose()
    })
    this.#session.setTimeout(IDLE_MS, () => {
      if (this.#calls === 0) this.close()
    })
  }

  /** Its failure is told before the session, which knows no more than that the socket is gone. */
  #begin(socket: net.Socket, { tls, connectMs }: Http2Options): net.Socket {
    const handshake = { alpn: ['h2'], timeoutMs: connectMs }
    return tls === undefined
      ? socket
      : tls.begin(socket, handshake, (error) => {
          if (error !== undefined) this.#failWaiting(connectReason(error), detailOf(error))
        })
  }

  get hasRoom(): boolean {
    if (this.#closing || this.#session.closed || this.#session.destroyed) return false
    const allowed = this.#session.remoteSettings?.maxConcurrentStreams ?? MAX_STREAMS
    return this.#calls < Math.min(allowed, MAX_STREAMS)
  }

  run(call: Http2Call): void {
    this.#calls += 1
    call.onClosed = () => {
      call.onClosed = ignore
      this.#calls -= 1
    }
    if (this.#waiting === undefined) this.#open(call)
    else this.#waiting.push(call)
  }

  close(): void {
    this.#closing = true
    this.#session.close()
  }

  #onConnect(): void {
    clearTimeout(this.#timer)
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const call of waiting) this.#open(call)
  }

  #open(call: Http2Call): void {
    try {
      call.open(this.#session)
    } catch (error) {
      // Fields that Node refuses say nothing against the endpoint.
      const { closed, destroyed } = this.#session
      const reason = closed || destroyed ? 'connect-failed' : 'internal-error'
      const detail = messageOf(error)
      setImmediate(() => call.fail(reason, detail))
    }
  }

  #failWaiting(reason: Reason, detail: string): void {
    this.#closing = true
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = []
    for (const call of waiting) call.fail(reason, detail)
    this.#session.destroy()
    this.#socket.destroy()
  }
}

class Http2Call implements UpstreamCall, ClientSink {
  readonly #request: UpstreamRequest
  readonly #events: UpstreamEvents
  #stream: ClientStream | undefined
  #trailers: readonly string[] = []
  #headReceived = false
  #over = false
  onClosed: () => void = ignore

  constructor(request: UpstreamRequest, events: UpstreamEvents) {
    this.#request = request
    this.#events = events
  }

  /** Throws when the session cannot take it any more. */
  open(session: ClientHttp2Session): void {
    if (this.#over) return
    const { body } = this.#request
    const raw = headersOf(this.#request, session.encrypted)
    const stream = openStream(session, raw, body === undefined, this)
    this.#stream = stream
    this.#events.onConnected()
    if (body === undefined) return
    body.on('data', (chunk: Buffer) => {
      if (!stream.write(chunk)) body.pause()
    })
    body.on('end', () => stream.end())
    body.resume()
  }

  pause(): void {
    this.#stream?.pause()
  }

  resume(): void {
    this.#stream?.resume()
  }

  abort(): void {
    if (this.#over) return
    this.#over = true
    this.#detach()
    // `close` would end a half-sent body as if it were whole.
    this.#stream?.destroy(new DOMException('exchange ended', 'AbortError'))
    if (this.#stream === undefined) this.onClosed()
  }

  fail(reason: Reason, detail: string): void {
    this.#fail({ reason, detail, unsent: true })
  }

  onInterim(status: number, raw: readonly string[]): void {
    if (!this.#over) this.#events.onInformation(status, withoutPseudo(raw))
  }

  onResponse(status: number, raw: readonly string[], flags: number): void {
    if (this.#over) return
    this.#headReceived = true
    this.#events.onHead(status, withoutPseudo(raw), isEndStream(flags))
  }

  onData(chunk: Buffer): void {
    if (!this.#over) this.#events.onData(chunk, false)
  }

  onTrailers(raw: readonly string[]): void {
    this.#trailers = raw
  }

  onDrain(): void {
    this.#request.body?.resume()
  }

  onEnd(): void {
    if (this.#over) return
    if (!this.#headReceived) {
      this.#broken(undefined)
      return
    }
    this.#over = true
    this.#detach()
    this.#events.onEnd(withoutPseudo(this.#trailers))
    // An early answer: the rest of the request is not wanted any more.
    if (this.#stream?.writableFinished === false) {
      this.#stream.destroy(new DOMException('answered early', 'AbortError'))
    }
  }

  onClose(error: Error | undefined): void {
    this.onClosed()
    this.#broken(error)
  }

  #broken(error: Error | undefined): void {
    const rstCode = this.#stream?.rstCode ?? 0
    const refused = rstCode === constants.NGHTTP2_REFUSED_STREAM
    const code = `stream reset with code ${rstCode}`
    this.#fail({
      reason: refused ? 'connect-refused' : 'upstream-reset',
      detail: error === undefined ? code : detailOf(error),
      unsent: refused,
    })
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#over) return
    this.#over = true
    this.#detach()
    if (this.#stream === undefined) this.onClosed()
    this.#events.onError(failure)
  }

  #detach(): void {
    const { body } = this.#request
    if (body === undefined) return
    body.destroy()
  }
}

function sessionOptions(headerBytes: number, socket: net.Socket): ClientSessionOptions {
  const options = {
    createConnection: () => socket,
    maxSessionMemory: 32,
    maxHeaderListPairs: 256,
    // What a client sends twice goes on twice, as over HTTP/1.1. The types know it for servers only.
    strictSingleValueFields: false,
    settings: { enablePush: false, maxHeaderListSize: headerBytes },
  }
  return options
}

function dial(endpoint: Endpoint): net.Socket {
  return endpoint.kind === 'unix'
    ? net.connect({ path: endpoint.path })
    : net.connect({ host: endpoint.address, port: endpoint.port, noDelay: true })
}

function headersOf(request: UpstreamRequest, isSecure = false): string[] {
  const raw = [':method', request.method, ':path', request.target]
  raw.push(':scheme', isSecure ? 'https' : 'http', ':authority', request.host)
  const { fields, contentLength } = request
  for (let i = 0; i + 1 < fields.length; i += 2) {
    raw.push(fieldKey(fields[i] ?? ''), fields[i + 1] ?? '')
  }
  if (contentLength !== undefined) raw.push('content-length', String(contentLength))
  return raw
}

function withoutPseudo(raw: readonly string[]): string[] {
  const fields: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.startsWith(':') === false) fields.push(raw[i] ?? '', raw[i + 1] ?? '')
  }
  return fields
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
