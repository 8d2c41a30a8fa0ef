/**
 * HPACK decoding (RFC 7541): the field blocks of one direction of a connection, in their order. A
 * list that is longer than allowed still leaves the table right. What an index stands for is the same
 * string each time, so that a small block makes no large list. A character is an octet.
 */
import { Http2Code, Http2Error } from './frames.ts'
import { decodeHuffman, maxDecodedBytes } from './huffman.ts'
import { DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD, STATIC_TABLE } from './static-table.ts'

const STATIC_NAMES: readonly string[] = ['', ...STATIC_TABLE.map(([name]) => name)]
const STATIC_VALUES: readonly string[] = ['', ...STATIC_TABLE.map(([, value]) => value)]
const STATIC_ENTRIES = STATIC_TABLE.length
/**
 * Octets of an integer behind its prefix, so that none is above 2^28 + 255: longer than any block,
 * and small for V8. Longer encodings of small numbers are refused, too (section 5.1).
 */
const MAX_INTEGER_OCTETS = 4
const SCRATCH_BYTES = 8192
/** Where Huffman strings are decoded, of all decoders: nothing is left here. */
const SCRATCH = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

export class HpackDecoder {
  readonly #maxTableSize: number
  // A ring: the newest entry is before `#head`.
  readonly #names: string[]
  readonly #values: string[]
  readonly #mask: number
  #head = 0
  #count = 0
  /** RFC 7541 section 4.1. */
  #size = 0
  /** What the peer said last, at most `#maxTableSize`. */
  #limit: number
  /** Where reading goes on; set by `#integer` and `#string`. */
  #at = 0

  /** `maxTableSize`: SETTINGS_HEADER_TABLE_SIZE that the peer knows. */
  constructor(maxTableSize: number = DEFAULT_TABLE_SIZE) {
    this.#maxTableSize = maxTableSize
    this.#limit = maxTableSize
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1, maxTableSize / ENTRY_OVERHEAD)))
    this.#names = new Array<string>(slots).fill('')
    this.#values = new Array<string>(slots).fill('')
    this.#mask = slots - 1
  }

  /**
   * @returns names and values, flat; undefined: they are above `maxListBytes` (octets and 32 for each
   * field, RFC 9113 section 10.5.1) or `maxFields`, and the connection can go on.
   * Throws Http2Error COMPRESSION_ERROR, after which the decoder is of no more use.
   */
  decode(block: Buffer, maxListBytes: number, maxFields = Infinity): string[] | undefined {
    const fields: string[] = []
    const { length } = block
    let room = maxListBytes
    let left = maxFields
    let isFirst = true
    let at = 0
    while (at < length) {
      const byte = block[at] as number
      let name: string
      let value: string
      if (byte >= 0x80) {
        const index = this.#integer(block, at, 0x7f)
        at = this.#at
        if (index <= STATIC_ENTRIES) {
          if (index === 0) throw compressionError('index 0')
          name = STATIC_NAMES[index] as string
          value = STATIC_VALUES[index] as string
        } else {
          const slot = this.#slot(index)
          name = this.#names[slot] as string
          value = this.#values[slot] as string
        }
      } else if (byte >= 0x20 && byte < 0x40) {
        if (!isFirst) throw compressionError('table size within a block')
        this.#resize(this.#integer(block, at, 0x1f))
        at = this.#at
        continue
      } else {
        const index = this.#integer(block, at, byte >= 0x40 ? 0x3f : 0x0f)
        at = this.#at
        if (index === 0) {
          name = this.#string(block, at)
          at = this.#at
        } else if (index <= STATIC_ENTRIES) {
          name = STATIC_NAMES[index] as string
        } else {
          name = this.#names[this.#slot(index)] as string
        }
        value = this.#string(block, at)
        at = this.#at
        if (byte >= 0x40) this.#insert(name, value)
      }
      isFirst = false
      room -= name.length + value.length + ENTRY_OVERHEAD
      left -= 1
      if (room >= 0 && left >= 0) fields.push(name, value)
    }
    return room >= 0 && left >= 0 ? fields : undefined
  }

  #slot(index: number): number {
    const age = index - STATIC_ENTRIES
    if (age > this.#count) throw compressionError('index beyond the table')
    return (this.#head - age) & this.#mask
  }

  /** An entry larger than the table empties it (section 4.4). */
  #insert(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD
    this.#evict(this.#limit - size)
    if (size > this.#limit) return
    this.#names[this.#head] = name
    this.#values[this.#head] = value
    this.#head = (this.#head + 1) & this.#mask
    this.#count += 1
    this.#size += size
  }

  #resize(limit: number): void {
    if (limit > this.#maxTableSize) throw compressionError('table size')
    this.#limit = limit
    this.#evict(limit)
  }

  /** Until the table has no more than `size`; below 0: until it is empty. */
  #evict(size: number): void {
    while (this.#count > 0 && this.#size > size) {
      const slot = (this.#head - this.#count) & this.#mask
      const name = this.#names[slot] as string
      const value = this.#values[slot] as string
      this.#size -= name.length + value.length + ENTRY_OVERHEAD
      this.#names[slot] = ''
      this.#values[slot] = ''
      this.#count -= 1
    }
  }

  /** Section 5.1; `mask`: of the prefix. */
  #integer(block: Buffer, from: number, mask: number): number {
    let at = from
    let value = (block[at++] as number) & mask
    if (value === mask) {
      for (let shift = 0; ; shift += 7) {
        if (at === block.length) throw compressionError('integer is cut')
        if (shift === MAX_INTEGER_OCTETS * 7) throw compressionError('integer')
        const byte = block[at++] as number
        value += (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
    }
    this.#at = at
    return value
  }

  /** Section 5.2. */
  #string(block: Buffer, from: number): string {
    if (from === block.length) throw compressionError('string is cut')
    const isHuffman = (block[from] as number) >= 0x80
    const length = this.#integer(block, from, 0x7f)
    const at = this.#at
    const end = at + length
    if (end > block.length) throw compressionError('string is cut')
    this.#at = end
    if (length === 0) return ''
    if (!isHuffman) return block.toString('latin1', at, end)
    const most = maxDecodedBytes(length)
    const scratch = most <= SCRATCH_BYTES ? SCRATCH : Buffer.allocUnsafe(most)
    const bytes = decodeHuffman(block, at, end, scratch)
    if (bytes === -1) throw compressionError('Huffman code')
    return scratch.toString('latin1', 0, bytes)
  }
}

function compressionError(message: string): Http2Error {
  return new Http2Error(Http2Code.compressionError, `HPACK: ${message}`)
}
