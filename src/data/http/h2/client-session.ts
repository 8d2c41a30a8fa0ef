/**
 * The client's side of an HTTP/2 connection: asks, and takes what is an answer. Of what is none its
 * stream is reset; what breaks the connection's rules ends the connection, and all streams with it.
 */
import type { Socket } from 'node:net'
import { CLIENT_PREFACE, Http2Code, Http2Error, Setting } from '../../../wire/http2/frames.ts'
import { responseProblem, trailersProblem } from '../../../wire/http2/message.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../../timer-wheel.ts'
import type { ClientSink, ClientStream, SessionEnd, StreamLoss } from './contract.ts'
import { Http2Session } from './session.ts'
import { Http2SessionStream, INITIAL_WINDOW } from './stream.ts'

/** At once; never more than the upstream allows. Until its settings say otherwise, so many as well. */
export const MAX_STREAMS = 100
/** Fields of a head or trailer section. */
const MAX_FIELDS = 256
/** Of one answer; more than are handed on. */
const MAX_INTERIM = 64
const MAX_STREAM_ID = 2 ** 31 - 1
/** For the answer to PING, when there is doubt that anybody is there. */
const PROBE_MS = 5000

export interface ClientSessionOptions {
  readonly headerBytes: number
  readonly wheel: TimerWheel
  /** Bytes of the socket's reads are valid during their callback only: see `read`. */
  readonly borrows: boolean
  /** Of the first stream: 1. */
  readonly firstId?: number
}

export interface ClientSessionSink {
  /** No stream runs any more. */
  onIdle(): void
  /** The last that is told. */
  onSessionEnd(end: SessionEnd): void
}

export class ClientSession extends Http2Session implements TimerSink {
  readonly #sink: ClientSessionSink
  protected readonly lastPeerStream = 0
  readonly #probe: Deadline
  /** A PING is open, or nothing but its answer came since. */
  #isProbed = false
  #nextId: number
  /** Why it was given up, where the socket does not say. */
  #problem: string | undefined

  constructor(socket: Socket, options: ClientSessionOptions, sink: ClientSessionSink) {
    super(socket, {
      ticker: options.wheel,
      prefix: CLIENT_PREFACE,
      settings: [
        [Setting.enablePush, 0],
        [Setting.maxHeaderListSize, options.headerBytes],
      ],
      maxListBytes: options.headerBytes,
      maxFields: MAX_FIELDS,
      // An answer that nobody reads on holds no other back.
      connectionWindow: MAX_STREAMS * INITIAL_WINDOW,
      borrows: options.borrows,
    })
    this.#sink = sink
    this.#probe = new Deadline(options.wheel, this)
    this.#nextId = options.firstId ?? 1
  }

  override start(): void {
    super.start()
    this.socket.on('end', this.#onServerEnd)
  }

  /** FIN: no answer comes to its end any more. */
  readonly #onServerEnd = (): void => {
    this.streams.forEach((stream) => {
      if (!stream.hasEnd) stream.lost(Http2Code.noError)
    })
  }

  /** Streams that `open` can still begin now. */
  get room(): number {
    if (this.closed || this.#nextId > MAX_STREAM_ID) return 0
    return Math.min(this.peerMaxStreams, MAX_STREAMS) - this.streamCount
  }

  /** Throws on fields that cannot be sent. `fields`: pseudo-fields first, `:method` before all. */
  open(fields: readonly string[], endStream: boolean, sink: ClientSink): ClientStream {
    const stream = new HttpClientStream(this, this.#nextId, fields[1] === 'HEAD', sink)
    this.layHeaders(stream, fields, endStream)
    this.#nextId += 2
    this.streams.add(stream)
    if (endStream) stream.requestEnded()
    // There is no number left for another one.
    if (this.#nextId > MAX_STREAM_ID) this.close()
    return stream
  }

  /** Why a stream that is gone with its connection is. */
  get loss(): StreamLoss {
    const { end } = this
    if (end?.kind === 'fault') return { kind: 'malformed', detail: end.detail ?? 'fault' }
    return { kind: 'lost', detail: this.#problem ?? end?.detail ?? 'closed' }
  }

  /**
   * A call was given up before anything was answered. Where nobody is there any more, not even TCP
   * says so for a quarter of an hour, and all calls would run into their deadlines.
   */
  doubt(): void {
    // Servers of gRPC end connections on which more comes than one between two of their answers.
    if (this.#isProbed || this.destroyed) return
    this.#isProbed = true
    this.#probe.arm(PROBE_MS)
    this.ping(() => this.#probe.cancel())
  }

  onDeadline(): void {
    this.#problem = 'PING was not answered'
    this.destroy()
    this.socket.destroy()
  }

  protected isIdle(id: number): boolean {
    return id % 2 === 0 || id >= this.#nextId
  }

  protected headersReceived(id: number, fields: string[] | undefined, endStream: boolean): void {
    const stream = this.streams.get(id)
    this.#isProbed = false
    if (stream instanceof HttpClientStream) stream.headersReceived(fields, endStream)
    else if (this.isIdle(id)) {
      throw new Http2Error(Http2Code.protocolError, 'HEADERS on an idle stream')
    } else throw new Http2Error(Http2Code.streamClosed, 'HEADERS on a stream that is over')
  }

  /** A server that would be pushed to (RFC 9113 section 6.5.2). */
  override onSettings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === Setting.enablePush && payload.readUInt32BE(at + 2) !== 0) {
        throw new Http2Error(Http2Code.protocolError, 'ENABLE_PUSH of a server')
      }
    }
    super.onSettings(payload)
  }

  /** Streams that it has not looked at may be tried elsewhere. */
  protected goawayReceived(lastStream: number, code: number): void {
    if (code !== Http2Code.noError) this.#problem = `GOAWAY with code ${code}`
    this.streams.forEach((stream) => {
      if (stream.id > lastStream && stream instanceof HttpClientStream) stream.passedOver()
    })
    if (code === Http2Code.noError) this.close()
    else this.destroy()
  }

  protected settingsReceived(): void {}

  protected settingsAcknowledged(): void {}

  protected streamEnded(): void {
    if (this.streamCount === 0 && !this.closed) this.#sink.onIdle()
  }

  protected sessionEnded(end: SessionEnd): void {
    this.#probe.cancel()
    this.#sink.onSessionEnd(end)
  }

  /** It may have left anything half done: each of its streams hears of it. */
  onDefect(error: unknown): void {
    this.streams.forEach((stream) => {
      if (stream instanceof HttpClientStream) stream.onDefect(error)
    })
    this.destroy()
  }
}

class HttpClientStream extends Http2SessionStream implements ClientStream {
  declare readonly session: ClientSession
  readonly #sink: ClientSink
  readonly #isHead: boolean
  #interim = 0
  #hasHead = false
  #isPassedOver = false
  #wasReset = false
  /** Why it was reset here. */
  #problem: string | undefined = undefined

  constructor(session: ClientSession, id: number, isHead: boolean, sink: ClientSink) {
    super(session, id)
    this.#sink = sink
    this.#isHead = isHead
    this.resume()
  }

  /** HEADERS were all of it. */
  requestEnded(): void {
    this.endedByHeaders()
  }

  headersReceived(fields: string[] | undefined, endStream: boolean): void {
    if (this.hasEnd) this.#malformed('HEADERS behind the end', Http2Code.streamClosed)
    else if (fields === undefined) this.#malformed('head too large', Http2Code.enhanceYourCalm)
    else if (this.#hasHead) this.#trailersReceived(fields, endStream)
    else this.#headReceived(fields, endStream)
  }

  #headReceived(fields: string[], endStream: boolean): void {
    const problem = responseProblem(fields)
    if (problem !== undefined) {
      this.#malformed(problem)
      return
    }
    // `:status` comes first, and is the only one of its kind.
    const status = Number(fields[1])
    const regular = fields.slice(2)
    if (status < 200) {
      this.#interim += 1
      if (endStream) this.#malformed('an interim answer that ends its stream')
      else if (this.#interim > MAX_INTERIM) {
        this.#malformed('too many interim answers', Http2Code.enhanceYourCalm)
      } else this.#sink.onInterim(status, regular)
      return
    }
    this.session.guard.message()
    this.contentLeft = this.#hasContent(status) ? contentLength(regular) : 0
    if (endStream && !this.isContentWhole) {
      this.#malformed('less content than its length')
      return
    }
    this.#hasHead = true
    this.#sink.onResponse(status, regular, endStream)
    if (endStream) this.endReceived()
  }

  /** RFC 9110 section 6.4.1. */
  #hasContent(status: number): boolean {
    return !this.#isHead && status !== 204 && status !== 304
  }

  #trailersReceived(fields: string[], endStream: boolean): void {
    this.session.guard.message()
    const problem = trailersProblem(fields)
    if (problem !== undefined) this.#malformed(problem)
    else if (!endStream) this.#malformed('trailers that do not end the stream')
    else if (!this.isContentWhole) this.#malformed('less content than its length')
    else {
      this.#sink.onTrailers(fields)
      this.endReceived()
    }
  }

  override dataReceived(content: Buffer, flowLength: number, endStream: boolean): void {
    if (this.#hasHead) super.dataReceived(content, flowLength, endStream)
    else {
      this.session.acknowledge(flowLength)
      this.#malformed('content before a head')
    }
  }

  /** What the upstream sends is no answer. */
  #malformed(problem: string, code: number = Http2Code.protocolError): void {
    this.#problem ??= problem
    this.reset(code)
  }

  override resetFor(code: number): void {
    this.#malformed(code === Http2Code.flowControlError ? 'window overflow' : 'content', code)
  }

  override resetReceived(code: number): void {
    this.#wasReset = true
    super.resetReceived(code)
  }

  /** The upstream has not looked at it, and will not. */
  passedOver(): void {
    this.#isPassedOver = true
    this.lost(Http2Code.refusedStream)
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  override destroy(): void {
    const isUnanswered = !this.#hasHead && this.#interim === 0 && !this.destroyed
    super.destroy()
    if (isUnanswered) this.session.doubt()
  }

  protected override tellData(chunk: Buffer, isLent: boolean): void {
    this.#sink.onData(chunk, isLent)
  }

  protected override tellEnd(): void {
    this.#sink.onEnd()
  }

  protected override tellDrain(): void {
    this.#sink.onDrain()
  }

  protected override tellFinish(): void {}

  protected override tellClose(): void {
    this.#sink.onClose(this.hasEnd ? undefined : this.#loss())
  }

  #loss(): StreamLoss {
    const { rstCode } = this
    if (this.#problem !== undefined) return { kind: 'malformed', detail: this.#problem }
    if (!this.#hasHead && this.#interim === 0) {
      if (this.#isPassedOver) return { kind: 'passed-over', detail: 'GOAWAY before it' }
      if (rstCode === Http2Code.refusedStream) return { kind: 'refused', detail: 'stream refused' }
    }
    if (this.#wasReset) return { kind: 'lost', detail: `stream reset with code ${rstCode}` }
    return this.session.loss
  }
}

/** undefined: it says none. What is no number was refused before. */
function contentLength(fields: readonly string[]): number | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i] === 'content-length') return Number(fields[i + 1])
  }
  return undefined
}
