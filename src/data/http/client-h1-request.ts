/**
 * What an HTTP/1.1 upstream is sent: the head in one piece, framing made here and never copied, and a
 * body pulled at the pace of the socket.
 */
import type { Socket } from 'node:net'
import type { Reason } from '../../model/outcome.ts'
import { HeadWriter } from '../../wire/http1/head-writer.ts'
import type { UpstreamBody, UpstreamRequest } from './upstream-client.ts'

/** Requests for which a missing length could mean a missing body (RFC 9110 section 8.6). */
const EXPECT_CONTENT: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])
const END_OF_LINE_BYTES = 2
const LAST_LINES = Buffer.from('Connection: close\r\n\r\n')
/** Of a thread. */
const writer = new HeadWriter()

/** undefined: no request could look like this. */
export function requestHead(request: UpstreamRequest): Buffer | undefined {
  const { method, target, host, fields } = request
  writer.begin()
  if (!writer.request(method, target)) return undefined
  writer.text(' HTTP/1.1\r\n')
  if (!writer.field('Host', host)) return undefined
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string
    if (!writer.field(name, fields[i + 1] as string)) return undefined
    // RFC 9110 section 10.1.4: TE belongs to one connection.
    if (name.length === 2 && name.toLowerCase() === 'te') writer.text('Connection: TE\r\n')
  }
  writer.text(framingOf(request))
  writer.line()
  return writer.copy()
}

/** The same head for the last request of its connection. */
export function lastHead(head: Buffer): Buffer {
  return Buffer.concat([head.subarray(0, head.length - END_OF_LINE_BYTES), LAST_LINES])
}

function framingOf({ method, body, contentLength, websocket }: UpstreamRequest): string {
  // The client's own Upgrade value never goes on.
  if (websocket) return 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
  if (body === undefined) return EXPECT_CONTENT.has(method) ? 'Content-Length: 0\r\n' : ''
  return contentLength === undefined
    ? 'Transfer-Encoding: chunked\r\n'
    : `Content-Length: ${contentLength}\r\n`
}

export interface BodyWriterSink {
  /** Neither the whole body nor anything that could follow it will be sent. */
  onBodyBroken(reason: Reason, detail: string): void
}

/** Sends one body on a socket; the head was written before. Only the socket's owner ends it. */
export class BodyWriter {
  readonly #body: UpstreamBody
  readonly #socket: Socket
  readonly #sink: BodyWriterSink
  /** Bytes that the head has promised; undefined: chunked. */
  #left: number | undefined
  /** The head waits for the first bytes, to go in one packet with them. */
  #corked = true
  /** All of it was handed to the socket. */
  isDone = false

  constructor(
    body: UpstreamBody,
    contentLength: number | undefined,
    socket: Socket,
    sink: BodyWriterSink,
  ) {
    this.#body = body
    this.#left = contentLength
    this.#socket = socket
    this.#sink = sink
  }

  /** The socket is corked, with the head in it. */
  start(): void {
    const body = this.#body
    body.on('data', this.#onData)
    body.on('end', this.#onEnd)
    body.on('close', this.#onClose)
    body.resume()
    // What is slower than this turn of the loop is not waited for.
    setImmediate(uncork, this)
  }

  /** The socket takes more. */
  resume(): void {
    if (!this.isDone) this.#body.resume()
  }

  /** Idempotent: nothing more of the body is wanted. */
  stop(): void {
    if (this.isDone) return
    this.isDone = true
    this.#body.off('data', this.#onData)
    this.#body.off('end', this.#onEnd)
    this.#body.off('close', this.#onClose)
    this.#body.destroy()
  }

  uncork(): void {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.isDone || chunk.length === 0) return
    if (!this.#write(chunk)) this.#body.pause()
  }

  /** false: the socket is full. */
  #write(chunk: Buffer): boolean {
    const socket = this.#socket
    if (this.#left === undefined) {
      if (!this.#corked) socket.cork()
      this.#corked = true
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      socket.write(chunk)
      const more = socket.write('\r\n', 'latin1')
      this.uncork()
      return more
    }
    this.#left -= chunk.length
    if (this.#left < 0) {
      this.#break('internal-error', 'more body than its length')
      return true
    }
    const more = socket.write(chunk)
    this.uncork()
    return more
  }

  readonly #onEnd = (): void => {
    if (this.isDone) return
    if (this.#left === undefined) this.#socket.write('0\r\n\r\n', 'latin1')
    else if (this.#left > 0) {
      this.#break('internal-error', 'less body than its length')
      return
    }
    this.isDone = true
    this.uncork()
  }

  readonly #onClose = (): void => {
    if (!this.isDone) this.#break('client-closed', 'the request broke off')
  }

  #break(reason: Reason, detail: string): void {
    this.stop()
    this.#sink.onBodyBroken(reason, detail)
  }
}

function uncork(writer: BodyWriter): void {
  writer.uncork()
}
