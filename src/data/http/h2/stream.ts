/**
 * One HTTP/2 stream of either side (RFC 9113 section 5.1): its windows, what waits for them, and what
 * was received while nobody reads. What a message means is its subclass's.
 */
import { Http2Code } from '../../../wire/http2/frames.ts'
import type { Awaiting } from './output.ts'
import type { Http2Session } from './session.ts'
import type { Listed } from './stream-table.ts'

/** As of a Duplex: more waits for `onDrain`. */
const HIGH_WATER = 65_536
/** Every peer takes frames of this size (RFC 9113 section 6.5.2). */
const MAX_FRAME = 16_384
/** Of streams and, to begin with, of connections (RFC 9113 section 6.9.2). */
export const INITIAL_WINDOW = 65_535
export const MAX_WINDOW = 2 ** 31 - 1

export abstract class Http2SessionStream implements Listed<Http2SessionStream>, Awaiting {
  listedNext: Http2SessionStream | undefined = undefined
  readonly id: number
  readonly session: Http2Session
  /** What the peer takes; below 0 after its settings have changed. */
  #sendWindow: number
  /** What the peer may still send. */
  #receiveWindow = INITIAL_WINDOW
  /** Read, and not yet told the peer. */
  #unacknowledged = 0
  destroyed = false
  /** What was received is not all of it. */
  aborted = false
  rstCode: number = Http2Code.noError
  writableFinished = false
  /** Nothing is written any more. */
  protected ended = false
  /** END_STREAM came. */
  hasEnd = false
  /** END_STREAM of ours leaves, and all before it. */
  isLaid = false
  /** Content that is still to come by its content-length; undefined: nobody knows. */
  protected contentLeft: number | undefined = undefined
  #flows = false
  #isDraining = false
  #endTold = false
  #closeTold = false
  /** What came while nobody read, in one piece: at most the stream's window. */
  #kept: Buffer | undefined = undefined
  #keptBytes = 0
  #queue: Uint8Array[] | undefined = undefined
  #queuedBytes = 0
  #needsDrain = false
  #trailers: readonly string[] | undefined = undefined
  /** In a SendWindow. */
  waits = false

  constructor(session: Http2Session, id: number) {
    this.session = session
    this.id = id
    this.#sendWindow = session.peerInitialWindow
  }

  /** `isLent`: its bytes are valid in the call only. */
  protected abstract tellData(chunk: Buffer, isLent: boolean): void
  protected abstract tellEnd(): void
  protected abstract tellDrain(): void
  /** `writableFinished`; nothing is told of a stream that is gone. */
  protected abstract tellFinish(): void
  /** Once; a whole message that waits to be read is still read then. */
  protected abstract tellClose(): void

  /** Nothing is left to be read. */
  get readableEnded(): boolean {
    return this.hasEnd && this.#kept === undefined
  }

  pause(): void {
    this.#flows = false
  }

  resume(): void {
    if (this.#flows) return
    this.#flows = true
    if (this.#kept !== undefined || this.hasEnd) process.nextTick(drain, this)
  }

  /** Hands on what waits, while the reader takes it. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    const kept = this.#kept
    if (kept !== undefined && this.#flows) {
      const bytes = this.#keptBytes
      this.#kept = undefined
      this.#keptBytes = 0
      this.#deliver(kept.subarray(0, bytes), false)
    }
    this.#isDraining = false
    this.#tellEnd()
  }

  #tellEnd(): void {
    if (!this.hasEnd || this.#endTold || !this.#flows || this.#kept !== undefined) return
    this.#endTold = true
    this.tellEnd()
  }

  #deliver(chunk: Buffer, isLent: boolean): void {
    if (!this.destroyed) {
      this.#acknowledge(chunk.length)
      this.session.acknowledge(chunk.length)
    }
    this.tellData(chunk, isLent)
  }

  #acknowledge(bytes: number): void {
    this.#unacknowledged += bytes
    if (this.#unacknowledged < INITIAL_WINDOW / 2 || this.hasEnd || this.destroyed) return
    this.session.layWindowUpdate(this.id, this.#unacknowledged)
    this.#receiveWindow += this.#unacknowledged
    this.#unacknowledged = 0
  }

  /** DATA; `flowLength` counts its padding. The connection's window is not the stream's business. */
  dataReceived(content: Buffer, flowLength: number, endStream: boolean): void {
    const { length } = content
    const code = this.#judgeData(length, flowLength, endStream)
    if (code !== Http2Code.noError) {
      this.session.acknowledge(flowLength)
      this.resetFor(code)
      return
    }
    this.#receiveWindow -= flowLength
    if (flowLength > length) {
      this.session.acknowledge(flowLength - length)
      this.#acknowledge(flowLength - length)
    }
    if (length > 0) {
      if (!this.#flows || this.#kept !== undefined) this.#keep(content)
      else this.#deliver(content, this.session.borrows)
    }
    if (endStream) this.endReceived()
  }

  #judgeData(length: number, flowLength: number, endStream: boolean): number {
    if (this.hasEnd) return Http2Code.streamClosed
    if (flowLength > this.#receiveWindow) return Http2Code.flowControlError
    if (this.contentLeft === undefined) return Http2Code.noError
    this.contentLeft -= length
    const fits = endStream ? this.contentLeft === 0 : this.contentLeft >= 0
    return fits ? Http2Code.noError : Http2Code.protocolError
  }

  #keep(content: Buffer): void {
    const bytes = this.#keptBytes + content.length
    const kept = this.#kept
    if (kept === undefined || kept.length < bytes) {
      const room = Math.min(INITIAL_WINDOW, Math.max(bytes, 2 * (kept?.length ?? 0)))
      const larger = Buffer.allocUnsafeSlow(room)
      kept?.copy(larger, 0, 0, this.#keptBytes)
      this.#kept = larger
    }
    this.#keptBytes += content.copy(this.#kept as Buffer, this.#keptBytes)
  }

  /** END_STREAM came, and what it ends is whole. */
  endReceived(): void {
    if (this.destroyed) return
    this.hasEnd = true
    this.#tellEnd()
    this.#closeIfWhole()
  }

  /** END_STREAM came on HEADERS: whether all content did. */
  get isContentWhole(): boolean {
    return this.contentLeft === undefined || this.contentLeft === 0
  }

  resetReceived(code: number): void {
    if (this.destroyed) return
    this.rstCode = code
    this.#over()
  }

  /** False: more than the peer may allow. */
  widen(by: number): boolean {
    this.#sendWindow += by
    if (this.#sendWindow > MAX_WINDOW) return false
    if (by > 0) this.flushQueue()
    return true
  }

  write(chunk: Uint8Array, isLent = false): boolean {
    const { length } = chunk
    if (this.destroyed || this.ended || length === 0) return true
    const { session } = this
    if (this.#queue === undefined && length <= MAX_FRAME && length <= this.#sendWindow) {
      if (session.sending.allowance(length) === length) {
        this.#sendWindow -= length
        session.layData(this, chunk, 0, length)
        return true
      }
    }
    this.#queue ??= []
    this.#queue.push(chunk)
    this.#queuedBytes += length
    this.flushQueue()
    if (isLent) this.#keepLast()
    if (this.#queuedBytes < HIGH_WATER) return true
    this.#needsDrain = true
    return false
  }

  /** What still waits of the last chunk is others' again. */
  #keepLast(): void {
    const queue = this.#queue
    if (queue !== undefined) queue[queue.length - 1] = Buffer.from(queue.at(-1) as Uint8Array)
  }

  /** Sends what the windows and the socket allow. */
  flushQueue(): void {
    const queue = this.#queue
    if (queue === undefined || this.destroyed) return
    const { session } = this
    let done = 0
    let from = 0
    while (done < queue.length) {
      const chunk = queue[done] as Uint8Array
      const wanted = Math.min(chunk.length - from, MAX_FRAME, this.#sendWindow)
      if (wanted <= 0) break
      const allowed = session.sending.allowance(wanted)
      if (allowed === 0) {
        session.sending.wait(this)
        break
      }
      this.#sendWindow -= allowed
      this.#queuedBytes -= allowed
      session.layData(this, chunk, from, allowed)
      from += allowed
      if (from === chunk.length) {
        done += 1
        from = 0
      }
    }
    if (done === queue.length) this.#queue = undefined
    else {
      if (done > 0) queue.splice(0, done)
      if (from > 0) queue[0] = (queue[0] as Uint8Array).subarray(from)
      return
    }
    if (this.ended) this.#layEnd()
    else if (this.#needsDrain) {
      this.#needsDrain = false
      this.tellDrain()
    }
  }

  end(trailers?: readonly string[]): void {
    if (this.ended || this.destroyed) return
    this.ended = true
    this.#trailers = trailers
    if (this.#queue === undefined) this.#layEnd()
  }

  /** HEADERS with END_STREAM were laid. */
  protected endedByHeaders(): void {
    this.ended = true
    this.isLaid = true
    this.session.awaitWritten(this)
  }

  #layEnd(): void {
    const trailers = this.#trailers
    try {
      if (trailers === undefined || trailers.length === 0) this.session.layEnd(this)
      else this.session.layHeaders(this, trailers, true)
      this.isLaid = true
      this.session.awaitWritten(this)
    } catch {
      // Trailers that cannot be sent.
      this.destroy()
    }
  }

  /** END_STREAM is in the socket. */
  onWritten(): void {
    if (this.destroyed) return
    this.writableFinished = true
    try {
      this.tellFinish()
      this.#closeIfWhole()
    } catch (error) {
      this.session.onDefect(error)
    }
  }

  #closeIfWhole(): void {
    if (this.destroyed || !this.hasEnd || !this.writableFinished) return
    this.#leave()
    this.#tellClose()
  }

  /** RST_STREAM behind what was laid; what waits is dropped. */
  reset(code: number): void {
    if (this.destroyed) return
    this.rstCode = code
    this.session.layReset(this.id, code)
    this.#over()
  }

  /** As `reset`, for something that the peer did. */
  resetFor(code: number): void {
    this.reset(code)
  }

  destroy(): void {
    this.reset(Http2Code.internalError)
  }

  /** The connection is gone. */
  lost(code: number): void {
    if (this.destroyed) return
    this.rstCode ||= code
    this.#over()
  }

  #over(): void {
    if (this.destroyed) return
    this.aborted = !this.hasEnd
    this.#queue = undefined
    this.#queuedBytes = 0
    this.#leave()
    // A whole message is still read to its end.
    if (!this.hasEnd) this.#kept = undefined
    process.nextTick(tellClose, this)
  }

  /** What was not read yet holds the connection back no longer. */
  #leave(): void {
    this.destroyed = true
    if (this.#keptBytes > 0) this.session.acknowledge(this.#keptBytes)
    this.session.forget(this)
  }

  tellCloseOnce(): void {
    this.#tellClose()
  }

  #tellClose(): void {
    if (this.#closeTold) return
    this.#closeTold = true
    this.tellClose()
  }
}

function drain(stream: Http2SessionStream): void {
  try {
    stream.drain()
  } catch (error) {
    stream.session.onDefect(error)
  }
}

function tellClose(stream: Http2SessionStream): void {
  try {
    stream.tellCloseOnce()
  } catch (error) {
    stream.session.onDefect(error)
  }
}
