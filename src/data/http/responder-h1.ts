/**
 * The responder over HTTP/1.1: frames the response (a length, chunks, or the end of the connection
 * for HTTP/1.0) and keeps to what it promised: a body that is longer or shorter breaks visibly.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Outcome } from '../../model/outcome.ts'
import { HeadWriter } from '../../wire/http1/head-writer.ts'
import type { RequestStream } from './request-body.ts'
import type { Fields } from './fields.ts'
import { httpDate } from './http-date.ts'
import { type IncomingBody, noBody } from './incoming-body.ts'
import type { Http1Output } from './output-h1.ts'
import { hasNoContent, type Responder, type ResponderSink, type ResponseHead } from './responder.ts'

/** What the answer to a request depends on. */
export interface Http1Asked {
  readonly method: string
  readonly minorVersion: number
  /** The client can send another request on this connection. */
  readonly persistent: boolean
  /** undefined: it has none. */
  readonly body: IncomingBody | undefined
}

/** The connection below. */
export interface Http1Link {
  readonly output: Http1Output
  /** After what was written: no further exchange. */
  finish(): void
  /** At once, as the outcome says: a FIN would end what has no framing. */
  cut(outcome: Outcome): void
  /** Bytes that came behind the request are unshifted. */
  detach(): Duplex
}

type Framing = 'none' | 'length' | 'chunked' | 'until-close'

/** Of a thread. */
const writer = new HeadWriter()

export class Http1Responder implements Responder {
  readonly #asked: Http1Asked
  readonly #link: Http1Link
  #sink: ResponderSink | undefined
  #framing: Framing = 'none'
  /** Of a body of known length: what is missing. */
  #left = 0
  #isLast = false
  #continued = false
  #headSent = false
  #state: 'open' | 'ended' | 'over' = 'open'
  bytesSent = 0

  constructor(asked: Http1Asked, link: Http1Link) {
    this.#asked = asked
    this.#link = link
  }

  get body(): RequestStream {
    return this.#asked.body?.stream ?? noBody()
  }

  get bodyComplete(): boolean {
    return this.#asked.body?.isComplete ?? true
  }

  attach(sink: ResponderSink): void {
    this.#sink = sink
  }

  sendContinue(): void {
    if (this.#continued || this.#state !== 'open') return
    this.#continued = true
    this.#say('HTTP/1.1 100 Continue\r\n\r\n')
  }

  inform(status: number, fields: Fields): void {
    // HTTP/1.0 knows no interim responses; clients of HTTP/1.1 are not used to others than this.
    if (status !== 103 || this.#asked.minorVersion === 0) return
    if (this.#headSent || this.#state !== 'open') return
    beginHead(103, fields)
    writer.line()
    this.#sayWritten()
  }

  head({ status, fields, contentLength }: ResponseHead, close: boolean): void {
    if (this.#state !== 'open') return
    const { method, minorVersion, persistent } = this.#asked
    const framing = framingOf(method, status, contentLength, minorVersion)
    const isLast = close || !persistent || framing === 'until-close'
    beginHead(status, fields)
    if (contentLength !== undefined) writer.field('Content-Length', String(contentLength))
    else if (framing === 'chunked') writer.text('Transfer-Encoding: chunked\r\n')
    if (isLast) writer.text('Connection: close\r\n')
    else if (minorVersion === 0) writer.text('Connection: keep-alive\r\n')
    if (!fields.has('date')) writer.field('Date', httpDate())
    writer.line()
    this.#framing = framing
    this.#left = framing === 'length' ? (contentLength ?? 0) : 0
    this.#isLast = isLast
    this.#headSent = true
    this.#sayWritten()
  }

  write(chunk: Uint8Array, isLent: boolean): boolean {
    const { output } = this.#link
    const { length } = chunk
    if (this.#state !== 'open' || this.#framing === 'none' || length === 0) return true
    if (this.#framing === 'length') {
      this.#left -= length
      // More than was promised: nothing of it goes out, and the end will not be one.
      if (this.#left < 0) return true
    }
    this.bytesSent += length
    if (this.#framing === 'chunked') output.add(`${length.toString(16)}\r\n`)
    if (isLent) output.addLent(chunk)
    else output.add(chunk)
    if (this.#framing === 'chunked') output.add('\r\n')
    return output.send()
  }

  end(trailers: Fields | undefined): void {
    if (this.#state !== 'open') return
    if (this.#left !== 0) throw new Error('not the length that was announced')
    const { output } = this.#link
    if (this.#framing === 'chunked') output.addLent(lastChunk(trailers))
    this.#state = 'ended'
    output.flushSoon()
  }

  abort(outcome: Outcome): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    // Where length or chunks tell that something is missing, a FIN lets the client read what came.
    if (this.#framing === 'until-close') this.#link.cut(outcome)
    else this.#link.finish()
  }

  upgrade(fields: Fields): Duplex | undefined {
    if (this.#state !== 'open') return undefined
    const { output } = this.#link
    beginHead(101, fields)
    writer.text('Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    this.#framing = 'until-close'
    output.addLent(writer.bytes)
    output.flush()
    return this.#link.detach()
  }

  /** What was written is in the socket. */
  onFlushed(): void {
    if (this.#state === 'ended' && !this.#link.output.isBlocked) this.#sent()
  }

  /** The socket takes more. */
  onDrain(): void {
    if (this.#state === 'open') this.#sink?.onWritable()
    else if (this.#state === 'ended' && this.#link.output.flush()) this.#sent()
  }

  /** The connection is gone. */
  onGone(reset: boolean): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#sink?.onGone(reset)
  }

  #say(text: string): void {
    const { output } = this.#link
    output.add(text)
    output.send()
  }

  #sayWritten(): void {
    const { output } = this.#link
    output.addLent(writer.bytes)
    output.send()
  }

  #sent(): void {
    this.#state = 'over'
    if (this.#isLast) this.#link.finish()
    this.#sink?.onSent()
  }
}

function framingOf(
  method: string,
  status: number,
  contentLength: number | undefined,
  minorVersion: number,
): Framing {
  if (hasNoContent(method, status)) return 'none'
  if (contentLength !== undefined) return 'length'
  return minorVersion === 0 ? 'until-close' : 'chunked'
}

function beginHead(status: number, fields: Fields): void {
  writer.begin()
  writer.text(statusLine(status))
  fields.writeLines(writer)
}

function lastChunk(trailers: Fields | undefined): Uint8Array {
  writer.begin()
  writer.text('0\r\n')
  trailers?.writeLines(writer)
  writer.line()
  return writer.bytes
}

const STATUS_LINES: string[] = []

function statusLine(status: number): string {
  const known = STATUS_LINES[status]
  if (known !== undefined) return known
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`
  STATUS_LINES[status] = line
  return line
}
