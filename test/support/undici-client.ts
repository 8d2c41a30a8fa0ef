/**
 * HTTP/1.1 upstreams through an undici Pool per endpoint: what gwproxy used before its own client, now
 * the oracle of that one. undici frames the request and reports truncation; it knows no request trailers.
 */
import type { Socket } from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import { errnoOf, messageOf } from '../../src/base/errors.ts'
import type { Reason } from '../../src/model/outcome.ts'
import type { Endpoint } from '../../src/model/upstream.ts'
import { type OriginTls, UpstreamTlsError } from '../../src/data/upstream/tls.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamEvents,
  UpstreamFailure,
  UpstreamRequest,
} from '../../src/data/http/upstream-client.ts'

const MAX_CONNECTIONS = 512
/** Requests that wait for a connection; more are refused as overflow. */
const MAX_WAITING = 1024

export interface UndiciOptions {
  readonly connectMs: number
  readonly headerBytes: number
  readonly tls: OriginTls | undefined
  /** The first bytes of each connection, before TLS. */
  readonly preface?: Buffer
  /** A connection was opened. */
  readonly onConnect?: () => void
}

export class UndiciClient implements UpstreamClient {
  readonly #pool: Pool
  /** Upgraded sockets leave their pool and need both halves. */
  readonly #upgrades: Pool
  readonly #resets = new ResetWatch()
  #waiting = 0

  constructor(endpoint: Endpoint, options: UndiciOptions) {
    this.#pool = poolOf(endpoint, options, false, this.#resets)
    this.#upgrades = poolOf(endpoint, options, true, this.#resets)
  }

  request(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall {
    const call = new Http1Call(events, this.#resets, () => {
      this.#waiting -= 1
    })
    const pool = request.websocket ? this.#upgrades : this.#pool
    this.#waiting += 1
    if (this.#waiting > MAX_WAITING) {
      setImmediate(() => call.fail('upstream-overflow', 'too many waiting requests'))
      return call
    }
    try {
      pool.dispatch(dispatchOptions(request), call)
    } catch (error) {
      setImmediate(() => call.fail('internal-error', messageOf(error)))
    }
    return call
  }

  close(): void {
    this.#pool.close().catch(ignore)
    this.#upgrades.close().catch(ignore)
  }
}

/**
 * undici takes the reset of a connection whose response is delimited by its close for a clean end.
 * It ends the call while the socket emits its error, so whatever ends then was cut off.
 */
class ResetWatch {
  #emitting = false

  get isEmitting(): boolean {
    return this.#emitting
  }

  /** Before undici adds its own listener. */
  watch(socket: Socket): void {
    socket.on('error', () => {
      this.#emitting = true
      process.nextTick(() => {
        this.#emitting = false
      })
    })
  }
}

function poolOf(
  endpoint: Endpoint,
  options: UndiciOptions,
  allowHalfOpen: boolean,
  resets: ResetWatch,
): Pool {
  const connect = buildConnector({
    timeout: options.connectMs,
    allowH2: false,
    allowHalfOpen,
    ...(endpoint.kind === 'unix' && { socketPath: endpoint.path }),
  })
  return new Pool(originOf(endpoint), {
    connections: MAX_CONNECTIONS,
    pipelining: 1,
    allowH2: false,
    maxHeaderSize: options.headerBytes,
    // The exchange owns all deadlines.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (target, callback) =>
      connect(target, (...result) => {
        // undici's types say null, its code leaves it undefined.
        const [, socket] = result
        if (!socket) return callback(...result)
        if (options.preface !== undefined) socket.write(options.preface)
        if (options.tls === undefined) {
          resets.watch(socket)
          options.onConnect?.()
          return callback(null, socket)
        }
        // The origin stays `http`: undici, which would take the Host for the server name, knows of no TLS.
        const handshake = { alpn: ['http/1.1'], timeoutMs: options.connectMs }
        options.tls.begin(socket, handshake, (error, secure) => {
          if (error !== undefined) return callback(error, null)
          resets.watch(secure)
          options.onConnect?.()
          callback(null, secure)
        })
      }),
  })
}

function originOf(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return 'http://localhost'
  const { address, port } = endpoint
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}

function dispatchOptions(request: UpstreamRequest): Dispatcher.DispatchOptions {
  const headers = ['Host', request.host]
  for (let i = 0; i + 1 < request.fields.length; i += 2) {
    const name = request.fields[i] ?? ''
    // TE is hop-by-hop, and nominating it is not possible with undici.
    if (name.toLowerCase() !== 'te') headers.push(name, request.fields[i + 1] ?? '')
  }
  if (request.contentLength !== undefined) {
    headers.push('Content-Length', String(request.contentLength))
  }
  return {
    method: request.method,
    path: request.target,
    headers,
    body: request.body instanceof Readable ? request.body : null,
    // The client's own Upgrade value never goes on (CVE-2026-1527).
    upgrade: request.websocket ? 'websocket' : null,
  }
}

class Http1Call implements UpstreamCall, Dispatcher.DispatchHandler {
  readonly #events: UpstreamEvents
  readonly #resets: ResetWatch
  readonly #left: () => void
  #controller: Dispatcher.DispatchController | undefined
  #waiting = true
  #headReceived = false
  #over = false

  /** `left`: called once when the call no longer waits for a connection. */
  constructor(events: UpstreamEvents, resets: ResetWatch, left: () => void) {
    this.#events = events
    this.#resets = resets
    this.#left = left
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(): void {
    if (this.#over) return
    this.#over = true
    this.#controller?.abort(new Error('exchange ended'))
  }

  fail(reason: Reason, detail: string): void {
    this.#fail({ reason, detail, unsent: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#leave()
    if (this.#over) controller.abort(new Error('exchange ended'))
    else this.#events.onConnected()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#over) return
    const fields = rawText(controller.rawHeaders)
    if (status < 200) this.#events.onInformation(status, fields)
    else {
      this.#headReceived = true
      this.#events.onHead(status, fields, false)
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#events.onData(chunk, false)
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#resets.isEmitting) {
      this.#fail({ reason: 'upstream-reset', detail: 'reset in mid-response', unsent: false })
      return
    }
    if (this.#over) return
    this.#over = true
    this.#events.onEnd(rawText(controller.rawTrailers))
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    socket: Duplex,
  ): void {
    if (this.#over || status !== 101) {
      socket.destroy()
      this.#fail({ reason: 'upstream-protocol-error', detail: 'upgrade', unsent: false })
      return
    }
    this.#over = true
    this.#events.onUpgrade(rawText(controller.rawHeaders), socket)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const connected = this.#controller !== undefined
    const reason = connected ? this.#reasonOf(error) : connectReason(error)
    this.#fail({ reason, detail: detailOf(error), unsent: !connected })
  }

  #leave(): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#left()
  }

  #fail(failure: UpstreamFailure): void {
    this.#leave()
    if (this.#over) return
    this.#over = true
    this.#events.onError(failure)
  }

  #reasonOf(error: Error): Reason {
    const code = errnoOf(error) ?? ''
    if (
      error.name === 'HTTPParserError' ||
      code.includes('_OVERFLOW') ||
      code.includes('_MISMATCH')
    ) {
      return 'upstream-protocol-error'
    }
    if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return 'internal-error'
    // An answer 101 that nobody asked for.
    if (code === 'UND_ERR_SOCKET' && error.message === 'bad upgrade') {
      return 'upstream-protocol-error'
    }
    // An alert after the handshake: with TLS 1.3 the verdict on our certificate comes this late.
    if (code.startsWith('ERR_SSL_')) return 'upstream-tls-failed'
    if (code === 'ECONNRESET' || code === 'EPIPE') return 'upstream-reset'
    return this.#headReceived ? 'upstream-reset' : 'upstream-closed'
  }
}

function connectReason(error: Error): Reason {
  if (error instanceof UpstreamTlsError) return 'upstream-tls-failed'
  const code = errnoOf(error) ?? ''
  if (code === 'ECONNREFUSED') return 'connect-refused'
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return 'connect-timeout'
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return 'internal-error'
  return 'connect-failed'
}

function detailOf(error: Error): string {
  const code = errnoOf(error)
  return code === undefined ? error.message : `${code}: ${error.message}`
}

/** undici hands fields over as Buffers, in latin1 as they came. */
function rawText(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part: Buffer | string) =>
    typeof part === 'string' ? part : part.toString('latin1'),
  )
}

function ignore(): void {}
