/**
 * The bytes of a peek: one contiguous buffer however small the segments are, so that parsers need
 * no reassembly. Bounded: the owner of the peek stops it at its limit and deadline.
 */
import { NO_BYTES } from './relay-end.ts'

const FIRST_GROWTH = 4096

export class PeekBuffer {
  readonly #softLimit: number
  #bytes: Buffer = NO_BYTES
  #length = 0

  constructor(softLimit: number) {
    this.#softLimit = softLimit
  }

  get length(): number {
    return this.#length
  }

  /** All bytes so far, valid until the next call. */
  get bytes(): Buffer {
    const bytes = this.#bytes
    return bytes.length === this.#length ? bytes : bytes.subarray(0, this.#length)
  }

  /** Gives all bytes so far, as `bytes` does. A single chunk is not copied. */
  append(chunk: Buffer): Buffer {
    const length = this.#length + chunk.length
    if (this.#length === 0) this.#bytes = chunk
    else {
      if (this.#bytes.length < length) this.#grow(length)
      chunk.copy(this.#bytes, this.#length)
    }
    this.#length = length
    return this.bytes
  }

  /** Drops the first `count` bytes, without moving the others. */
  skip(count: number): void {
    this.#length -= count
    this.#bytes = this.#length === 0 ? NO_BYTES : this.#bytes.subarray(count)
  }

  /** The bytes; the buffer is empty afterwards. */
  take(): Buffer {
    const taken = this.bytes
    this.#bytes = NO_BYTES
    this.#length = 0
    return taken
  }

  #grow(length: number): void {
    const doubled = Math.min(Math.max(FIRST_GROWTH, this.#bytes.length * 2), this.#softLimit)
    const grown = Buffer.allocUnsafeSlow(Math.max(length, doubled))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
