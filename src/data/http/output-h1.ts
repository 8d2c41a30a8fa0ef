/**
 * What goes out on an HTTP/1.1 connection: heads as text, bodies as bytes. What is written in one
 * turn of the loop leaves together: a small answer is one write and so one TLS record. The outputs of
 * all connections leave after each other at the end of the turn: who reads them is woken up once, and
 * the code of TLS stays in the processor's cache. Does not own the socket.
 */
import type { Socket } from 'node:net'

/** As much is copied into one piece; more is handed over as it is, head and body at once. */
const MAX_COPY = 16_384

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
  #pieces: (string | Uint8Array)[] = []
  #bytes = 0
  #isScheduled = false
  /** The socket takes no more for now; its 'drain' comes. */
  isBlocked = false

  constructor(socket: Socket, owner: OutputOwner) {
    this.#socket = socket
    this.#owner = owner
  }

  /** Text is Latin-1. Nothing leaves before `send` or `flush`. */
  add(piece: string | Uint8Array): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
  }

  /** Leaves by the end of this turn. False: the socket is full, more must wait for its 'drain'. */
  send(): boolean {
    if (this.#bytes > MAX_COPY) return this.flush()
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
    const pieces = this.#pieces
    if (pieces.length === 0) return !this.isBlocked
    const bytes = this.#bytes
    this.#pieces = []
    this.#bytes = 0
    const socket = this.#socket
    if (bytes <= MAX_COPY) {
      this.isBlocked = !socket.write(joined(pieces, bytes))
    } else {
      socket.cork()
      for (const piece of pieces) {
        const part = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece
        this.isBlocked = !socket.write(part)
      }
      socket.uncork()
      this.isBlocked = socket.writableNeedDrain
    }
    return !this.isBlocked
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

function joined(pieces: readonly (string | Uint8Array)[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const piece of pieces) {
    if (typeof piece === 'string') at += whole.write(piece, at, 'latin1')
    else {
      whole.set(piece, at)
      at += piece.length
    }
  }
  return whole
}
