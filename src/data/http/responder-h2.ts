/** The responder over an HTTP/2 stream. A body that breaks off is `destroy`, which sends RST_STREAM. */
import { Http2Code } from '../../wire/http2/frames.ts'
import type { Duplex } from 'node:stream'
import type { RequestStream } from './request-body.ts'
import { Fields } from './fields.ts'
import type { ServerSink, ServerStream } from './h2/contract.ts'
import { hasNoContent, type Responder, type ResponderSink, type ResponseHead } from './responder.ts'

export class Http2Responder implements Responder, ServerSink {
  readonly stream: ServerStream
  #sink: ResponderSink | undefined
  #method = ''
  #continued = false
  #sent = false
  bytesSent = 0

  constructor(stream: ServerStream) {
    this.stream = stream
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
    this.inform(100, Fields.fromRaw([]))
  }

  inform(status: number, fields: Fields): void {
    if (this.stream.headersSent || this.stream.destroyed) return
    this.stream.inform(fields.toHttp2Raw([':status', String(status)]))
  }

  head({ status, fields, contentLength, isWhole }: ResponseHead): void {
    // Gone, with its close still to come.
    if (this.stream.destroyed) return
    const raw = fields.toHttp2Raw([':status', String(status)])
    if (contentLength !== undefined) raw.push('content-length', String(contentLength))
    this.stream.respond(raw, isWhole || hasNoContent(this.#method, status))
  }

  write(chunk: Uint8Array, isLent: boolean): boolean {
    this.bytesSent += chunk.length
    return this.stream.write(chunk, isLent)
  }

  end(trailers: Fields | undefined): void {
    this.stream.end(trailers?.toHttp2Raw([]))
  }

  abort(): void {
    this.stream.destroy()
  }

  upgrade(): Duplex | undefined {
    return undefined
  }

  onDrain(): void {
    this.#sink?.onWritable()
  }

  onFinish(): void {
    this.#sent = true
    this.#sink?.onSent()
  }

  onClose(): void {
    if (!this.#sent) this.#sink?.onGone(this.stream.rstCode !== Http2Code.noError)
  }
}
