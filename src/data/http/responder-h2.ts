/**
 * The responder over an HTTP/2 stream. A body that breaks off is `destroy(error)`, which sends
 * RST_STREAM: `close(code)` would end it cleanly (platform.md 7).
 */
import { constants } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { RequestStream } from './request-body.ts'
import { Fields } from './fields.ts'
import type { ServerSink } from './h2/contract.ts'
import type { FloodGuard } from './h2/flood-guard.ts'
import type { AcceptedStream } from './h2/streams.ts'
import { hasNoContent, type Responder, type ResponderSink, type ResponseHead } from './responder.ts'

/** The connection below. */
export interface Http2Link {
  readonly guard: FloodGuard
  /** Told of every stream, whether it was answered or not. */
  onStreamClosed(stream: AcceptedStream): void
}

export class Http2Responder implements Responder, ServerSink {
  readonly stream: AcceptedStream
  readonly #link: Http2Link
  #sink: ResponderSink | undefined
  #method = ''
  #trailers: Fields | undefined
  #continued = false
  #ended = false
  #owesTrailers = false
  #sent = false
  bytesSent = 0

  constructor(stream: AcceptedStream, link: Http2Link) {
    this.stream = stream
    this.#link = link
    stream.sink = this
  }

  get body(): RequestStream {
    return this.stream
  }

  get bodyComplete(): boolean {
    return this.stream.readableEnded || this.stream.endAfterHeaders
  }

  /** The request was read. */
  begin(method: string): void {
    this.#method = method
  }

  attach(sink: ResponderSink): void {
    this.#sink = sink
  }

  sendContinue(): void {
    if (this.#continued) return
    this.#continued = true
    this.inform(constants.HTTP_STATUS_CONTINUE, Fields.fromRaw([]))
  }

  inform(status: number, fields: Fields): void {
    if (this.stream.headersSent || this.stream.destroyed) return
    this.stream.inform(fields.toHttp2Raw([':status', String(status)]))
  }

  head({ status, fields, contentLength, isWhole, mayTrail }: ResponseHead): void {
    // Gone, with its 'close' still to come.
    if (this.stream.destroyed || this.stream.closed) return
    const raw = fields.toHttp2Raw([':status', String(status)])
    if (contentLength !== undefined) raw.push('content-length', String(contentLength))
    const endStream = isWhole || hasNoContent(this.#method, status)
    this.#ended = endStream
    this.#owesTrailers = !endStream && (mayTrail === true || contentLength === undefined)
    this.stream.respond(raw, { endStream, waitForTrailers: this.#owesTrailers })
  }

  write(chunk: Uint8Array, isLent: boolean): boolean {
    this.bytesSent += chunk.length
    this.#link.guard.content(chunk.length)
    return this.stream.write(isLent ? Buffer.from(chunk) : chunk)
  }

  end(trailers: Fields | undefined): void {
    this.#trailers = trailers
    this.#ended = true
    this.stream.end()
  }

  abort(): void {
    if (this.stream.destroyed) return
    if (!this.bodyComplete) this.#link.guard.cutStream()
    this.stream.destroy(new Error('exchange broken off'))
  }

  upgrade(): Duplex | undefined {
    return undefined
  }

  onContent(bytes: number): void {
    this.#link.guard.content(bytes)
  }

  onDrain(): void {
    this.#sink?.onWritable()
  }

  onFinish(): void {
    if (this.stream.aborted) return
    this.#onSent()
    if (!this.#owesTrailers) this.#closeRest()
  }

  onClose(): void {
    const { stream } = this
    this.#link.onStreamClosed(stream)
    // Node may close a stream whose last frame is out without a 'finish'.
    if (stream.rstCode === constants.NGHTTP2_NO_ERROR) this.#onSent()
    if (!this.#sent) this.#sink?.onGone(stream.rstCode !== constants.NGHTTP2_NO_ERROR)
  }

  onWantTrailers(): void {
    this.#owesTrailers = false
    try {
      this.stream.sendTrailers(this.#trailers?.toHttp2Raw([]) ?? [])
      // 'finish' may have come before: closed then, the stream would end without them.
      if (this.stream.writableFinished) setImmediate(() => this.#closeRest())
    } catch (error) {
      this.stream.destroy(error instanceof Error ? error : new Error('trailers'))
    }
  }

  /** The answer is complete; nobody reads the rest of the request (RFC 9113 section 8.1). */
  #closeRest(): void {
    if (this.bodyComplete || this.stream.destroyed || this.stream.closed) return
    this.#link.guard.cutStream()
    this.stream.close(constants.NGHTTP2_NO_ERROR)
  }

  #onSent(): void {
    // Node also finishes a stream by itself when the client resets it.
    if (this.#sent || !this.#ended) return
    this.#sent = true
    this.#sink?.onSent()
  }
}
