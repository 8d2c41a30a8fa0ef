/**
 * A connection as the kernel gave it, behind the socket boundary (decision 4): peek at its first
 * bytes, then take it as a socket (TLS, HTTP) or as the end of a relay. Each take consumes.
 * Streams backend: net.Socket. The socket is owned here until it is taken.
 */
import type { Socket } from 'node:net'
import { errnoOf } from '../../base/errors.ts'
import { plainAddress } from '../../match/address.ts'
import { PeekBuffer } from './peek.ts'
import { closeEnd, KEEP_ALIVE_MS, NO_BYTES, type RelayEnd } from './relay-end.ts'

/** Why a socket ended before somebody took it. */
export type LossCause = 'ended' | 'reset'

export interface AcceptedSink {
  /** All bytes so far. true: that is enough, reading stops. */
  onPeek(bytes: Buffer): boolean
  /** The peer closed or reset; during a peek also at its FIN. Called at most once. */
  onLost(cause: LossCause, detail: string): void
}

export interface Accepted {
  /** Normalised addresses. */
  readonly peerAddress: string
  readonly peerPort: number
  readonly localAddress: string
  readonly localPort: number
  /** Bytes on the wire, either way. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Must be called at once: what happens to the socket is told to `sink`. */
  watch(sink: AcceptedSink): void
  /** Reads until the sink has enough; nothing new while a peek is under way. */
  peek(): void
  /** Drops the first bytes of a peek: the next bytes are as if they had been the first. */
  skip(count: number): void
  /** The paused socket and what was read from it. */
  takeSocket(): { readonly socket: Socket; readonly head: Buffer }
  takeRelayEnd(): RelayEnd
  /** TLS ended on the taken socket: from here on this is what `secure` is, watched by `sink`. */
  putSecure(secure: Socket, sink: AcceptedSink): void
  /** Also what was taken as a socket, whoever has it; the end of a relay is the relay's. Idempotent. */
  close(how: 'fin' | 'reset'): void
}

const kAccepted = Symbol('accepted')

interface OwnedSocket extends Socket {
  [kAccepted]?: StreamAccepted | undefined
}

export class StreamAccepted implements Accepted {
  readonly peerAddress: string
  readonly peerPort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #transport: OwnedSocket
  /** The transport, or the TLSSocket on it. */
  #socket: OwnedSocket
  readonly #peeked: PeekBuffer
  #sink: AcceptedSink | undefined
  #peeking = false

  /** `peekBytes` is where a peek's buffer stops growing. */
  constructor(socket: Socket, peekBytes: number) {
    this.#transport = socket
    this.#socket = socket
    this.#peeked = new PeekBuffer(peekBytes)
    this.peerAddress = plainAddress(socket.remoteAddress ?? '')
    this.peerPort = socket.remotePort ?? 0
    this.localAddress = plainAddress(socket.localAddress ?? '')
    this.localPort = socket.localPort ?? 0
    // FIN of one side must not end the other: node's default would answer it.
    socket.allowHalfOpen = true
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
  }

  get bytesReceived(): number {
    return this.#transport.bytesRead
  }

  get bytesSent(): number {
    return this.#transport.bytesWritten
  }

  watch(sink: AcceptedSink): void {
    this.#sink = sink
    this.#socket[kAccepted] = this
    // Stays for ever: an error event without a listener would end the process.
    this.#socket.on('error', onSocketError)
    this.#socket.on('close', onSocketClose)
  }

  peek(): void {
    if (this.#peeking) return
    this.#peeking = true
    this.#socket.on('data', onSocketData)
    this.#socket.on('end', onSocketEnd)
    this.#socket.resume()
  }

  skip(count: number): void {
    this.#peeked.skip(count)
  }

  takeSocket(): { readonly socket: Socket; readonly head: Buffer } {
    this.#stopPeeking()
    this.#sink = undefined
    this.#socket[kAccepted] = undefined
    this.#socket.off('close', onSocketClose)
    return { socket: this.#socket, head: this.#peeked.take() }
  }

  takeRelayEnd(): RelayEnd {
    const { socket, head } = this.takeSocket()
    return { kind: 'stream', socket, transport: this.#transport, head }
  }

  putSecure(secure: Socket, sink: AcceptedSink): void {
    this.#socket = secure
    secure.allowHalfOpen = true
    this.watch(sink)
  }

  close(how: 'fin' | 'reset'): void {
    this.#sink = undefined
    const transport = this.#transport
    closeEnd({ kind: 'stream', socket: this.#socket, transport, head: NO_BYTES }, how)
  }

  onData(chunk: Buffer): void {
    if (!this.#peeking || this.#sink === undefined) return
    if (this.#sink.onPeek(this.#peeked.append(chunk))) this.#stopPeeking()
  }

  onLost(cause: LossCause, detail: string): void {
    const sink = this.#sink
    this.#sink = undefined
    sink?.onLost(cause, detail)
  }

  #stopPeeking(): void {
    if (!this.#peeking) return
    this.#peeking = false
    this.#socket.pause()
    this.#socket.off('data', onSocketData)
    this.#socket.off('end', onSocketEnd)
  }
}

function onSocketData(this: OwnedSocket, chunk: Buffer): void {
  this[kAccepted]?.onData(chunk)
}

function onSocketEnd(this: OwnedSocket): void {
  this[kAccepted]?.onLost('ended', 'closed by the peer')
}

function onSocketError(this: OwnedSocket, error: Error): void {
  this[kAccepted]?.onLost('reset', errnoOf(error) ?? error.message)
}

function onSocketClose(this: OwnedSocket): void {
  this[kAccepted]?.onLost('ended', 'closed')
}
