/** Node's own HTTP/2 streams: public API only, for a Node whose handles are not as we know them. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type {
  ClientSink,
  ClientStream,
  Http2Stream,
  RespondOptions,
  ServerSink,
  ServerStream,
} from './handle-contract.ts'

type Status = Pick<IncomingHttpHeaders, ':status'>

abstract class NodeStream<Own extends ServerHttp2Stream | ClientHttp2Stream>
  implements Http2Stream
{
  protected readonly own: Own

  constructor(own: Own) {
    this.own = own
  }

  get destroyed(): boolean {
    return this.own.destroyed
  }

  get closed(): boolean {
    return this.own.closed
  }

  get rstCode(): number | undefined {
    return this.own.rstCode
  }

  get writableFinished(): boolean {
    return this.own.writableFinished
  }

  write(chunk: Uint8Array): boolean {
    return this.own.write(chunk)
  }

  end(): void {
    this.own.end()
  }

  destroy(error: Error): void {
    this.own.destroy(error)
  }

  pause(): void {
    this.own.pause()
  }

  resume(): void {
    this.own.resume()
  }
}

export class NodeServerStream extends NodeStream<ServerHttp2Stream> implements ServerStream {
  constructor(own: ServerHttp2Stream) {
    super(own)
    own.on('error', ignore)
  }

  set sink(sink: ServerSink) {
    const { own } = this
    const push = own.push.bind(own)
    own.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
      if (chunk !== null) sink.onContent(chunk.length)
      return push(chunk, encoding)
    }
    own.on('finish', () => sink.onFinish())
    own.on('drain', () => sink.onDrain())
    own.on('wantTrailers', () => sink.onWantTrailers())
    own.on('close', () => sink.onClose())
  }

  get aborted(): boolean {
    return this.own.aborted
  }

  get endAfterHeaders(): boolean {
    return this.own.endAfterHeaders
  }

  get headersSent(): boolean {
    return this.own.headersSent
  }

  get readableEnded(): boolean {
    return this.own.readableEnded
  }

  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): void {
    this.own.on(event, listener)
  }

  off(event: 'data' | 'end', listener: (chunk: Buffer) => void): void {
    this.own.off(event, listener)
  }

  respond(raw: string[], options: RespondOptions): void {
    this.own.respond(raw, options)
  }

  inform(raw: string[]): void {
    this.own.additionalHeaders(fieldRecord(raw))
  }

  sendTrailers(raw: string[]): void {
    this.own.sendTrailers(fieldRecord(raw))
  }

  close(code: number): void {
    this.own.close(code)
  }
}

/**
 * Node ends the readable side for END_STREAM and for every reset alike, but for a reset only
 * after the stream was closed. 'end' itself may come much later, when data is waiting.
 */
class NodeClientStream extends NodeStream<ClientHttp2Stream> implements ClientStream {
  #isWhole = false

  constructor(own: ClientHttp2Stream, sink: ClientSink) {
    super(own)
    this.#watchEnd()
    let failure: Error | undefined
    own.on('headers', (headers: Status, _flags: number, raw?: string[]) =>
      sink.onInterim(Number(headers[':status']), raw ?? []),
    )
    own.on('response', (headers: Status, flags: number, raw?: string[]) =>
      sink.onResponse(Number(headers[':status']), raw ?? [], flags),
    )
    own.on('trailers', (_headers: Status, _flags: number, raw?: string[]) =>
      sink.onTrailers(raw ?? []),
    )
    own.on('data', (chunk: Buffer) => sink.onData(chunk))
    own.on('end', () => {
      if (this.#isWhole) sink.onEnd()
    })
    own.on('drain', () => sink.onDrain())
    own.on('error', (error) => {
      failure = error
    })
    own.on('close', () => sink.onClose(failure))
  }

  #watchEnd(): void {
    const { own } = this
    const push = own.push.bind(own)
    own.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !own.closed && !own.destroyed) this.#isWhole = true
      return push(chunk, encoding)
    }
  }
}

/** Throws as `requestOnHandle`. */
export function requestOnNode(
  session: ClientHttp2Session,
  raw: readonly string[],
  endStream: boolean,
  sink: ClientSink,
): ClientStream {
  return new NodeClientStream(session.request(raw, { endStream }), sink)
}

/** Repeated names as arrays, no prototype. */
export function fieldRecord(raw: readonly string[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = Object.create(null)
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [key, value] = [raw[i] ?? '', raw[i + 1] ?? '']
    const held = fields[key]
    if (held === undefined) fields[key] = value
    else if (Array.isArray(held)) held.push(value)
    else fields[key] = [held, value]
  }
  return fields
}

export function isEndStream(flags: number): boolean {
  return (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
}

function ignore(): void {}
