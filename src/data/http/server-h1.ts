/**
 * HTTP/1.1 downstream: one Node http.Server that never listens, fed by `emit('connection')`.
 * Pipelined requests run one after the other. Framing faults get a raw answer and the socket is
 * closed. Deadlines of heads are Node's, all others ours (platform.md sections 1 and 6).
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errnoOf } from '../../base/errors.ts'
import type { Limits } from '../../ipc/messages.ts'
import type { Reason } from '../../model/outcome.ts'
import { Exchange } from './exchange.ts'
import type { RequestLine } from './exchange-host.ts'
import type { HttpConnection, Protocol } from './http-connection.ts'
import { rawReply } from './local-reply.ts'
import { normalizeHttp1 } from './normalize.ts'
import { Http1Responder } from './responder-h1.ts'

/** Requests of one connection that may wait for their turn. */
const MAX_PIPELINED = 64

export class Http1Server {
  readonly #server: Server
  readonly #connections = new WeakMap<Duplex, Http1Connection>()

  constructor(limits: Limits) {
    const server = createServer({
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      // A body has its own deadlines, in the exchange.
      requestTimeout: 0,
      keepAliveTimeout: 0,
      connectionsCheckingInterval: Math.min(1000, limits.headersMs),
      // Judged by the normaliser, so that a refusal has its line in the log.
      requireHostHeader: false,
      insecureHTTPParser: false,
      shouldUpgradeCallback: wantsWebSocket,
    })
    server.on('request', (request, response) => this.#onRequest(request, response))
    server.on('checkContinue', (request, response) => this.#onRequest(request, response))
    server.on('checkExpectation', (request, response) => this.#onRequest(request, response))
    server.on('upgrade', (...detached) => this.#onDetached(...detached))
    server.on('connect', (...detached) => this.#onDetached(...detached))
    server.on('clientError', (error, socket) => this.#onClientError(error, socket))
    // Without it a server that never listens enforces no deadlines.
    server.emit('listening')
    this.#server = server
  }

  accept(connection: HttpConnection): void {
    const { socket } = connection.downstream
    this.#connections.set(socket, new Http1Connection(connection, socket))
    this.#server.emit('connection', socket)
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#connections.get(request.socket)?.enqueue(request, () => response)
  }

  /** Node has let go of the socket: the response is ours to attach, when its turn comes. */
  #onDetached(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (head.length > 0) socket.unshift(head)
    this.#connections.get(socket)?.enqueue(request, () => {
      const response = new ServerResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(request.socket)
      response.on('finish', () => request.socket.destroySoon())
      return response
    })
  }

  #onClientError(error: Error, socket: Duplex): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) socket.destroy()
    else connection.refuse(clientErrorReason(error), error.message)
  }
}

interface Waiting {
  readonly request: IncomingMessage
  readonly respond: () => ServerResponse
}

interface Refusal {
  readonly reason: Reason
  readonly detail: string
}

class Http1Connection implements Protocol {
  readonly #connection: HttpConnection
  readonly #socket: Duplex
  #waiting: Waiting[] = []
  #current: Exchange | undefined
  /** What `#current` was made from. */
  #running: Waiting | undefined
  /** The answer once all requests before the unreadable one have theirs. */
  #refusal: Refusal | undefined

  constructor(connection: HttpConnection, socket: Duplex) {
    this.#connection = connection
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => this.#onClose())
    connection.start(this)
  }

  enqueue(request: IncomingMessage, respond: () => ServerResponse): void {
    if (this.#current === undefined) {
      this.#run({ request, respond })
      return
    }
    request.on('error', () => {})
    if (this.#waiting.length < MAX_PIPELINED) this.#waiting.push({ request, respond })
    else this.#connection.end({ reason: 'bad-request', detail: 'too many pipelined requests' })
  }

  /**
   * No request can be read any more. Those that were read whole keep their answers; one that breaks
   * in its middle gives this answer itself, or is dropped when its turn has not come.
   */
  refuse(reason: Reason | undefined, detail: string): void {
    if (reason === undefined || !this.#socket.writable) {
      this.#connection.end({ reason: reason ?? 'client-reset', detail })
      return
    }
    const last = this.#waiting.at(-1) ?? this.#running
    if (last === this.#running && last?.request.complete === false) {
      this.#current?.breakOff(reason, detail)
      return
    }
    if (last?.request.complete === false) this.#waiting.pop()
    this.#refusal ??= { reason, detail }
    if (this.#current === undefined) this.#sendRefusal(this.#refusal)
  }

  #sendRefusal({ reason, detail }: Refusal): void {
    this.#socket.end(rawReply(reason), 'latin1', () => this.#connection.end({ reason, detail }))
  }

  drain(): void {}

  closeIdle(): void {
    this.#socket.end()
    this.#connection.end({ reason: 'completed' })
  }

  onSilence(): void {
    this.refuse('header-timeout', 'no request')
  }

  onExchangeEnded(): void {
    this.#current = undefined
    this.#running = undefined
    const next = this.#waiting.shift()
    if (this.#socket.destroyed) return
    if (next !== undefined) this.#run(next)
    else if (this.#refusal !== undefined) this.#sendRefusal(this.#refusal)
  }

  #run(waiting: Waiting): void {
    const { request, respond } = waiting
    this.#running = waiting
    const { downstream } = this.#connection
    const exchange = new Exchange(
      this.#connection,
      new Http1Responder(request, respond(), (outcome) => this.#connection.end(outcome)),
      requestLine(request),
    )
    this.#current = exchange
    exchange.start(
      normalizeHttp1(
        {
          version: request.httpVersion,
          method: request.method ?? '',
          target: request.url ?? '',
          rawFields: request.rawHeaders,
        },
        downstream.tls === undefined ? 'http' : 'https',
      ),
    )
  }

  #onClose(): void {
    this.#waiting = []
    // The responder of a running exchange hears of it by itself.
    this.#connection.end({ reason: 'completed' })
  }
}

/** Other upgrades (h2c) are ignored and the request served as an ordinary one. */
function wantsWebSocket(request: IncomingMessage): boolean {
  const { headers, method, httpVersion } = request
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined
  )
}

function requestLine(request: IncomingMessage): RequestLine {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    authority: request.headers.host ?? '',
    protocol: `HTTP/${request.httpVersion}`,
    userAgent: request.headers['user-agent'],
  }
}

/** undefined: the client is gone. */
function clientErrorReason(error: Error): Reason | undefined {
  const code = errnoOf(error) ?? ''
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers-too-large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'header-timeout'
  return code === 'ECONNRESET' || code === 'EPIPE' ? undefined : 'bad-request'
}
