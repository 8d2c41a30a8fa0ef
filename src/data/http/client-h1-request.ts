/**
 * What an HTTP/1.1 upstream is sent: the head as one text, framing made here and never copied, and a
 * body pulled at the pace of the socket.
 */
import type { Socket } from 'node:net'
import type { Reason } from '../../model/outcome.ts'
import type { UpstreamBody, UpstreamRequest } from './upstream-client.ts'

/** Requests for which a missing length could mean a missing body (RFC 9110 section 8.6). */
const EXPECT_CONTENT: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])
/** The last line of defence: whoever made the request, it stays one request. */
const NOT_TOKEN = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/
const NOT_TEXT = /[^\t\x20-\x7e\x80-\xff]/
const NOT_TARGET = /[^\x21-\x7e]/

/** All lines but the empty one, latin1; undefined: no request could look like this. */
export function requestHead(request: UpstreamRequest): string | undefined {
  const { method, target, host, fields, body, contentLength, websocket } = request
  if (method === '' || NOT_TOKEN.test(method) || target === '' || NOT_TARGET.test(target)) {
    return undefined
  }
  if (NOT_TEXT.test(host)) return undefined
  let text = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n`
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string
    const value = fields[i + 1] as string
    if (name === '' || NOT_TOKEN.test(name) || NOT_TEXT.test(value)) return undefined
    text += `${name}: ${value}\r\n`
    // RFC 9110 section 10.1.4: TE belongs to one connection.
    if (name.length === 2 && name.toLowerCase() === 'te') text += 'Connection: TE\r\n'
  }
  // The client's own Upgrade value never goes on.
  if (websocket) return `${text}Connection: Upgrade\r\nUpgrade: websocket\r\n`
  if (body === undefined) return EXPECT_CONTENT.has(method) ? `${text}Content-Length: 0\r\n` : text
  return contentLength === undefined
    ? `${text}Transfer-Encoding: chunked\r\n`
    : `${text}Content-Length: ${contentLength}\r\n`
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
