/**
 * One HTTP/2 stream on its handle, in the shape of those parts of Node's Http2Stream that gwproxy
 * uses: what Node's own would add (two halves of a Duplex, an async resource, listeners and ticks for
 * each) costs more than the stream itself. Node's code for sessions goes on as ever and takes it for
 * one of its own: the members under "Node calls" are what it asks of one.
 */
import type { ClientHttp2Session, Http2Session } from 'node:http2'
import { errnoName } from '../../io/raw/native.ts'
import { httpDate } from '../http-date.ts'
import type {
  ClientSink,
  ClientStream,
  Http2Stream,
  RespondOptions,
  ServerSink,
  ServerStream,
} from './handle-contract.ts'
import { headerBlock } from './header-block.ts'
import {
  EMPTY_PAYLOAD,
  END_OF_FILE,
  GET_TRAILERS,
  type HeaderBlock,
  type Internals,
  type StreamHandle,
  type WriteRequest,
} from './internals.ts'
import { type Listed, StreamTable } from './handle-stream-table.ts'

/** As of a Duplex: more waits for `onDrain`. */
const HIGH_WATER = 65_536
const NO_ERROR = 0
const INTERNAL_ERROR = 2
const CANCEL = 8
/** Of `flags`: Node has closed it, and set `rstCode`. */
const CLOSED_BY_NODE = 2

let node: Internals

interface PendingWrite extends WriteRequest {
  stream: HandleStream
  bytes: Uint8Array
}

abstract class HandleStream implements Http2Stream, Listed {
  listedId = 0
  listedNext: Listed | undefined = undefined
  readonly session: Http2Session
  protected handle: StreamHandle | undefined = undefined
  destroyed = false
  closed = false
  /** It was closed before its writer had ended. */
  aborted = false
  headersSent = false
  writableFinished = false
  /** What came while nobody read: at most the stream's window, since its handle does not read. */
  #waiting: Buffer[] | undefined = undefined
  #flows = false
  #isDraining = false
  #hasEnd = false
  #endTold = false
  #closeTold = false
  #pending = 0
  #needsDrain = false
  protected ended = false
  // Node's `stream[kState]` is the stream itself.
  flags = 0
  rstCode = NO_ERROR
  endAfterHeaders = false
  trailersReady = false
  fd = -1

  constructor(session: Http2Session) {
    this.session = session
  }

  /** Node's session gave it a handle, or `request` did. */
  open(id: number, handle: StreamHandle): void {
    this.listedId = id
    this.handle = handle
    node.own(handle, this)
    handle.onread = onRead
    node.stateOf(this.session).streams.set(id, this)
  }

  /** Nothing is left to be read. */
  get readableEnded(): boolean {
    return this.#hasEnd && this.#waiting === undefined
  }

  pause(): void {
    if (!this.#flows) return
    this.#flows = false
    this.handle?.readStop()
  }

  resume(): void {
    if (this.#flows) return
    this.#flows = true
    this.handle?.readStart()
    if (this.#waiting !== undefined || this.#hasEnd) process.nextTick(drain, this)
  }

  /** Whether somebody still wants what was read when both sides have ended. */
  protected abstract readonly outlivesClose: boolean
  protected abstract tellData(chunk: Buffer): void
  protected abstract tellEnd(): void
  protected abstract tellDrain(): void
  protected abstract tellFinish(): void
  abstract tellClose(error: Error | undefined): void

  /** Hands on what waits, while the reader takes it. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    const waiting = this.#waiting
    if (waiting !== undefined) {
      let taken = 0
      while (this.#flows && taken < waiting.length) this.tellData(waiting[taken++] as Buffer)
      if (taken < waiting.length) waiting.splice(0, taken)
      else this.#waiting = undefined
    }
    this.#isDraining = false
    if (!this.#hasEnd || this.#endTold || !this.#flows || this.#waiting !== undefined) return
    this.#endTold = true
    this.tellEnd()
    if (this.destroyed) this.#finally(undefined)
  }

  received(chunk: Buffer): void {
    if (this.destroyed) return
    if (this.#waiting !== undefined) this.#waiting.push(chunk)
    else if (this.#flows) this.tellData(chunk)
    else this.#waiting = [chunk]
  }

  /** END_STREAM came. */
  endReceived(): void {
    if (this.#hasEnd) return
    this.#hasEnd = true
    // Behind what Node tells in ticks of their own: a head, trailers.
    if (this.#flows) process.nextTick(drain, this)
  }

  write(chunk: Uint8Array): boolean {
    const { handle } = this
    if (handle === undefined || this.ended) return true
    const request = new node.WriteRequest() as PendingWrite
    request.stream = this
    request.bytes = chunk
    request.oncomplete = onWritten
    this.#pending += chunk.length
    const status = handle.writeBuffer(request, chunk)
    if (status !== 0) this.destroy(new Error(errnoName(status)))
    else if (!node.wroteLater) this.written(chunk.length, 0)
    if (this.#pending < HIGH_WATER) return true
    this.#needsDrain = true
    return false
  }

  end(): void {
    // Node ends what answers HEAD before there is an answer.
    if (this.ended || this.handle === undefined || !this.headersSent) return
    this.ended = true
    this.handle.shutdown(new node.ShutdownRequest())
    if (this.#pending === 0) process.nextTick(finish, this)
  }

  written(bytes: number, status: number): void {
    this.#pending -= bytes
    if (this.destroyed) return
    if (status < 0) this.destroy(new Error(errnoName(status)))
    else if (this.#pending > 0) return
    else if (this.ended) this.finish()
    else if (this.#needsDrain) {
      this.#needsDrain = false
      this.tellDrain()
    }
  }

  finish(): void {
    if (this.destroyed || this.writableFinished) return
    this.writableFinished = true
    this.tellFinish()
  }

  close(code: number): void {
    if (this.closed || this.handle === undefined) return
    this.closed = true
    this.rstCode = code
    if (!this.ended) this.aborted = true
    this.handle.rstStream(code)
  }

  /** Without error Node calls it: the stream or its session is over. */
  destroy(error?: Error | null): void {
    const { handle, session } = this
    if (handle === undefined) {
      if (this.destroyed) this.#finally(undefined)
      return
    }
    this.destroyed = true
    const state = node.stateOf(session)
    if (!this.closed) {
      this.closed = true
      if (!this.ended) this.aborted = true
      if ((this.flags & CLOSED_BY_NODE) === 0) {
        const failure = error == null ? NO_ERROR : INTERNAL_ERROR
        this.rstCode = state.goawayCode || state.destroyCode || failure
        handle.rstStream(this.rstCode)
      }
    }
    this.handle = undefined
    handle.destroy()
    state.streams.delete(this.listedId)
    node.touch(session)
    if (session.closed) setImmediate(settle, session)
    const failure = error ?? resetError(this.rstCode)
    // A whole message is read to its end before its close is told.
    const isWhole = this.#hasEnd && failure === undefined && this.rstCode === NO_ERROR
    if (!isWhole || this.#endTold || !this.outlivesClose) this.#finally(failure)
  }

  /** The last that is told, once. */
  #finally(error: Error | undefined): void {
    if (this.#closeTold) return
    this.#closeTold = true
    this.#waiting = undefined
    process.nextTick(tellClose, this, error)
  }

  protected check(status: number): void {
    if (status < 0) this.destroy(new Error(`nghttp2: ${status}`))
  }

  // What Node's session calls, beside `open`, `destroy`, `close`, `end` and `destroyed`.

  /** It need not wait until everything was read. */
  get readable(): boolean {
    return false
  }

  get _writableState(): { readonly ending: boolean } {
    return ENDING
  }

  setTimeout(): void {}

  removeAllListeners(): void {}

  abstract emit(event: string, headers?: StatusField, flags?: number, raw?: string[]): boolean

  /** END_STREAM on a head or trailers. */
  push(_end: null): boolean {
    this.endReceived()
    return false
  }
}

interface StatusField {
  readonly ':status'?: number | undefined
}

/** Node ends a writer that is not; of ours `destroy` knows. */
const ENDING = { ending: true }

export class HandleServerStream extends HandleStream implements ServerStream {
  protected readonly outlivesClose = false
  #sink: ServerSink | undefined = undefined
  #onData: ((chunk: Buffer) => void) | undefined = undefined
  #onEnd: (() => void) | undefined = undefined

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

  respond(raw: string[], { endStream, waitForTrailers }: RespondOptions): void {
    const { handle } = this
    if (handle === undefined) return
    if (!hasDate(raw)) raw.push('date', httpDate())
    const block = headerBlock(raw)
    this.headersSent = true
    const options = (endStream ? EMPTY_PAYLOAD : 0) | (waitForTrailers ? GET_TRAILERS : 0)
    this.check(handle.respond(block, options))
    if (!endStream) return
    this.ended = true
    process.nextTick(finish, this)
  }

  inform(raw: string[]): void {
    if (this.handle !== undefined) this.check(this.handle.info(headerBlock(raw)))
  }

  sendTrailers(raw: string[]): void {
    const block = headerBlock(raw)
    // nghttp2 takes trailers while it sends the end of the body; none would be data within data.
    if (raw.length > 0) this.submitTrailers(block)
    else setImmediate(submitTrailers, this, block)
  }

  submitTrailers(block: HeaderBlock): void {
    if (this.handle !== undefined) this.check(this.handle.trailers(block))
  }

  override received(chunk: Buffer): void {
    this.#sink?.onContent(chunk.length)
    super.received(chunk)
  }

  protected override tellData(chunk: Buffer): void {
    this.#onData?.(chunk)
  }

  protected override tellEnd(): void {
    this.#onEnd?.()
  }

  protected override tellDrain(): void {
    this.#sink?.onDrain()
  }

  protected override tellFinish(): void {
    this.#sink?.onFinish()
  }

  override tellClose(): void {
    this.#sink?.onClose()
  }

  override emit(event: string): boolean {
    if (event === 'wantTrailers') this.#sink?.onWantTrailers()
    return true
  }
}

class HandleClientStream extends HandleStream implements ClientStream {
  protected readonly outlivesClose = true
  readonly #sink: ClientSink

  constructor(session: Http2Session, sink: ClientSink, endStream: boolean) {
    super(session)
    this.#sink = sink
    this.headersSent = true
    this.ended = endStream
    this.writableFinished = endStream
  }

  protected override tellData(chunk: Buffer): void {
    this.#sink.onData(chunk)
  }

  protected override tellEnd(): void {
    this.#sink.onEnd()
  }

  protected override tellDrain(): void {
    this.#sink.onDrain()
  }

  protected override tellFinish(): void {}

  override tellClose(error: Error | undefined): void {
    this.#sink.onClose(error)
  }

  override emit(event: string, headers?: StatusField, flags = 0, raw: string[] = []): boolean {
    const status = headers?.[':status'] ?? 0
    if (event === 'response') {
      this.#sink.onResponse(status, raw, flags)
      // Not before: what is told of a body comes behind its head.
      this.resume()
    } else if (event === 'headers') this.#sink.onInterim(status, raw)
    else if (event === 'trailers') this.#sink.onTrailers(raw)
    return true
  }
}

/** Throws when the session can take no stream, or `raw` cannot be sent. */
export function requestOnHandle(
  session: ClientHttp2Session,
  raw: readonly string[],
  endStream: boolean,
  sink: ClientSink,
): ClientStream {
  if (!handled.has(session)) useHandles(session)
  const handle = node.handleOf(session)
  if (handle === undefined || session.closed) throw new Error('the session is over')
  const made = handle.request(headerBlock(raw), endStream ? EMPTY_PAYLOAD : 0, 0, 16, false)
  if (typeof made === 'number') {
    session.close()
    throw new Error(`nghttp2: ${made}`)
  }
  const stream = new HandleClientStream(session, sink, endStream)
  stream.open(made.id(), made)
  return stream
}

const handled = new WeakSet<Http2Session>()

/** Before its first stream: those that a server's session makes will be `HandleServerStream`s. */
export function useHandles(session: Http2Session): void {
  handled.add(session)
  const state = node.stateOf(session)
  if (state.streams.size === 0) state.streams = new StreamTable()
}

/** Once, before the first stream. Returns how to undo it. */
export function install(internals: Internals): () => void {
  node = internals
  const { ServerStream, symbols } = internals
  Object.defineProperties(HandleStream.prototype, {
    [symbols.kInit]: { value: HandleStream.prototype.open },
    [symbols.kState]: { get: itself },
    [symbols.kSession]: { get: sessionOf },
    [symbols.kUpdateTimer]: { value: ignore },
    [symbols.kProtocol]: { get: ignore, set: ignore },
    [symbols.kAuthority]: { get: ignore, set: ignore },
  })
  const own = Object.getPrototypeOf(ServerStream)
  function Base(session: Http2Session, options: object): object {
    return handled.has(session)
      ? new HandleServerStream(session)
      : Reflect.construct(own, [session, options], new.target as never)
  }
  Object.setPrototypeOf(ServerStream, Base)
  return () => void Object.setPrototypeOf(ServerStream, own)
}

function itself(this: HandleStream): HandleStream {
  return this
}

function sessionOf(this: HandleStream): Http2Session {
  return this.session
}

function onRead(this: StreamHandle, buffer: ArrayBuffer | undefined): void {
  const bytes = node.lastRead
  const stream = this.owner as HandleStream
  if (bytes > 0 && buffer !== undefined) {
    stream.received(Buffer.from(buffer, node.lastOffset, bytes))
  } else if (bytes === END_OF_FILE) stream.endReceived()
  else if (bytes < 0) stream.destroy(new Error(errnoName(bytes)))
}

function onWritten(this: PendingWrite, status: number): void {
  this.stream.written(this.bytes.length, status)
}

function drain(stream: HandleStream): void {
  stream.drain()
}

function finish(stream: HandleStream): void {
  stream.finish()
}

function tellClose(stream: HandleStream, error: Error | undefined): void {
  stream.tellClose(error)
}

function submitTrailers(stream: HandleServerStream, block: HeaderBlock): void {
  stream.submitTrailers(block)
}

function settle(session: Http2Session): void {
  if (!session.destroyed) node.settle(session)
}

function hasDate(raw: readonly string[]): boolean {
  for (let i = 0; i < raw.length; i += 2) if (raw[i] === 'date') return true
  return false
}

function resetError(code: number): Error | undefined {
  return code === NO_ERROR || code === CANCEL
    ? undefined
    : new Error(`stream reset with code ${code}`)
}

function ignore(): undefined {}
