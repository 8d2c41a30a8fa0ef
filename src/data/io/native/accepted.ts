/**
 * A connection of the relay thread. Its first bytes come here; then it is relayed in that thread, or
 * taken as a socket and is what the streams backend has. Holds its slot until then.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { type Accepted, type AcceptedSink, StreamAccepted } from '../accepted.ts'
import { PeekBuffer } from '../peek.ts'
import type { NativeEnd, RelayEnd } from '../relay-end.ts'
import type { AcceptedFacts, ClosedHow, RelayThread, SlotHolder } from './relay-thread.ts'

export interface UpstreamSink {
  onConnected(attempt: number): void
  onRefused(attempt: number, errno: string): void
}

export interface ClosedSink {
  onClosed(how: ClosedHow, errno: string): void
}

/** Where to, with what first, and how long it may take. */
export interface Target {
  readonly address: string
  /** 0: `address` is the path of a unix socket. */
  readonly port: number
  readonly preface: Buffer | undefined
  readonly timeoutMs: number
  readonly idleMs: number
}

const NO_SLOT = -1

export class NativeAccepted implements Accepted, NativeEnd, SlotHolder {
  readonly kind = 'native'
  readonly peerAddress: string
  readonly peerPort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #thread: RelayThread
  readonly #peeked: PeekBuffer
  #slot: number
  #sink: AcceptedSink | undefined
  #peeking = false
  /** Of first bytes. */
  #received: number
  #attempt = 0
  #upstreamSink: UpstreamSink | undefined
  #closedSink: ClosedSink | undefined
  /** Before there was somebody to tell. */
  #closed: { readonly how: ClosedHow; readonly errno: string } | undefined
  /** Since it was taken as a socket. */
  #stream: StreamAccepted | undefined

  /** `peekBytes` is where a peek's buffer stops growing. */
  constructor(facts: AcceptedFacts, peekBytes: number, thread: RelayThread) {
    const { slot, peerAddress, peerPort, localAddress, localPort, head } = facts
    this.peerAddress = peerAddress
    this.peerPort = peerPort
    this.localAddress = localAddress
    this.localPort = localPort
    this.#thread = thread
    this.#slot = slot
    this.#received = head.length
    this.#peeked = new PeekBuffer(peekBytes)
    if (head.length > 0) this.#peeked.append(head)
    thread.hold(slot, this)
  }

  get bytesReceived(): number {
    return this.#received + (this.#stream?.bytesReceived ?? 0)
  }

  get bytesSent(): number {
    return this.#stream?.bytesSent ?? 0
  }

  /** The relay thread has it: it can be relayed there. */
  get isNative(): boolean {
    return this.#slot !== NO_SLOT
  }

  watch(sink: AcceptedSink): void {
    this.#sink = sink
  }

  peek(): void {
    if (this.#stream !== undefined) this.#stream.peek()
    if (this.#stream !== undefined || this.#peeking) return
    this.#peeking = true
    if (this.#peeked.length > 0) this.#show(this.#peeked.bytes)
    else this.#thread.peek(this.#slot)
  }

  skip(count: number): void {
    this.#peeked.skip(count)
  }

  takeSocket(): { readonly socket: Socket; readonly head: Buffer } {
    if (this.#stream !== undefined) return this.#stream.takeSocket()
    this.#stopTelling()
    const socket = socketOf(this.#thread.take(this.#slot))
    this.#slot = NO_SLOT
    this.#stream = new StreamAccepted(socket, 0)
    return { socket, head: this.#peeked.take() }
  }

  takeRelayEnd(): RelayEnd {
    if (this.#stream !== undefined) return this.#stream.takeRelayEnd()
    this.#stopTelling()
    return this
  }

  putSecure(secure: Socket, sink: AcceptedSink): void {
    this.#stream?.putSecure(secure, sink)
  }

  close(how: 'fin' | 'reset'): void {
    this.#stopTelling()
    if (this.#stream !== undefined) this.#stream.close(how)
    else if (this.#slot !== NO_SLOT) {
      const slot = this.#slot
      this.#slot = NO_SLOT
      this.#upstreamSink = undefined
      this.#closedSink = undefined
      this.#thread.cut(slot, how)
    }
  }

  /** Connects, and relays from then on. Gives the attempt's number; the sink is called later. */
  connect(target: Target, sink: UpstreamSink): number {
    const attempt = ++this.#attempt
    const { timeoutMs, idleMs, preface } = target
    this.#upstreamSink = sink
    const first = [preface, this.#peeked.bytes] as const
    const errno = this.#thread.connect(this.#slot, attempt, target, first, timeoutMs, idleMs)
    if (errno !== undefined) process.nextTick(() => this.onRefused(attempt, errno))
    return attempt
  }

  /** Told later, also when it has happened already. */
  onceClosed(sink: ClosedSink): void {
    this.#closedSink = sink
    const closed = this.#closed
    if (closed === undefined) return
    process.nextTick(() => this.#closedSink?.onClosed(closed.how, closed.errno))
  }

  /** Plain bytes of the relay. */
  relayed(from: 0 | 1): number {
    return this.#slot === NO_SLOT ? 0 : this.#thread.bytes(this.#slot, from)
  }

  onPeeked(chunk: Buffer): void {
    this.#received += chunk.length
    this.#show(this.#peeked.append(chunk))
  }

  onLost(errno: string | undefined): void {
    const sink = this.#sink
    this.#stopTelling()
    if (errno === undefined) sink?.onLost('ended', 'closed by the peer')
    else sink?.onLost('reset', errno)
  }

  onConnected(attempt: number): void {
    // The thread has them.
    this.#peeked.take()
    const sink = this.#upstreamSink
    this.#upstreamSink = undefined
    sink?.onConnected(attempt)
  }

  onRefused(attempt: number, errno: string): void {
    this.#upstreamSink?.onRefused(attempt, errno)
  }

  onClosed(how: ClosedHow, errno: string): void {
    if (this.#closedSink === undefined) this.#closed = { how, errno }
    else this.#closedSink.onClosed(how, errno)
  }

  #show(bytes: Buffer): void {
    if (this.#sink?.onPeek(bytes) !== false) this.#peeking = false
    else if (this.#peeking) this.#thread.peek(this.#slot)
  }

  #stopTelling(): void {
    this.#sink = undefined
    this.#peeking = false
  }
}

/** Paused. Owns the descriptor, also when Node refuses it. */
function socketOf(fd: number): Socket {
  const options = { fd, readable: true, writable: true, allowHalfOpen: true, pauseOnCreate: true }
  try {
    return new Socket(options)
  } catch (error) {
    closeSync(fd)
    return new Socket().destroy(error as Error)
  }
}
