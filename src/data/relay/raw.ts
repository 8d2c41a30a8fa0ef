/**
 * Moves bytes both ways between two raw TCP handles, as relay/stream does between two sockets:
 * FIN travels on after the bytes before it, RST as RST, a slow reader stops the other side's
 * reading. At most one write is in flight for each direction. Owns both handles.
 */
import {
  ALREADY,
  closeHandle,
  END_OF_FILE,
  errnoName,
  type HandleReader,
  type Native,
  readTo,
  type ShutdownRequest,
  type TcpHandle,
  type WriteRequest,
} from '../io/raw/native.ts'
import { KEEP_ALIVE_MS, type RawEnd } from '../io/relay-end.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'
import type { RelayReason, RelaySink } from './stream.ts'

/** A direction that has moved this much is worth a buffer of its own. */
const BULK_BYTES = 1 << 20
const BULK_BUFFER_BYTES = 256 * 1024
/** A direction that was read this often is worth a call, and is read without a buffer for each. */
const CHATTY_READS = 8
/** As much as Node's own buffer of a read. */
const SHARED_BYTES = 64 * 1024
/** What is at most copied to the scratch; a slow reader may hold one of these. */
const SCRATCH_BYTES = 4096
/** When the upstream's keep-alive is set. */
const FIRST_LOOK_MS = 20_000
const kSide = Symbol('relay side')

interface SideRequest extends WriteRequest, ShutdownRequest {
  [kSide]?: Side
  /** What is being written must stay. */
  bytes?: Uint8Array
}

/** What the relays of a worker share. */
export class RawRelays {
  readonly native: Native
  readonly wheel: TimerWheel
  /** Not used by a write yet: one that is done at once leaves it unused. */
  spare: SideRequest
  /** Where all chatty directions are read to. What is in it is gone with the next read of any. */
  readonly shared: Buffer = Buffer.allocUnsafeSlow(SHARED_BYTES)
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  /** The beginning of the scratch: messages are often as long as the one before. */
  #copied: Uint8Array = this.#scratch
  /** Bytes of bulk buffers that may still be made. */
  #left: number

  /** `bulkBytes` bounds the buffers of all directions that move much. */
  constructor(native: Native, wheel: TimerWheel, bulkBytes: number) {
    this.native = native
    this.wheel = wheel
    this.#left = bulkBytes
    this.spare = new native.WriteRequest()
  }

  /** What was read to `shared`, as bytes to write: until `keepCopy` they are lost with the next copy. */
  copy(length: number): Uint8Array {
    if (length > SCRATCH_BYTES) return Buffer.from(this.shared.subarray(0, length))
    this.shared.copy(this.#scratch, 0, 0, length)
    if (this.#copied.length !== length) this.#copied = this.#scratch.subarray(0, length)
    return this.#copied
  }

  /** A write needs them for longer. */
  keepCopy(bytes: Uint8Array): void {
    if (bytes !== this.#copied) return
    this.#scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
    this.#copied = this.#scratch
  }

  takeBuffer(): Uint8Array | undefined {
    if (this.#left < BULK_BUFFER_BYTES) return undefined
    this.#left -= BULK_BUFFER_BYTES
    return Buffer.allocUnsafeSlow(BULK_BUFFER_BYTES)
  }

  giveBack(buffer: Uint8Array): void {
    this.#left += buffer.length
  }
}

/** What is true of a side, one bit each: an idle connection is two of them, and little else. */
const ENDED = 1 << 0 // Its FIN was read.
const STALLED = 1 << 1 // Not read, since what was read before is still being written.
const DELAYS = 1 << 2 // As of `RawEnd`, until the second write.
const SHUTTING = 1 << 3 // It is being sent the FIN of the other.
const DOOMED = 1 << 4 // To be reset as soon as that is over.

/** One of the two handles. */
class Side implements HandleReader {
  readonly relay: RawRelay
  readonly handle: TcpHandle
  state: number
  /** Read from it. */
  bytes = 0
  reads = 0
  /** Where it is read to; undefined: into a new buffer each time. */
  buffer: Uint8Array | undefined

  constructor(relay: RawRelay, { handle, delays }: RawEnd) {
    this.relay = relay
    this.handle = handle
    this.state = delays ? DELAYS : 0
  }

  is(what: number): boolean {
    return (this.state & what) !== 0
  }

  set(what: number): void {
    this.state |= what
  }

  clear(what: number): void {
    this.state &= ~what
  }

  onRead(buffer: ArrayBuffer | undefined): void {
    try {
      this.relay.onRead(this, buffer)
    } catch (error) {
      this.relay.onDefect(error)
    }
  }
}

export class RawRelay implements TimerSink {
  readonly #relays: RawRelays
  readonly #downstream: Side
  readonly #upstream: Side
  readonly #sink: RelaySink
  readonly #idle: Deadline
  readonly #idleMs: number
  #lastActivity: number
  /** As they were given, until the relay begins: the heads must not live as long as the connection. */
  #given: readonly [downstream: RawEnd, upstream: RawEnd] | undefined
  #over = false

  constructor(
    downstream: RawEnd,
    upstream: RawEnd,
    idleMs: number,
    relays: RawRelays,
    sink: RelaySink,
  ) {
    this.#relays = relays
    this.#downstream = new Side(this, downstream)
    this.#upstream = new Side(this, upstream)
    this.#given = [downstream, upstream]
    this.#sink = sink
    this.#idleMs = idleMs
    this.#lastActivity = relays.wheel.now
    this.#idle = new Deadline(relays.wheel, this)
  }

  get bytesReceived(): number {
    return this.#downstream.bytes
  }

  get bytesSent(): number {
    return this.#upstream.bytes
  }

  start(): void {
    this.#idle.arm(Math.min(this.#idleMs, FIRST_LOOK_MS))
    const given = this.#given
    this.#given = undefined
    if (given === undefined) return
    this.#begin(this.#downstream, given[0])
    this.#begin(this.#upstream, given[1])
  }

  /** Cuts both sides; the sink is not called. */
  stop(how: 'fin' | 'reset'): void {
    if (this.#over) return
    this.#over = true
    this.#idle.cancel()
    this.#close(this.#downstream, how)
    this.#close(this.#upstream, how)
  }

  /** Looks whether the pair was idle for the whole limit; activity only leaves its time. */
  onDeadline(): void {
    // Most connections have ended by now, and were spared the calls. The kernel counts from the last packet.
    this.#upstream.handle.setKeepAlive(true, KEEP_ALIVE_MS / 1000)
    const left = this.#lastActivity + this.#idleMs - this.#relays.wheel.now
    if (left > 0) this.#idle.arm(left)
    else this.#finish('idle-timeout', undefined)
  }

  onRead(side: Side, buffer: ArrayBuffer | undefined): void {
    const { native, wheel } = this.#relays
    const read = native.lastRead
    if (read === 0 || this.#over) return
    this.#lastActivity = wheel.now
    if (read === END_OF_FILE) this.#onEnd(side)
    else if (read < 0) this.#onLoss(side, read)
    else if (buffer !== undefined) {
      this.#onBytes(side, new Uint8Array(buffer, native.lastOffset, read))
      side.reads += 1
      if (side.reads === CHATTY_READS && side.buffer === undefined && !this.#over) {
        side.handle.useUserBuffer(this.#relays.shared)
      }
    } else if (side.buffer !== undefined) this.#onBytes(side, side.buffer.subarray(0, read))
    else this.#onBytes(side, this.#relays.copy(read))
  }

  /** What was read from `side` is written, so that it may be read again. */
  onWritten(side: Side, status: number): void {
    if (this.#over) return
    this.#lastActivity = this.#relays.wheel.now
    side.clear(STALLED)
    if (status < 0) this.#onLoss(this.#peerOf(side), status)
    else if (side.is(ENDED)) this.#passEnd(side)
    else this.#readOn(side)
  }

  /** `side` has been sent the FIN of the other. */
  onShutdown(side: Side, status: number): void {
    side.clear(SHUTTING)
    if (side.is(DOOMED)) closeHandle(side.handle, 'reset')
    else if (!this.#over && status < 0) this.#onLoss(side, status)
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  #begin(side: Side, { head, ended }: RawEnd): void {
    if (this.#over) return
    readTo(side.handle, side)
    if (head.length > 0) this.#onBytes(side, head)
    if (ended) this.#onEnd(side)
    else if (!side.is(STALLED)) this.#readOn(side)
  }

  #onBytes(side: Side, bytes: Uint8Array): void {
    const relays = this.#relays
    const { native, spare } = relays
    const peer = this.#peerOf(side)
    if (side.bytes > 0 && peer.is(DELAYS)) this.#setNoDelay(peer)
    side.bytes += bytes.length
    const status = peer.handle.writeBuffer(spare, bytes)
    const isLater = native.wroteLater
    if (status !== 0) this.#onLoss(peer, status)
    else if (isLater) {
      spare[kSide] = side
      spare.bytes = bytes
      relays.keepCopy(bytes)
      spare.oncomplete = onWritten
      relays.spare = new native.WriteRequest()
      // Also since these bytes may be read over.
      side.set(STALLED)
      side.handle.readStop()
    } else if (side.bytes >= BULK_BYTES && side.buffer === undefined) this.#useBulkBuffer(side)
  }

  #readOn(side: Side): void {
    const status = side.handle.readStart()
    if (status < 0 && status !== ALREADY) this.#onLoss(side, status)
  }

  #setNoDelay(side: Side): void {
    side.clear(DELAYS)
    side.handle.setNoDelay(true)
  }

  /** Nothing is being written of what was read from `side`. */
  #useBulkBuffer(side: Side): void {
    side.buffer = this.#relays.takeBuffer()
    if (side.buffer !== undefined) side.handle.useUserBuffer(side.buffer)
  }

  #onEnd(side: Side): void {
    side.set(ENDED)
    if (!side.is(STALLED)) this.#passEnd(side)
  }

  /** All that came before it is written. */
  #passEnd(side: Side): void {
    const peer = this.#peerOf(side)
    // Closing sends the last FIN.
    if (peer.is(ENDED) && !peer.is(STALLED)) this.#finish('completed', undefined)
    else this.#shutdown(peer)
  }

  #shutdown(side: Side): void {
    const request: SideRequest = new this.#relays.native.ShutdownRequest()
    request[kSide] = side
    request.oncomplete = onShutdown
    const status = side.handle.shutdown(request)
    if (status === 0) side.set(SHUTTING)
    if (status < 0) this.#onLoss(side, status)
  }

  #onLoss(side: Side, status: number): void {
    const reason = side === this.#downstream ? 'client-reset' : 'upstream-reset'
    this.#finish(reason, errnoName(status))
  }

  #peerOf(side: Side): Side {
    return side === this.#downstream ? this.#upstream : this.#downstream
  }

  #close(side: Side, how: 'fin' | 'reset'): void {
    if (how === 'reset' && side.is(SHUTTING)) side.set(DOOMED)
    else closeHandle(side.handle, how)
    if (side.buffer !== undefined) this.#relays.giveBack(side.buffer)
    side.buffer = undefined
  }

  #finish(reason: RelayReason, detail: string | undefined): void {
    if (this.#over) return
    this.stop(reason === 'completed' ? 'fin' : 'reset')
    this.#sink.onRelayEnd(reason, detail)
  }
}

function onWritten(this: SideRequest, status: number): void {
  const side = this[kSide]
  if (side === undefined) return
  try {
    side.relay.onWritten(side, status)
  } catch (error) {
    side.relay.onDefect(error)
  }
}

function onShutdown(this: SideRequest, status: number): void {
  const side = this[kSide]
  if (side === undefined) return
  try {
    side.relay.onShutdown(side, status)
  } catch (error) {
    side.relay.onDefect(error)
  }
}
