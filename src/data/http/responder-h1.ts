/**
 * The responder over HTTP/1.1: a pair of Node messages. Node frames the response (length, chunks,
 * or until close for HTTP/1.0) and adds Date when the upstream sent none.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Outcome } from '../../model/outcome.ts'
import type { RequestStream } from './request-body.ts'
import type { Fields } from './fields.ts'
import type { Responder, ResponderSink, ResponseHead } from './responder.ts'

/** How long a client may go on sending a body that nobody wants (drain or close). */
const LINGER_MS = 2000

export class Http1Responder implements Responder {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #cut: (outcome: Outcome) => void
  /** Nothing but the end of the connection delimits what is sent. */
  #endsWithClose = false
  #continued = false
  bytesSent = 0

  /** `cut` ends the connection as the outcome says: a FIN would end what has no framing. */
  constructor(request: IncomingMessage, response: ServerResponse, cut: (outcome: Outcome) => void) {
    this.#request = request
    this.#response = response
    this.#cut = cut
  }

  get body(): RequestStream {
    return this.#request
  }

  get bodyComplete(): boolean {
    return this.#request.complete
  }

  attach(sink: ResponderSink): void {
    const response = this.#response
    this.#request.on('error', ignore)
    response.on('error', ignore)
    response.on('drain', () => sink.onWritable())
    response.on('finish', () => {
      this.#linger()
      sink.onSent()
    })
    response.on('close', () => {
      if (!response.writableFinished) sink.onGone(this.#request.socket.errored !== null)
    })
  }

  sendContinue(): void {
    if (this.#continued) return
    this.#continued = true
    this.#response.writeContinue()
  }

  inform(status: number, fields: Fields): void {
    // HTTP/1.0 knows no interim responses; Node writes only 103 for us.
    if (status !== 103 || this.#request.httpVersionMinor === 0) return
    if (!fields.has('link') || this.#response.headersSent) return
    this.#response.writeEarlyHints(fields.toHttp2())
  }

  head({ status, fields, contentLength }: ResponseHead, close: boolean): void {
    const raw = fields.toRaw()
    if (contentLength !== undefined) raw.push('Content-Length', String(contentLength))
    if (close) raw.push('Connection', 'close')
    this.#endsWithClose = contentLength === undefined && this.#request.httpVersionMinor === 0
    this.#response.writeHead(status, raw)
  }

  write(chunk: Uint8Array): boolean {
    this.bytesSent += chunk.length
    return this.#response.write(chunk)
  }

  end(trailers: Fields | undefined): void {
    if (trailers !== undefined && trailers.size > 0) {
      this.#response.addTrailers(pairs(trailers))
    }
    this.#response.end()
  }

  abort(outcome: Outcome): void {
    // Where length or chunks tell that something is missing, a FIN lets the client read what came.
    if (this.#endsWithClose) this.#cut(outcome)
    this.#response.destroy()
    this.#request.socket.destroy()
  }

  upgrade(head: ResponseHead, protocol: string): Duplex | undefined {
    const { socket } = this.#request
    const raw = head.fields.toRaw()
    let text = `HTTP/1.1 ${head.status} Switching Protocols\r\n`
    for (let i = 0; i + 1 < raw.length; i += 2) text += `${raw[i]}: ${raw[i + 1]}\r\n`
    this.#endsWithClose = true
    this.#response.detachSocket(socket)
    socket.write(`${text}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`, 'latin1')
    return socket
  }

  /** The rest of a body is read and dropped by Node; a client that never finishes is cut. */
  #linger(): void {
    const request = this.#request
    if (request.complete) return
    const timer = setTimeout(() => request.socket.destroy(), LINGER_MS)
    request.once('close', () => clearTimeout(timer))
  }
}

function pairs(fields: Fields): [string, string][] {
  const raw = fields.toRaw()
  const list: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) list.push([raw[i] ?? '', raw[i + 1] ?? ''])
  return list
}

function ignore(): void {}
