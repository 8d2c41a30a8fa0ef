/**
 * An accepted connection on a raw TCP handle. It is read from the start, so that a reset is noticed
 * while the connection waits for tables or for an upstream; what comes then is kept for whoever
 * takes it, up to a bound. Taken as a socket it becomes what the streams backend has.
 */
import type { Socket } from 'node:net'
import { type Accepted, type AcceptedSink, StreamAccepted } from '../accepted.ts'
import { PeekBuffer } from '../peek.ts'
import type { RelayEnd } from '../relay-end.ts'
import {
  closeHandle,
  END_OF_FILE,
  errnoName,
  type HandleReader,
  localName,
  type Native,
  peerName,
  readTo,
  type SocketName,
  type TcpHandle,
  wrapHandle,
} from './native.ts'

/** Bytes after which a connection that nobody peeks at is not read any more. */
const MAX_HELD = 65_536
/** In the place of a buffer that is not needed any more. */
const TAKEN = new PeekBuffer(0)

export class RawAccepted implements Accepted, HandleReader {
  readonly peerAddress: string
  readonly peerPort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #native: Native
  readonly #handle: TcpHandle
  #peeked: PeekBuffer
  #sink: AcceptedSink | undefined
  #peeking = false
  #ended = false
  /** A relay has it. */
  #given = false
  /** Since it was taken as a socket. */
  #stream: StreamAccepted | undefined

  /**
   * `local` is the socket's own name where its listener knows it; `peekBytes` is where a peek's
   * buffer stops growing.
   */
  constructor(handle: TcpHandle, local: SocketName | undefined, peekBytes: number, native: Native) {
    this.#native = native
    this.#handle = handle
    this.#peeked = new PeekBuffer(peekBytes)
    const peer = peerName(handle)
    const own = local ?? localName(handle)
    this.peerAddress = peer.address
    this.peerPort = peer.port
    this.localAddress = own.address
    this.localPort = own.port
  }

  get bytesReceived(): number {
    return this.#stream === undefined ? this.#handle.bytesRead : this.#stream.bytesReceived
  }

  get bytesSent(): number {
    return this.#stream === undefined ? this.#handle.bytesWritten : this.#stream.bytesSent
  }

  watch(sink: AcceptedSink): void {
    this.#sink = sink
    readTo(this.#handle, this)
    this.#handle.readStart()
  }

  peek(): void {
    if (this.#stream !== undefined) this.#stream.peek()
    if (this.#stream !== undefined || this.#peeking) return
    this.#peeking = true
    if (this.#peeked.length > 0) this.#show(this.#peeked.bytes)
    if (this.#peeking && this.#ended) this.#onEnd()
  }

  skip(count: number): void {
    this.#peeked.skip(count)
  }

  takeSocket(): { readonly socket: Socket; readonly head: Buffer } {
    if (this.#stream !== undefined) return this.#stream.takeSocket()
    this.#release()
    const socket = wrapHandle(this.#handle)
    this.#stream = new StreamAccepted(socket, 0)
    return { socket, head: this.#peeked.take() }
  }

  takeRelayEnd(): RelayEnd {
    if (this.#stream !== undefined) return this.#stream.takeRelayEnd()
    this.#release()
    this.#given = true
    const head = this.#peeked.take()
    this.#peeked = TAKEN
    return { kind: 'raw', handle: this.#handle, head, ended: this.#ended, delays: false }
  }

  putSecure(secure: Socket, sink: AcceptedSink): void {
    this.#stream?.putSecure(secure, sink)
  }

  close(how: 'fin' | 'reset'): void {
    this.#release()
    if (this.#stream !== undefined) this.#stream.close(how)
    else if (!this.#given) closeHandle(this.#handle, how)
  }

  onRead(buffer: ArrayBuffer | undefined): void {
    const read = this.#native.lastRead
    if (read > 0 && buffer !== undefined) {
      this.#onBytes(Buffer.from(buffer, this.#native.lastOffset, read))
    } else if (read === END_OF_FILE) {
      this.#ended = true
      if (this.#peeking) this.#onEnd()
    } else if (read < 0) this.#lost('reset', errnoName(read))
  }

  #onBytes(chunk: Buffer): void {
    const bytes = this.#peeked.append(chunk)
    if (this.#peeking) this.#show(bytes)
    else if (bytes.length >= MAX_HELD) this.#handle.readStop()
  }

  #show(bytes: Buffer): void {
    if (this.#sink?.onPeek(bytes) !== false) this.#peeking = false
  }

  #onEnd(): void {
    this.#lost('ended', 'closed by the peer')
  }

  #lost(cause: 'ended' | 'reset', detail: string): void {
    const sink = this.#sink
    this.#sink = undefined
    sink?.onLost(cause, detail)
  }

  /** Nothing is told from here on. */
  #release(): void {
    this.#sink = undefined
    this.#peeking = false
  }
}
