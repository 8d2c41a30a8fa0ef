/**
 * One HTTP/2 connection of either side (RFC 9113): reads frames, keeps the streams, the windows both
 * ways and the peer's settings, and bounds what the peer can make us do. What the peer breaks ends
 * the connection with GOAWAY; what streams mean is the subclasses' business. Owns the socket.
 */
import type { Socket } from 'node:net'
import { errnoOf } from '../../../base/errors.ts'
import {
  FrameReader,
  type FrameSink,
  Http2Code,
  Http2Error,
  Setting,
} from '../../../wire/http2/frames.ts'
import { HpackDecoder } from '../../../wire/http2/hpack-decoder.ts'
import type { SessionEnd, SessionOptions } from './contract.ts'
import { CutStreams } from './cut-streams.ts'
import { FloodGuard } from './flood-guard.ts'
import { FrameWriter } from './frame-writer.ts'
import type { Awaiting } from './output.ts'
import { SendWindow } from './send-window.ts'
import { type Http2SessionStream, INITIAL_WINDOW } from './stream.ts'
import { StreamTable } from './stream-table.ts'

const HEAD_BYTES = 9
/** Ours, and the least that any peer takes (RFC 9113 section 6.5.2). */
const MAX_FRAME = 16_384
/** As many bytes of names and values as there may be in lists of fields, and this for their coding. */
const BLOCK_SPARE = 16_384
const MAX_CONTINUATIONS = 16
/** Of content that is cut to the window's size. */
const LEAST_PIECE = 256
/** Frames that answer the peer's, while it does not read. */
const MAX_OWED = 1000
/** What waits in the socket of a peer that does not read. */
const MAX_WAITING_BYTES = 10 * 1024 * 1024
/** How long the peer has to read our last words and to close its side. */
const LINGER_MS = 2000

export abstract class Http2Session implements FrameSink {
  readonly socket: Socket
  readonly guard: FloodGuard
  readonly writer: FrameWriter
  readonly #options: SessionOptions
  readonly #reader: FrameReader
  readonly #decoder = new HpackDecoder()
  protected readonly streams = new StreamTable<Http2SessionStream>()
  /** SETTINGS_INITIAL_WINDOW_SIZE of the peer. */
  peerInitialWindow = INITIAL_WINDOW
  /** SETTINGS_MAX_CONCURRENT_STREAMS of the peer; Infinity: it has not said. */
  peerMaxStreams = Infinity
  readonly sending: SendWindow
  #receiveWindow: number
  /** Read, and not yet told the peer. */
  #unacknowledged = 0
  #owed = 0
  #pings: (() => void)[] = []
  #awaitsSettings = true
  readonly #cut = new CutStreams()
  /** No new stream. */
  closed = false
  /** Nothing is read or written any more. */
  destroyed = false
  #end: SessionEnd | undefined = undefined
  #endTold = false
  #linger: NodeJS.Timeout | undefined = undefined

  constructor(socket: Socket, options: SessionOptions) {
    this.socket = socket
    this.#options = options
    this.guard = new FloodGuard(options.ticker)
    this.writer = new FrameWriter(socket)
    this.sending = new SendWindow(this.writer)
    const limits = {
      maxFrameSize: MAX_FRAME,
      maxBlockBytes: options.maxListBytes + BLOCK_SPARE,
      maxContinuations: MAX_CONTINUATIONS,
    }
    this.#reader = new FrameReader(this, limits, options.peerPrefix)
    this.#receiveWindow = Math.max(options.connectionWindow, INITIAL_WINDOW)
  }

  /**
   * `fields` is undefined when they are too large or too many. May throw Http2Error. What has a use
   * is a `guard.message()`, the rest `useless`.
   */
  protected abstract headersReceived(
    id: number,
    fields: string[] | undefined,
    endStream: boolean,
  ): void
  /** No stream had this number yet. */
  protected abstract isIdle(id: number): boolean
  /** The last stream of the peer's that we have seen. */
  protected abstract readonly lastPeerStream: number
  protected abstract goawayReceived(lastStream: number, code: number): void
  protected abstract settingsReceived(): void
  protected abstract settingsAcknowledged(): void
  protected abstract streamEnded(stream: Http2SessionStream): void
  /** The last that is told, once. */
  protected abstract sessionEnded(end: SessionEnd): void
  /** A fault of ours. */
  abstract onDefect(error: unknown): void

  start(): void {
    const { prefix, settings, connectionWindow } = this.#options
    if (prefix !== undefined) this.writer.prefix(prefix)
    this.writer.settings(settings)
    const more = connectionWindow - INITIAL_WINDOW
    if (more > 0) this.layWindowUpdate(0, more)
    const { socket } = this
    socket.on('data', this.#onData)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onSocketEnd)
    socket.on('error', ignore)
    socket.on('close', this.#onClose)
    socket.resume()
  }

  get streamCount(): number {
    return this.streams.size
  }

  /** undefined: it goes on. */
  get end(): SessionEnd | undefined {
    return this.#end
  }

  /** Content is lent to who is told of it. */
  get borrows(): boolean {
    return this.#options.borrows === true
  }

  // The life of the connection.

  /** Streams above `lastStream` are not answered; those below go on. */
  goaway(lastStream = this.lastPeerStream, code: number = Http2Code.noError): void {
    if (this.destroyed) return
    this.writer.goaway(lastStream, code)
  }

  /** `done` is called when the peer has seen all that we have sent before. */
  ping(done: () => void): void {
    if (this.destroyed) return
    this.#pings.push(done)
    this.writer.ping(PING, false)
  }

  /** GOAWAY; what runs may end. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.goaway()
    this.#finishIfIdle()
  }

  /** At once: what runs is lost. */
  destroy(): void {
    if (this.destroyed) return
    this.goaway()
    this.#stop({ kind: 'closed' }, Http2Code.noError)
    this.#destroySoon()
  }

  /** The peer broke a rule: it is told which, and has some time to read that. */
  protected fail(error: Http2Error): void {
    if (this.destroyed) return
    this.goaway(this.lastPeerStream, error.code)
    this.#stop({ kind: 'fault', detail: error.message }, error.code)
    this.#finish()
  }

  /** The peer sends what nobody needs: it is not listened to any longer. */
  protected flooded(detail: string): void {
    if (this.destroyed) return
    this.goaway(this.lastPeerStream, Http2Code.enhanceYourCalm)
    this.#stop({ kind: 'fault', detail }, Http2Code.enhanceYourCalm)
    this.#tellEnd()
    this.#destroySoon()
  }

  #stop(end: SessionEnd, code: number): void {
    this.#end ??= end
    this.closed = true
    this.writer.flush()
    this.destroyed = true
    this.#reader.close()
    this.streams.forEach((stream) => {
      stream.lost(code)
    })
    this.sending.forgetAll()
    this.#pings = []
  }

  #finishIfIdle(): void {
    if (!this.closed || this.destroyed || this.streams.size > 0) return
    this.#stop({ kind: 'closed' }, Http2Code.noError)
    this.#finish()
  }

  /** Closing at once would reset the connection under our last words when more comes from the peer. */
  #finish(): void {
    this.socket.end()
    this.#linger ??= setTimeout(() => this.socket.destroy(), LINGER_MS)
  }

  /** Nothing is read; a peer that does not read, either, does not keep us. */
  #destroySoon(): void {
    this.socket.destroySoon()
    this.#linger ??= setTimeout(() => this.socket.destroy(), LINGER_MS)
  }

  /** FIN. A peer that had its answers closes at once: we may hear of that before we hear that they left. */
  readonly #onSocketEnd = (): void => {
    if (this.destroyed) return
    this.closed = true
    this.streams.forEach((stream) => {
      if (!stream.isLaid) stream.lost(Http2Code.noError)
    })
    this.writer.flush()
    this.#finishIfIdle()
    this.#linger ??= setTimeout(() => this.socket.destroy(), LINGER_MS)
  }

  readonly #onClose = (): void => {
    const { errored } = this.socket
    if (errored === null) this.#stop({ kind: 'closed' }, Http2Code.noError)
    else {
      const detail = errnoOf(errored) ?? errored.message
      this.#stop({ kind: 'reset', detail }, Http2Code.internalError)
    }
    clearTimeout(this.#linger)
    this.#tellEnd()
  }

  #tellEnd(): void {
    if (this.#endTold) return
    this.#endTold = true
    this.sessionEnded(this.#end ?? { kind: 'closed' })
  }

  // Input.

  readonly #onData = (bytes: Buffer): void => {
    this.read(bytes)
  }

  /** What the socket has read. */
  read(bytes: Buffer): void {
    if (this.destroyed) return
    try {
      this.#reader.read(bytes)
    } catch (error) {
      if (error instanceof Http2Error) this.fail(error)
      else this.onDefect(error)
    }
  }

  onData(id: number, content: Buffer, flowLength: number, endStream: boolean): void {
    if (this.destroyed) return
    if (flowLength > this.#receiveWindow) {
      throw new Http2Error(Http2Code.flowControlError, 'more than the window')
    }
    this.#receiveWindow -= flowLength
    const stream = this.streams.get(id)
    if (stream === undefined) {
      this.#stray(id, 'DATA')
      if (!this.guard.late(HEAD_BYTES + flowLength)) this.flooded(USELESS)
      this.acknowledge(flowLength)
      return
    }
    const { length } = content
    if (length > 0) this.guard.content()
    else if (!endStream) this.useless(HEAD_BYTES)
    // Padding hides how long content is: as much of it as of that.
    if (flowLength > 2 * length) this.useless(flowLength - 2 * length)
    stream.dataReceived(content, flowLength, endStream)
  }

  onHeaders(id: number, block: Buffer, endStream: boolean): void {
    if (this.destroyed) return
    const { maxListBytes, maxFields } = this.#options
    const fields = this.#decoder.decode(block, maxListBytes, maxFields)
    if (this.streams.get(id) === undefined && !this.isIdle(id) && this.wasCut(id)) {
      this.useless(HEAD_BYTES + block.length)
    } else this.headersReceived(id, fields, endStream)
  }

  onReset(id: number, code: number): void {
    if (this.destroyed) return
    const stream = this.streams.get(id)
    if (stream !== undefined) stream.resetReceived(code)
    else {
      this.#notIdle(id, 'RST_STREAM')
      this.useless(HEAD_BYTES + 4)
    }
  }

  onSettings(payload: Buffer): void {
    if (this.destroyed) return
    this.useless(HEAD_BYTES + payload.length)
    for (let at = 0; at < payload.length; at += 6) {
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    }
    this.writer.settingsAck()
    this.#owe()
    this.settingsReceived()
    this.sending.resume()
  }

  onSettingsAck(): void {
    if (this.destroyed) return
    if (!this.#awaitsSettings) this.useless(HEAD_BYTES)
    this.#awaitsSettings = false
    this.settingsAcknowledged()
  }

  onPing(payload: Buffer): void {
    if (this.destroyed) return
    this.useless(HEAD_BYTES + payload.length)
    this.writer.ping(payload, true)
    this.#owe()
  }

  onPingAck(payload: Buffer): void {
    if (this.destroyed) return
    const done = payload.equals(PING) ? this.#pings.shift() : undefined
    if (done === undefined) this.useless(HEAD_BYTES + payload.length)
    else done()
  }

  onGoaway(lastStream: number, code: number): void {
    if (this.destroyed) return
    this.useless(HEAD_BYTES + 8)
    this.goawayReceived(lastStream, code)
  }

  onWindowUpdate(id: number, increment: number): void {
    if (this.destroyed) return
    this.useless(HEAD_BYTES + 4)
    if (id === 0) this.#widen(increment)
    else {
      const stream = this.streams.get(id)
      if (stream === undefined) this.#notIdle(id, 'WINDOW_UPDATE')
      else if (increment === 0) stream.resetFor(Http2Code.protocolError)
      else if (!stream.widen(increment)) stream.resetFor(Http2Code.flowControlError)
    }
  }

  onIgnored(): void {
    if (!this.destroyed) this.useless(IGNORED_BYTES)
  }

  #set(setting: number, value: number): void {
    switch (setting) {
      case Setting.headerTableSize:
        this.writer.maxTableSize = value
        return
      case Setting.maxConcurrentStreams:
        this.peerMaxStreams = value
        return
      case Setting.initialWindowSize:
        this.#setInitialWindow(value)
        return
      default:
      // Frames of ours are never larger than any peer takes.
    }
  }

  /** Windows of streams may go below 0 (RFC 9113 section 6.9.2). */
  #setInitialWindow(value: number): void {
    const by = value - this.peerInitialWindow
    this.peerInitialWindow = value
    if (by === 0) return
    this.streams.forEach((stream) => {
      if (!stream.widen(by)) throw new Http2Error(Http2Code.flowControlError, 'INITIAL_WINDOW_SIZE')
    })
  }

  #widen(by: number): void {
    if (by === 0) throw new Http2Error(Http2Code.protocolError, 'WINDOW_UPDATE of 0')
    if (!this.sending.widen(by)) throw new Http2Error(Http2Code.flowControlError, 'WINDOW_UPDATE')
    this.sending.resume()
  }

  /** Throws unless the stream is one that we cut off, and that the peer may still send for. */
  #stray(id: number, what: string): void {
    this.#notIdle(id, what)
    if (!this.wasCut(id))
      throw new Http2Error(Http2Code.streamClosed, `${what} on a stream that is over`)
  }

  #notIdle(id: number, what: string): void {
    if (this.isIdle(id)) throw new Http2Error(Http2Code.protocolError, `${what} on an idle stream`)
  }

  /** We have reset it; its peer may not know yet. */
  protected wasCut(id: number): boolean {
    return this.#cut.has(id)
  }

  protected useless(bytes: number): void {
    if (!this.guard.useless(bytes)) this.flooded(USELESS)
  }

  /** Content was read, or nobody will read it. */
  acknowledge(bytes: number): void {
    this.#unacknowledged += bytes
    if (this.#unacknowledged < this.#options.connectionWindow / 2 || this.destroyed) return
    this.layWindowUpdate(0, this.#unacknowledged)
    this.#receiveWindow += this.#unacknowledged
    this.#unacknowledged = 0
  }

  // Output: what is laid leaves by the end of the turn.

  readonly #onDrain = (): void => {
    this.writer.isBlocked = false
    this.#owed = 0
    try {
      this.sending.resume()
    } catch (error) {
      this.onDefect(error)
    }
  }

  layData(stream: Http2SessionStream, chunk: Uint8Array, from: number, length: number): void {
    this.writer.data(stream.id, chunk, from, length)
    this.sending.spend(length)
    // But for crumbs, as many as there are updates of a window that is kept small.
    if (length >= LEAST_PIECE || from + length === chunk.length) this.guard.content()
  }

  /** Throws on fields that cannot be sent; then nothing is. */
  layHeaders(stream: Http2SessionStream, fields: readonly string[], endStream: boolean): void {
    if (this.destroyed) return
    this.writer.headers(stream.id, fields, endStream)
    if (this.writer.isBlocked && this.writer.waitingBytes > MAX_WAITING_BYTES) {
      this.flooded('answers that nobody reads')
    }
  }

  layEnd(stream: Http2SessionStream): void {
    if (!this.destroyed) this.writer.endStream(stream.id)
  }

  /** `one` is told when all that was laid is in the socket. */
  awaitWritten(one: Awaiting): void {
    if (!this.destroyed) this.writer.sendFor(one)
  }

  layReset(id: number, code: number): void {
    if (this.destroyed) return
    this.#cut.add(id)
    this.guard.cutStream()
    this.writer.reset(id, code)
    this.#owe()
  }

  layWindowUpdate(id: number, increment: number): void {
    if (this.destroyed) return
    this.writer.windowUpdate(id, increment)
    this.#owe()
  }

  /** A frame was laid that the peer has caused. */
  #owe(): void {
    if (!this.writer.isBlocked) return
    this.#owed += 1
    if (this.#owed > MAX_OWED) this.flooded('answers that nobody reads')
  }

  /** A stream is over. */
  forget(stream: Http2SessionStream): void {
    this.sending.forget(stream)
    this.streams.delete(stream.id)
    this.streamEnded(stream)
    this.#finishIfIdle()
  }
}

const PING = Buffer.from('gwproxy\0', 'latin1')
/** What a frame counts that we do not look at: its length is not told. */
const IGNORED_BYTES = 64

const USELESS = 'frames without use'

function ignore(): void {}
