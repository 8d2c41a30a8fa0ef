/**
 * The server's side of an HTTP/2 connection: takes requests, refuses what is none, and cuts off a
 * client that resets, or has us reset, more streams than it lets finish (security guide 2.3).
 */
import type { Socket } from 'node:net'
import { CLIENT_PREFACE, Http2Code, Http2Error, Setting } from '../../../wire/http2/frames.ts'
import { requestProblem, trailersProblem } from '../../../wire/http2/message.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../../timer-wheel.ts'
import { httpDate } from '../http-date.ts'
import type { ServerSink, ServerStream, SessionEnd } from './contract.ts'
import { Http2Session } from './session.ts'
import { Http2SessionStream, INITIAL_WINDOW, MAX_WINDOW } from './stream.ts'

/** Resets that are forgiven before they must be fewer than finished exchanges. */
const FREE_RESETS = 100
/** What a request counts that cannot be taken, beside what `message` forgives. */
const UNSEEN_BYTES = 192
/** Of a head or trailer section. */
const MAX_FIELDS = 128

export interface ServerLimits {
  readonly headersMs: number
  readonly headerBytes: number
  readonly streamsPerConnection: number
}

/** Who answers the requests. */
export interface ServerSessionSink {
  /** A request whose head is well-formed; `fields` with pseudo-fields, which come first. */
  onStream(stream: ServerStream, fields: readonly string[]): void
  onSessionEnd(end: SessionEnd): void
  onDefect(error: unknown): void
}

export class ServerSession extends Http2Session implements TimerSink {
  protected lastPeerStream = 0
  readonly #sink: ServerSessionSink
  readonly #maxStreams: number
  /** For the client to acknowledge our settings. */
  readonly #deadline: Deadline
  readonly #settingsMs: number
  #isSettled = false
  #resets = 0
  #finished = 0

  constructor(socket: Socket, limits: ServerLimits, wheel: TimerWheel, sink: ServerSessionSink) {
    const { streamsPerConnection, headerBytes } = limits
    super(socket, {
      ticker: wheel,
      peerPrefix: CLIENT_PREFACE,
      settings: [
        [Setting.maxConcurrentStreams, streamsPerConnection],
        [Setting.maxHeaderListSize, headerBytes],
      ],
      maxListBytes: headerBytes,
      maxFields: MAX_FIELDS,
      // A request that nobody reads on holds no other back.
      connectionWindow: Math.min(streamsPerConnection * INITIAL_WINDOW, MAX_WINDOW),
    })
    this.#sink = sink
    this.#maxStreams = streamsPerConnection
    this.#deadline = new Deadline(wheel, this)
    this.#settingsMs = limits.headersMs
  }

  onDeadline(): void {
    this.fail(new Http2Error(Http2Code.settingsTimeout, 'our settings were not acknowledged'))
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  protected isIdle(id: number): boolean {
    return id % 2 === 0 || id > this.lastPeerStream
  }

  protected headersReceived(id: number, fields: string[] | undefined, endStream: boolean): void {
    const stream = this.streams.get(id)
    if (stream !== undefined) this.#trailersReceived(stream, fields, endStream)
    else if (id % 2 === 0) throw new Http2Error(Http2Code.protocolError, 'a stream of even number')
    else if (id > this.lastPeerStream) this.#begin(id, fields, endStream)
    else throw new Http2Error(Http2Code.streamClosed, 'HEADERS on a stream that is over')
  }

  #begin(id: number, fields: string[] | undefined, endStream: boolean): void {
    // Without requests its silence is the connection's.
    if (this.lastPeerStream === 0 && !this.#isSettled) this.#deadline.arm(this.#settingsMs)
    this.lastPeerStream = id
    this.guard.message()
    if (this.closed || this.streams.size >= this.#maxStreams) this.#refuseUnseen(id)
    else if (fields === undefined) this.#refuse(id, Http2Code.enhanceYourCalm)
    else if (requestProblem(fields) !== undefined) this.#refuse(id, Http2Code.protocolError)
    else {
      const stream = new HttpServerStream(this, id, fields, endStream)
      this.streams.add(stream)
      if (endStream && !stream.isContentWhole) stream.reset(Http2Code.protocolError)
      else {
        this.#sink.onStream(stream, fields)
        if (endStream) stream.endReceived()
      }
    }
  }

  /** What they say does not go on. */
  #trailersReceived(
    stream: Http2SessionStream,
    fields: string[] | undefined,
    endStream: boolean,
  ): void {
    this.guard.message()
    if (stream.hasEnd) stream.reset(Http2Code.streamClosed)
    else if (fields === undefined) stream.reset(Http2Code.enhanceYourCalm)
    else if (!endStream || trailersProblem(fields) !== undefined || !stream.isContentWhole) {
      stream.reset(Http2Code.protocolError)
    } else stream.endReceived()
  }

  /** It may not know better yet: then it is no reset, but a frame for nothing. */
  #refuseUnseen(id: number): void {
    if (this.closed || !this.#isSettled) {
      this.layReset(id, Http2Code.refusedStream)
      this.useless(UNSEEN_BYTES)
    } else this.#refuse(id, Http2Code.refusedStream)
  }

  #refuse(id: number, code: number): void {
    this.layReset(id, code)
    this.#countReset()
  }

  #countReset(): void {
    this.#resets += 1
    if (this.#resets > FREE_RESETS + this.#finished) this.flooded('too many streams reset')
  }

  protected streamEnded(stream: Http2SessionStream): void {
    // An answer that was whole may have been followed by a reset, of the rest of the request.
    if (stream.writableFinished) this.#finished += 1
    else if (!this.destroyed) this.#countReset()
  }

  /** It begins nothing more. */
  protected goawayReceived(): void {
    this.close()
  }

  protected settingsReceived(): void {}

  protected settingsAcknowledged(): void {
    this.#isSettled = true
    this.#deadline.cancel()
  }

  protected sessionEnded(end: SessionEnd): void {
    this.#deadline.cancel()
    this.#sink.onSessionEnd(end)
  }
}

class HttpServerStream extends Http2SessionStream implements ServerStream {
  readonly endAfterHeaders: boolean
  headersSent = false
  #sink: ServerSink | undefined = undefined
  #onData: ((chunk: Buffer) => void) | undefined = undefined
  #onEnd: (() => void) | undefined = undefined

  constructor(session: ServerSession, id: number, fields: readonly string[], endStream: boolean) {
    super(session, id)
    this.endAfterHeaders = endStream
    this.contentLeft = contentLength(fields)
  }

  set sink(sink: ServerSink) {
    this.#sink = sink
  }

  on(event: 'data', listener: (chunk: Buffer) => void): void
  on(event: 'end', listener: () => void): void
  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): void {
    if (event === 'data') this.#onData = listener
    else this.#onEnd = listener as () => void
  }

  /** There is one listener at a time. */
  off(event: 'data' | 'end'): void {
    if (event === 'data') this.#onData = undefined
    else this.#onEnd = undefined
  }

  respond(raw: string[], endStream: boolean): void {
    if (this.destroyed) return
    if (!hasDate(raw)) raw.push('date', httpDate())
    this.session.layHeaders(this, raw, endStream)
    this.headersSent = true
    if (endStream) this.endedByHeaders()
  }

  /** A client that does not read needs no hints. */
  inform(raw: string[]): void {
    if (this.destroyed || (this.session.writer.isBlocked && raw[1] !== '100')) return
    this.session.layHeaders(this, raw, false)
  }

  protected tellData(chunk: Buffer): void {
    this.#onData?.(chunk)
  }

  protected tellEnd(): void {
    this.#onEnd?.()
  }

  protected tellDrain(): void {
    this.#sink?.onDrain()
  }

  /** Nobody reads what is left of the request (RFC 9113 section 8.1). */
  protected tellFinish(): void {
    this.#sink?.onFinish()
    if (!this.hasEnd) this.reset(Http2Code.noError)
  }

  /** What was not read of the request is of no use to anybody. */
  protected tellClose(): void {
    this.#onData = undefined
    this.#onEnd = undefined
    this.#sink?.onClose()
  }
}

/** undefined: it says none, or none that can be read; that is refused above. */
function contentLength(fields: readonly string[]): number | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'content-length') continue
    const text = fields[i + 1] ?? ''
    return DIGITS.test(text) ? Number(text) : undefined
  }
  return undefined
}

const DIGITS = /^[0-9]{1,15}$/

function hasDate(raw: readonly string[]): boolean {
  for (let i = 0; i < raw.length; i += 2) if (raw[i] === 'date') return true
  return false
}
