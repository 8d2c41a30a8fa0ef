/**
 * What goes out on an HTTP/1.1 connection: heads as text, bodies as bytes. What is written in one
 * turn leaves together: a small answer is one write and so one TLS record. Does not own the socket.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { writesAtOnce } from '../tls/write-probe.ts'
import { kept, READ_BUFFER } from './read-buffer.ts'

/** As much is copied into a piece of its own; more is handed over as it is, head and body at once. */
const MAX_COPY = 16_384
/** Where writes to TLS are put together, all of a thread. */
const SCRATCH = Buffer.allocUnsafeSlow(READ_BUFFER.length + MAX_COPY)

export class Http1Output {
  readonly #socket: Socket
  #pieces: (string | Uint8Array)[] = []
  #bytes = 0
  #isScheduled = false
  /** The socket takes no more for now; its 'drain' comes. */
  isBlocked = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Text is Latin-1. Nothing leaves before `send` or `flush`, until when bytes may be lent. */
  add(piece: string | Uint8Array): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
  }

  /** Leaves by the end of this turn. False: the socket is full, more must wait for its 'drain'. */
  send(): boolean {
    if (this.#bytes > MAX_COPY) return this.flush()
    this.#pieces = this.#pieces.map(keptPiece)
    if (!this.#isScheduled) {
      this.#isScheduled = true
      process.nextTick(flushLate, this)
    }
    return !this.isBlocked
  }

  /** As `send`, at once. */
  flush(): boolean {
    const pieces = this.#pieces
    if (pieces.length === 0) return !this.isBlocked
    const bytes = this.#bytes
    this.#pieces = []
    this.#bytes = 0
    const socket = this.#socket
    const whole = this.#place(bytes)
    if (whole !== undefined) {
      join(pieces, whole)
      this.isBlocked = !socket.write(whole)
    } else {
      socket.cork()
      for (const piece of pieces) {
        const part = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : kept(piece)
        this.isBlocked = !socket.write(part)
      }
      socket.uncork()
      this.isBlocked = socket.writableNeedDrain
    }
    return !this.isBlocked
  }

  flushLate(): void {
    this.#isScheduled = false
    this.flush()
  }

  /** For the next write; undefined: it is too large to be put together. */
  #place(bytes: number): Buffer | undefined {
    const socket = this.#socket
    // What waits behind another write is not taken at once.
    const isTaken = socket.writableLength === 0 && socket instanceof TLSSocket && writesAtOnce()
    if (isTaken && bytes <= SCRATCH.length) return SCRATCH.subarray(0, bytes)
    return bytes <= MAX_COPY ? Buffer.allocUnsafe(bytes) : undefined
  }
}

function flushLate(output: Http1Output): void {
  output.flushLate()
}

function join(pieces: readonly (string | Uint8Array)[], whole: Buffer): void {
  let at = 0
  for (const piece of pieces) {
    if (typeof piece === 'string') at += whole.write(piece, at, 'latin1')
    else {
      whole.set(piece, at)
      at += piece.length
    }
  }
}

function keptPiece(piece: string | Uint8Array): string | Uint8Array {
  return typeof piece === 'string' ? piece : kept(piece)
}
