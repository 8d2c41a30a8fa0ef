/**
 * Moves bytes both ways between two net.Sockets until both have ended: FIN travels on after the
 * bytes before it, RST as RST, a slow reader stops the other side's reading. What is still
 * buffered for a peer when the other side resets is dropped, as a kernel would.
 * Owns both sockets and their TCP transports.
 */
import type { Socket } from 'node:net'
import { errnoOf } from '../../base/errors.ts'
import type { Reason } from '../../model/outcome.ts'
import { closeEnd, type StreamEnd } from '../io/relay-end.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'

export type RelayReason = Extract<
  Reason,
  'completed' | 'client-reset' | 'upstream-reset' | 'idle-timeout'
>

export interface RelaySink {
  /** Both sockets are closed, or about to be. Called once, not after `stop`. */
  onRelayEnd(reason: RelayReason, detail: string | undefined): void
  /** A fault of ours, at any time: it ends this connection alone. Nothing is closed yet. */
  onDefect(error: unknown): void
}

const kSide = Symbol('relay side')

interface RelayedSocket extends Socket {
  [kSide]?: Side | undefined
}

/** One of the two sockets. */
class Side {
  readonly relay: StreamRelay
  readonly end: StreamEnd
  readonly socket: RelayedSocket
  readonly lossReason: RelayReason
  bytes = 0
  closed = false

  constructor(relay: StreamRelay, end: StreamEnd, lossReason: RelayReason) {
    this.relay = relay
    this.end = end
    this.socket = end.socket
    this.lossReason = lossReason
  }
}

export class StreamRelay implements TimerSink {
  readonly #downstream: Side
  readonly #upstream: Side
  readonly #sink: RelaySink
  readonly #idle: Deadline
  readonly #idleMs: number
  readonly #wheel: TimerWheel
  #lastActivity: number
  #over = false

  constructor(
    downstream: StreamEnd,
    upstream: StreamEnd,
    idleMs: number,
    wheel: TimerWheel,
    sink: RelaySink,
  ) {
    this.#downstream = new Side(this, downstream, 'client-reset')
    this.#upstream = new Side(this, upstream, 'upstream-reset')
    this.#sink = sink
    this.#idleMs = idleMs
    this.#wheel = wheel
    this.#lastActivity = wheel.now
    this.#idle = new Deadline(wheel, this)
  }

  get bytesReceived(): number {
    return this.#downstream.bytes
  }

  get bytesSent(): number {
    return this.#upstream.bytes
  }

  start(): void {
    this.#idle.arm(this.#idleMs)
    listen(this.#downstream)
    listen(this.#upstream)
    // A socket that was lost while it waited to be relayed emits nothing any more.
    for (const side of [this.#downstream, this.#upstream]) {
      if (side.socket.destroyed) {
        this.onLoss(side, 'closed before the relay began')
        return
      }
    }
    this.#begin(this.#downstream)
    this.#begin(this.#upstream)
  }

  /** Cuts both sides; the sink is not called. */
  stop(how: 'fin' | 'reset'): void {
    this.#over = true
    this.#idle.cancel()
    closeEnd(this.#downstream.end, how)
    closeEnd(this.#upstream.end, how)
  }

  /** Looks whether the pair was idle for the whole limit; activity only leaves its time. */
  onDeadline(): void {
    const left = this.#lastActivity + this.#idleMs - this.#wheel.now
    if (left > 0) this.#idle.arm(left)
    else this.#finish('idle-timeout', undefined, 'reset')
  }

  onData(side: Side, chunk: Buffer): void {
    this.#lastActivity = this.#wheel.now
    side.bytes += chunk.length
    if (!this.#peerOf(side).socket.write(chunk)) side.socket.pause()
  }

  onDrain(side: Side): void {
    this.#lastActivity = this.#wheel.now
    this.#peerOf(side).socket.resume()
  }

  onEnd(side: Side): void {
    this.#lastActivity = this.#wheel.now
    this.#peerOf(side).socket.end()
  }

  onLoss(side: Side, detail: string): void {
    this.#finish(side.lossReason, detail, 'reset')
  }

  onClose(side: Side): void {
    side.closed = true
    const { readableEnded, writableFinished } = side.socket
    if (!readableEnded || !writableFinished) this.onLoss(side, 'closed early')
    else if (this.#peerOf(side).closed) this.#finish('completed', undefined, 'fin')
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  #begin(side: Side): void {
    side.socket.resume()
    if (side.end.head.length > 0) this.onData(side, side.end.head)
    // Node tells the end of a paused socket, too: a FIN behind the head may have come already.
    if (side.socket.readableEnded) this.onEnd(side)
  }

  #peerOf(side: Side): Side {
    return side === this.#downstream ? this.#upstream : this.#downstream
  }

  #finish(reason: RelayReason, detail: string | undefined, how: 'fin' | 'reset'): void {
    if (this.#over) return
    this.stop(how)
    this.#sink.onRelayEnd(reason, detail)
  }
}

function listen(side: Side): void {
  const { socket } = side
  socket[kSide] = side
  socket.on('data', onData)
  socket.on('drain', onDrain)
  socket.on('end', onEnd)
  socket.on('error', onError)
  socket.on('close', onClose)
}

/** A listener of all relays. */
function listener<Told>(act: (side: Side, told: Told) => void) {
  return function (this: RelayedSocket, told: Told): void {
    const side = this[kSide]
    if (side === undefined) return
    try {
      act(side, told)
    } catch (error) {
      side.relay.onDefect(error)
    }
  }
}

const onData = listener((side, chunk: Buffer) => side.relay.onData(side, chunk))
const onDrain = listener<void>((side) => side.relay.onDrain(side))
const onEnd = listener<void>((side) => side.relay.onEnd(side))
const onError = listener((side, error: Error) =>
  side.relay.onLoss(side, errnoOf(error) ?? error.message),
)
const onClose = listener<unknown>((side) => side.relay.onClose(side))
