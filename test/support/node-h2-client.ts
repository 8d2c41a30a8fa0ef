/**
 * HTTP/2 upstreams through node:http2, one session for each call: what gwproxy used before its own
 * client, now the oracle of that one. A response is whole only after a true END_STREAM; resets that
 * Node reports as a clean end are told apart here.
 */
import http2, { constants } from 'node:http2'
import { errnoOf } from '../../src/base/errors.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamEvents,
  UpstreamRequest,
} from '../../src/data/http/upstream-client.ts'
import type { Endpoint } from '../../src/model/upstream.ts'

export interface NodeHttp2Options {
  readonly headerBytes: number
}

export class NodeHttp2Client implements UpstreamClient {
  readonly #authority: string
  readonly #options: NodeHttp2Options

  constructor(endpoint: Endpoint, options: NodeHttp2Options) {
    if (endpoint.kind !== 'ip') throw new Error('an address is wanted')
    this.#authority = `http://${endpoint.address}:${endpoint.port}`
    this.#options = options
  }

  request(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall {
    const options = {
      maxHeaderListPairs: 256,
      // The types know it for servers only.
      strictSingleValueFields: false,
      settings: { enablePush: false, maxHeaderListSize: this.#options.headerBytes },
    }
    const session = http2.connect(this.#authority, options)
    return new NodeCall(session, request, events)
  }

  close(): void {}
}

class NodeCall implements UpstreamCall {
  readonly #session: http2.ClientHttp2Session
  readonly #events: UpstreamEvents
  #stream: http2.ClientHttp2Stream | undefined
  #trailers: readonly string[] = []
  #failure: Error | undefined
  #hasHead = false
  #isWhole = false
  #over = false

  constructor(session: http2.ClientHttp2Session, request: UpstreamRequest, events: UpstreamEvents) {
    this.#session = session
    this.#events = events
    session.on('error', (error) => this.#fail(error, true))
    session.on('connect', () => this.#open(request))
  }

  pause(): void {
    this.#stream?.pause()
  }

  resume(): void {
    this.#stream?.resume()
  }

  abort(): void {
    this.#over = true
    this.#session.destroy()
  }

  #open(request: UpstreamRequest): void {
    const { method, target, host, fields, contentLength, body } = request
    const raw = [':method', method, ':path', target, ':scheme', 'http', ':authority', host]
    raw.push(...fields.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text)))
    if (contentLength !== undefined) raw.push('content-length', String(contentLength))
    const stream = this.#session.request(raw, { endStream: body === undefined })
    this.#stream = stream
    this.#events.onConnected()
    this.#watchEnd(stream)
    stream.on('headers', (headers, _flags, list) =>
      this.#events.onInformation(Number(headers[':status']), fieldsOf(list)),
    )
    stream.on('response', (headers, flags, list) => {
      this.#hasHead = true
      const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
      this.#events.onHead(Number(headers[':status']), fieldsOf(list), isWhole)
    })
    stream.on('trailers', (_headers, _flags, list) => {
      this.#trailers = fieldsOf(list)
    })
    stream.on('data', (chunk: Buffer) => this.#events.onData(chunk, false))
    stream.on('drain', () => body?.resume())
    stream.on('error', (error: Error) => {
      this.#failure = error
    })
    stream.on('end', () => this.#end())
    stream.on('close', () => this.#fail(this.#failure, false))
    if (body === undefined) return
    body.on('data', (chunk) => {
      if (!stream.write(chunk)) body.pause()
    })
    body.on('end', () => stream.end())
    body.resume()
  }

  /** Node ends the readable side for END_STREAM and for every reset alike, but for a reset only after the close. */
  #watchEnd(stream: http2.ClientHttp2Stream): void {
    const push = stream.push.bind(stream)
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !stream.closed && !stream.destroyed) this.#isWhole = true
      return push(chunk, encoding)
    }
  }

  #end(): void {
    if (this.#over || !this.#isWhole || !this.#hasHead) return
    this.#over = true
    this.#session.destroy()
    this.#events.onEnd(this.#trailers)
  }

  #fail(error: Error | undefined, isSession: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#session.destroy()
    const refused = this.#stream?.rstCode === constants.NGHTTP2_REFUSED_STREAM
    const unsent = refused || this.#stream === undefined
    const code = error === undefined ? undefined : errnoOf(error)
    const isRefused = refused || code === 'ECONNREFUSED'
    const lost = isSession && unsent ? 'connect-failed' : 'upstream-reset'
    this.#events.onError({
      reason: isRefused ? 'connect-refused' : lost,
      detail: error?.message ?? '',
      unsent,
    })
  }
}

function fieldsOf(raw: readonly string[] = []): string[] {
  const fields: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.startsWith(':') === false) fields.push(raw[i] ?? '', raw[i + 1] ?? '')
  }
  return fields
}
