/**
 * What goes out on an HTTP/1.1 connection: heads as text, bodies as bytes. What is written in one
 * turn of the loop leaves together: a small answer is one write and so one TLS record. The outputs of
 * all connections leave after each other at the end of the turn: who reads them is woken up once, and
 * the code of TLS stays in the processor's cache. Does not own the socket.
 */
import type { Socket } from 'node:net'
import { giveSlab, SLAB_BYTES, takeSlab } from './slabs.ts'

/** As much is copied into one piece; more is handed over as it is, head and body at once. */
const MAX_COPY = 16_384
/** What is gathered in a buffer from the start: a head, and a small body behind it. */
const SMALL_BYTES = 2048
/** A lent piece from this length on is gathered in a slab, with all that leaves in the same turn. */
const MIN_GATHER = 4096

/** The connection whose output it is. */
export interface OutputOwner {
  /** What `flushSoon` has promised is done, though the socket may be full. */
  onFlushed(): void
  /** A fault of ours in `onFlushed`, or in writing. */
  onOutputFault(error: unknown): void
}

export class Http1Output {
  readonly #socket: Socket
  readonly #owner: OutputOwner
  #pieces: Uint8Array[] = []
  /** The last piece, as long as it grows: it has room for `SMALL_BYTES`. */
  #small: Buffer | undefined
  #smallBytes = 0
  /** Of pieces and the small one, or in the slab. */
  #bytes = 0
  /** Where everything is gathered that leaves next, instead of in pieces. */
  #slab: Buffer | undefined
  /** Slabs that the socket has, in the order of their writes. */
  readonly #written: Buffer[] = []
  #isScheduled = false
  /** The socket takes no more for now; its 'drain' comes. */
  isBlocked = false

  constructor(socket: Socket, owner: OutputOwner) {
    this.#socket = socket
    this.#owner = owner
  }

  /** Text is Latin-1. Nothing leaves before `send` or `flush`, but for the sake of room. */
  add(piece: string | Uint8Array): void {
    const { length } = piece
    if (this.#slab !== undefined && this.#bytes + length > SLAB_BYTES) this.flush()
    if (this.#slab !== undefined) write(this.#slab, this.#bytes, piece)
    else if (length <= SMALL_BYTES) this.#addSmall(piece, length)
    else {
      this.#closeSmall()
      this.#pieces.push(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    }
    this.#bytes += length
  }

  /** As `add`, of bytes that are others' again when this returns. */
  addLent(bytes: Uint8Array): void {
    if (bytes.length >= MIN_GATHER) this.#gather(bytes.length)
    const isCopied = this.#slab !== undefined || bytes.length <= SMALL_BYTES
    this.add(isCopied ? bytes : Buffer.from(bytes))
  }

  /** Leaves by the end of this turn. False: the socket is full, more must wait for its 'drain'. */
  send(): boolean {
    if (this.#slab === undefined && this.#bytes > MAX_COPY) return this.flush()
    this.flushSoon()
    return !this.isBlocked
  }

  /** All leaves by the end of this turn, then the owner is told. */
  flushSoon(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    if (due.push(this) === 1) setImmediate(flushDue)
  }

  /** At once. As `send`. */
  flush(): boolean {
    const bytes = this.#bytes
    if (bytes === 0) return !this.isBlocked
    const pieces = this.#pieces
    const slab = this.#slab
    const socket = this.#socket
    this.#bytes = 0
    if (slab !== undefined) {
      this.#slab = undefined
      this.#written.push(slab)
      this.isBlocked = !socket.write(slab.subarray(0, bytes), this.#onWritten)
      return !this.isBlocked
    }
    this.#closeSmall()
    this.#pieces = []
    const first = pieces[0]
    if (first !== undefined && (pieces.length === 1 || bytes <= MAX_COPY)) {
      this.isBlocked = !socket.write(pieces.length === 1 ? first : Buffer.concat(pieces, bytes))
    } else {
      socket.cork()
      for (const piece of pieces) this.isBlocked = !socket.write(piece)
      socket.uncork()
      this.isBlocked = socket.writableNeedDrain
    }
    return !this.isBlocked
  }

  #addSmall(piece: string | Uint8Array, length: number): void {
    if (this.#smallBytes + length > SMALL_BYTES) this.#closeSmall()
    this.#small ??= Buffer.allocUnsafe(SMALL_BYTES)
    this.#smallBytes = write(this.#small, this.#smallBytes, piece)
  }

  #closeSmall(): void {
    if (this.#small === undefined) return
    this.#pieces.push(this.#small.subarray(0, this.#smallBytes))
    this.#small = undefined
    this.#smallBytes = 0
  }

  /** A slab with room for so many bytes, and what was added in it; none while too many are in use. */
  #gather(length: number): void {
    if (this.#bytes + length > SLAB_BYTES) this.flush()
    if (this.#slab !== undefined || length > SLAB_BYTES) return
    const slab = takeSlab()
    if (slab === undefined) return
    this.#closeSmall()
    let at = 0
    for (const piece of this.#pieces) at = write(slab, at, piece)
    this.#pieces = []
    this.#slab = slab
  }

  /** The socket has done with its first slab; after an error that may not be so. */
  readonly #onWritten = (error?: Error | null): void => {
    const slab = this.#written.shift()
    if (slab !== undefined) giveSlab(error === undefined || error === null ? slab : undefined)
  }

  flushLate(): void {
    this.#isScheduled = false
    try {
      this.flush()
      this.#owner.onFlushed()
    } catch (error) {
      this.#owner.onOutputFault(error)
    }
  }
}

/** Those of this thread that leave at the end of the turn. */
let due: Http1Output[] = []

function flushDue(): void {
  const outputs = due
  due = []
  for (const output of outputs) output.flushLate()
}

/** Returns where the piece ends. */
function write(to: Buffer, at: number, piece: string | Uint8Array): number {
  if (typeof piece === 'string') return at + to.write(piece, at, 'latin1')
  to.set(piece, at)
  return at + piece.length
}
