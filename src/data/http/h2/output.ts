/**
 * What goes out on an HTTP/2 connection: frames are laid one behind the other, and what was written
 * in one turn of the event loop is one write, and so one TLS record where it is small. The room for
 * them is lent by the process: an idle connection has none. Does not own the socket.
 */
import type { Socket } from 'node:net'
import { giveSlab, takeSlab } from '../slabs.ts'

/** With less room left than for a frame of the usual size, the next turn begins another slab. */
const LEAST_ROOM = 16_384 + 9
/** Where all slabs are in use. */
const LEAST_BYTES = 4096

interface Slab {
  readonly bytes: Buffer
  readonly isLent: boolean
  /** No write of it failed: nobody reads it any more when they are over. */
  isSafe: boolean
  /** Writes that may still read it. */
  writes: number
}

/** Told when what was laid before is in the socket, and at most its high-water mark waits there. */
export interface Awaiting {
  onWritten(): void
}

interface Write {
  readonly slab: Slab
  readonly awaiting: readonly Awaiting[] | undefined
}

export class FrameOutput {
  readonly #socket: Socket
  /** Where frames are laid: from `at` on, after `reserve`. */
  bytes: Buffer
  at = 0
  #slab: Slab | undefined
  #from = 0
  #writes: Write[] = []
  #awaiting: Awaiting[] | undefined
  #isScheduled = false
  /** The socket takes no more for now; its 'drain' comes. */
  isBlocked = false

  constructor(socket: Socket) {
    this.#socket = socket
    this.bytes = NO_BYTES
  }

  /** At most 64 KiB. What was laid before may leave now. */
  reserve(length: number): void {
    if (this.at + length <= this.bytes.length) return
    this.flush()
    if (this.at + length <= this.bytes.length) return
    this.#leave()
    const lent = takeSlab()
    const bytes = lent ?? Buffer.allocUnsafeSlow(Math.max(length, LEAST_BYTES))
    const slab = { bytes, isLent: lent !== undefined, isSafe: true, writes: 0 }
    this.#slab = slab
    this.bytes = slab.bytes
    this.#from = 0
    this.at = 0
  }

  /** What was laid leaves by the end of this turn. */
  send(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(flushLate, this)
  }

  /** As `send`; `one` is told when all of it was written, and not when it never was. */
  sendFor(one: Awaiting): void {
    this.#awaiting ??= []
    this.#awaiting.push(one)
    this.send()
  }

  /** Bytes that the socket has not taken yet. */
  get waitingBytes(): number {
    return this.#socket.writableLength + this.at - this.#from
  }

  /** Whether what was laid at `start` in `bytes` can still be changed. */
  holds(bytes: Buffer, start: number): boolean {
    return bytes === this.bytes && start >= this.#from && start < this.at
  }

  flush(): void {
    const slab = this.#slab
    if (slab === undefined) return
    if (this.at === this.#from) {
      // What was to be laid could not be sent.
      this.#release(slab)
      return
    }
    const piece = slab.bytes.subarray(this.#from, this.at)
    this.#from = this.at
    slab.writes += 1
    const awaiting = this.#awaiting
    this.#awaiting = undefined
    if (slab.bytes.length - this.at < LEAST_ROOM) this.#leave()
    this.isBlocked = !this.#socket.write(piece, this.#onWritten)
    this.#writes.push({ slab, awaiting: this.isBlocked ? awaiting : undefined })
    // As good as gone: no peer's slowness holds it here.
    if (awaiting !== undefined && !this.isBlocked) process.nextTick(tell, awaiting)
  }

  flushLate(): void {
    this.#isScheduled = false
    this.flush()
  }

  readonly #onWritten = (error?: Error | null): void => {
    const write = this.#writes.shift()
    if (write === undefined) return
    const { slab, awaiting } = write
    slab.writes -= 1
    if (error) slab.isSafe = false
    this.#release(slab)
    if (awaiting !== undefined && !error) tell(awaiting)
  }

  /** Gives it back if nothing in it waits to leave, or is on its way. */
  #release(slab: Slab): void {
    if (slab.writes > 0) return
    if (slab === this.#slab && this.at === this.#from) this.#leave()
    if (slab !== this.#slab && slab.isLent) giveSlab(slab.isSafe ? slab.bytes : undefined)
  }

  #leave(): void {
    this.#slab = undefined
    this.bytes = NO_BYTES
    this.#from = 0
    this.at = 0
  }
}

const NO_BYTES = Buffer.alloc(0)

function tell(awaiting: readonly Awaiting[]): void {
  for (const one of awaiting) one.onWritten()
}

function flushLate(output: FrameOutput): void {
  output.flushLate()
}
