/**
 * The responder over an HTTP/2 stream, on Node's core stream API. A body that breaks off is
 * `destroy(error)`, which sends RST_STREAM: `close(code)` would end it cleanly (platform.md 7).
 */
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { RequestStream } from './request-body.ts'
import { Fields } from './fields.ts'
import { hasNoContent, type Responder, type ResponderSink, type ResponseHead } from './responder.ts'

export class Http2Responder implements Responder {
  readonly #stream: ServerHttp2Stream
  readonly #method: string
  #trailers: Fields | undefined
  #continued = false
  #ended = false
  #owesTrailers = false
  #sent = false
  bytesSent = 0

  constructor(stream: ServerHttp2Stream, method: string) {
    this.#stream = stream
    this.#method = method
  }

  get body(): RequestStream {
    return this.#stream
  }

  get bodyComplete(): boolean {
    return this.#stream.readableEnded || this.#stream.endAfterHeaders
  }

  attach(sink: ResponderSink): void {
    const stream = this.#stream
    stream.on('error', ignore)
    stream.on('drain', () => sink.onWritable())
    stream.on('wantTrailers', () => this.#sendTrailers())
    stream.on('finish', () => {
      if (stream.aborted) return
      this.#onSent(sink)
      if (!this.#owesTrailers) this.#closeRest()
    })
    stream.on('close', () => {
      // Node may close a stream whose last frame is out without a 'finish'.
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) this.#onSent(sink)
      if (!this.#sent) sink.onGone(stream.rstCode !== constants.NGHTTP2_NO_ERROR)
    })
  }

  sendContinue(): void {
    if (this.#continued) return
    this.#continued = true
    this.inform(constants.HTTP_STATUS_CONTINUE, Fields.fromRaw([]))
  }

  inform(status: number, fields: Fields): void {
    if (this.#stream.headersSent || this.#stream.destroyed) return
    this.#stream.additionalHeaders({ ...fields.toHttp2(), ':status': status })
  }

  head({ status, fields, contentLength, isWhole }: ResponseHead): void {
    // Gone, with its 'close' still to come.
    if (this.#stream.destroyed || this.#stream.closed) return
    const headers = fields.toHttp2()
    if (contentLength !== undefined) headers['content-length'] = String(contentLength)
    const endStream = isWhole || hasNoContent(this.#method, status)
    this.#ended = endStream
    this.#owesTrailers = !endStream && contentLength === undefined
    this.#stream.respond(Object.assign(headers, { ':status': status }), {
      endStream,
      waitForTrailers: this.#owesTrailers,
    })
  }

  write(chunk: Uint8Array): boolean {
    this.bytesSent += chunk.length
    return this.#stream.write(chunk)
  }

  end(trailers: Fields | undefined): void {
    this.#trailers = trailers
    this.#ended = true
    this.#stream.end()
  }

  abort(): void {
    if (!this.#stream.destroyed) this.#stream.destroy(new Error('exchange broken off'))
  }

  /** The answer is complete; nobody reads the rest of the request (RFC 9113 section 8.1). */
  #closeRest(): void {
    if (!this.bodyComplete && !this.#stream.destroyed) {
      this.#stream.close(constants.NGHTTP2_NO_ERROR)
    }
  }

  #sendTrailers(): void {
    this.#owesTrailers = false
    try {
      this.#stream.sendTrailers(this.#trailers?.toHttp2() ?? {})
      // 'finish' may have come before: closed then, the stream would end without them.
      if (this.#stream.writableFinished) setImmediate(() => this.#closeRest())
    } catch (error) {
      this.#stream.destroy(error instanceof Error ? error : undefined)
    }
  }

  #onSent(sink: ResponderSink): void {
    // Node also finishes a stream by itself when the client resets it.
    if (this.#sent || !this.#ended) return
    this.#sent = true
    sink.onSent()
  }

  upgrade(): Duplex | undefined {
    return undefined
  }
}

function ignore(): void {}
