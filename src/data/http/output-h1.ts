/**
 * What goes out on an HTTP/1.1 connection: heads as text, bodies as bytes. What is written in one
 * turn leaves together: a small answer is one write and so one TLS record. Does not own the socket.
 */
import type { Socket } from 'node:net'

/** As much is copied into one piece; more is handed over as it is, head and body at once. */
const MAX_COPY = 16_384

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

  /** Text is Latin-1. Nothing leaves before `send` or `flush`. */
  add(piece: string | Uint8Array): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
  }

  /** Leaves by the end of this turn. False: the socket is full, more must wait for its 'drain'. */
  send(): boolean {
    if (this.#bytes > MAX_COPY) return this.flush()
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
    this.flush()
  }
}

function flushLate(output: Http1Output): void {
  output.flushLate()
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
