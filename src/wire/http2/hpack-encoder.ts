/**
 * HPACK encoding (RFC 7541): the field blocks of one direction of a connection. What comes again is
 * one octet or two; names whose values never come again stop going into the table. Strings are not
 * Huffman-coded: that costs more CPU than the octets are worth here.
 */
import { TEXT, TOKEN } from '../http1/chars.ts'
import { DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD, STATIC_TABLE } from './static-table.ts'

/** Slots of the ring: twice what a table can hold, so that a block can be taken back. */
const SLOTS = 256
const MASK = SLOTS - 1
/** Insertions by one block. */
const MAX_INSERTIONS = SLOTS - DEFAULT_TABLE_SIZE / ENTRY_OVERHEAD
/** Names that an encoder knows at once, and how long each is at most. */
const MAX_NAMES = 256
const MAX_NAME_LENGTH = 64
/** An entry that takes more of the table would push out what is of more use. */
const MAX_ENTRY = DEFAULT_TABLE_SIZE / 2
/** Values of a name that were put into the table in vain, one after the other, until no more are. */
const MAX_MISSES = 4
/** After so many more, the next one is tried again. */
const RETRY_MISSES = 64
/** Longer strings are judged and written by the runtime, which costs a call. */
const SHORT = 48
/** As TEXT. */
const NO_TEXT = /[^\t\x20-\x7e\x80-\xff]/

/** Their values are not to be guessed by what a table makes shorter (RFC 7541 section 7.1). */
const SECRET: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'proxy-authorization',
  'set-cookie',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
])

/** Hardly one value comes twice. */
const UNIQUE: ReadonlySet<string> = new Set([
  ':path',
  'age',
  'content-length',
  'content-range',
  'etag',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'range',
  'traceparent',
  'tracestate',
  'x-request-id',
])

/** RFC 9113 section 8.2.2; `http2-settings` is of the upgrade that HTTP/2 had. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** Entries of a name in the static table: one follows the other. */
interface StaticEntries {
  /** Of the first. */
  readonly index: number
  readonly values: string[]
}

const STATIC_ENTRIES: ReadonlyMap<string, StaticEntries> = staticEntries()
const NOT_STATIC: StaticEntries = { index: 0, values: [] }

const INDEXED = 0
const WITHOUT_INDEX = 1
const NEVER_INDEXED = 2

/** What an encoder knows of a name. */
interface Name {
  /** Lower case. */
  readonly text: string
  /** In the static table; 0: not there. */
  readonly index: number
  /** Values in the static table, from `index` on. */
  readonly values: readonly string[]
  readonly kind: number
  /** Of its newest entry; -1: none. */
  last: number
  misses: number
}

const NO_NAME: Name = { text: '', index: 0, values: [], kind: INDEXED, last: -1, misses: 0 }

export class HpackEncoder {
  // A ring of entries by their serial numbers.
  readonly #entries: Name[] = new Array<Name>(SLOTS).fill(NO_NAME)
  readonly #values: string[] = new Array<string>(SLOTS).fill('')
  /** Serial number of the entry before with this name; -1: none. */
  readonly #before: number[] = new Array<number>(SLOTS).fill(-1)
  readonly #names = new Map<string, Name>()
  #serial = 0
  #count = 0
  /** RFC 7541 section 4.1. */
  #size = 0
  #limit = DEFAULT_TABLE_SIZE
  /** The smallest limit since the last block; the peer has to know it, too. */
  #leastLimit = DEFAULT_TABLE_SIZE
  /** What the peer knows. */
  #toldLimit = DEFAULT_TABLE_SIZE

  /** Octets that `encode` writes at most. */
  static bound(fields: readonly string[]): number {
    let bytes = 8
    for (let i = 0; i < fields.length; i++) bytes += (fields[i] as string).length + 6
    return bytes
  }

  /** SETTINGS_HEADER_TABLE_SIZE of the peer. */
  set maxTableSize(bytes: number) {
    this.#limit = Math.min(bytes, DEFAULT_TABLE_SIZE)
    this.#leastLimit = Math.min(this.#leastLimit, this.#limit)
    const oldest = this.#serial - this.#count
    this.#evict(this.#limit)
    this.#forget(oldest)
  }

  /**
   * Writes `fields` (flat, pseudo-fields first; names become lower case) to `out`, which has room for
   * `bound`, from `at`.
   * @returns the offset behind it. Throws TypeError on what no field can hold; nothing has happened
   * then, but that octets behind `at` are others.
   */
  encode(fields: readonly string[], out: Buffer, at: number): number {
    const serial = this.#serial
    const count = this.#count
    const size = this.#size
    try {
      let end = at
      if (this.#leastLimit !== this.#toldLimit || this.#limit !== this.#toldLimit) {
        end = this.#writeLimits(out, end)
      }
      for (let i = 0; i + 1 < fields.length; i += 2) {
        end = this.#field(fields[i] as string, fields[i + 1] as string, out, end, serial)
      }
      this.#leastLimit = this.#limit
      this.#toldLimit = this.#limit
      this.#forget(serial - count)
      return end
    } catch (error) {
      this.#takeBack(serial)
      this.#count = count
      this.#size = size
      throw error
    }
  }

  #writeLimits(out: Buffer, at: number): number {
    let end = at
    if (this.#leastLimit < this.#limit) end = writeInteger(out, end, 0x20, 0x1f, this.#leastLimit)
    return writeInteger(out, end, 0x20, 0x1f, this.#limit)
  }

  #field(name: string, value: string, out: Buffer, at: number, blockSerial: number): number {
    const known = this.#names.get(name) ?? this.#learn(name)
    const { values } = known
    for (let i = 0; i < values.length; i++) {
      if (values[i] === value) {
        out[at] = 0x80 | (known.index + i)
        return at + 1
      }
    }
    if (known.kind !== INDEXED) {
      const first = known.kind === NEVER_INDEXED ? 0x10 : 0
      return writeLiteral(out, at, first, 0x0f, known.index, known.text, value)
    }
    if (known.text === 'te' && value.toLowerCase() !== 'trailers') {
      throw new TypeError('TE over HTTP/2')
    }
    const oldest = this.#serial - this.#count
    for (let entry = known.last; entry >= oldest; entry = this.#before[entry & MASK] as number) {
      if (this.#values[entry & MASK] === value) {
        known.misses = 0
        return writeInteger(out, at, 0x80, 0x7f, STATIC_TABLE.length + this.#serial - entry)
      }
    }
    const index =
      known.index === 0 && known.last >= oldest
        ? STATIC_TABLE.length + this.#serial - known.last
        : known.index
    if (!this.#isWorthAnEntry(known, value, blockSerial)) {
      return writeLiteral(out, at, 0, 0x0f, index, known.text, value)
    }
    const end = writeLiteral(out, at, 0x40, 0x3f, index, known.text, value)
    this.#insert(known, value)
    return end
  }

  #isWorthAnEntry(known: Name, value: string, blockSerial: number): boolean {
    known.misses = known.misses < RETRY_MISSES ? known.misses + 1 : MAX_MISSES
    if (known.misses > MAX_MISSES) return false
    const size = known.text.length + value.length + ENTRY_OVERHEAD
    return size <= MAX_ENTRY && size <= this.#limit && this.#serial - blockSerial < MAX_INSERTIONS
  }

  #insert(known: Name, value: string): void {
    const size = known.text.length + value.length + ENTRY_OVERHEAD
    this.#evict(this.#limit - size)
    const slot = this.#serial & MASK
    this.#entries[slot] = known
    this.#values[slot] = value
    this.#before[slot] = known.last
    known.last = this.#serial
    this.#serial += 1
    this.#count += 1
    this.#size += size
  }

  /** Until the table has no more than `size`. What goes stays in the ring, see `#takeBack`. */
  #evict(size: number): void {
    while (this.#size > size) {
      const slot = (this.#serial - this.#count) & MASK
      const { text } = this.#entries[slot] as Name
      this.#size -= text.length + (this.#values[slot] as string).length + ENTRY_OVERHEAD
      this.#count -= 1
    }
  }

  /** Lets go of the entries since `from` that are in the table no more. */
  #forget(from: number): void {
    const oldest = this.#serial - this.#count
    for (let entry = from; entry < oldest; entry++) {
      this.#entries[entry & MASK] = NO_NAME
      this.#values[entry & MASK] = ''
    }
  }

  /** Undoes the entries since `serial`; what they pushed out is still in the ring. */
  #takeBack(serial: number): void {
    for (let entry = this.#serial - 1; entry >= serial; entry--) {
      const known = this.#entries[entry & MASK] as Name
      known.last = this.#before[entry & MASK] as number
    }
    this.#serial = serial
  }

  #learn(name: string): Name {
    const known = nameOf(name)
    if (name.length > MAX_NAME_LENGTH) return known
    if (this.#names.size === MAX_NAMES) this.#names.clear()
    this.#names.set(name, known)
    return known
  }
}

/** Throws TypeError. */
function nameOf(name: string): Name {
  // Before it becomes lower case: U+212A would be a k then.
  if (!isName(name)) throw new TypeError('a field name that cannot be sent')
  const text = name.toLowerCase()
  if (CONNECTION_SPECIFIC.has(text)) throw new TypeError(`${text} over HTTP/2`)
  const isUnique = UNIQUE.has(text) || text.length > MAX_NAME_LENGTH
  const kind = SECRET.has(text) ? NEVER_INDEXED : isUnique ? WITHOUT_INDEX : INDEXED
  const { index, values } = STATIC_ENTRIES.get(text) ?? NOT_STATIC
  return { text, index, values, kind, last: -1, misses: 0 }
}

function isName(text: string): boolean {
  const start = text.startsWith(':') ? 1 : 0
  if (text.length === start) return false
  for (let i = start; i < text.length; i++) {
    if (TOKEN[text.charCodeAt(i)] !== 1) return false
  }
  return true
}

function staticEntries(): Map<string, StaticEntries> {
  const entries = new Map<string, StaticEntries>()
  for (const [at, [name, value]] of STATIC_TABLE.entries()) {
    const known = entries.get(name)
    if (known === undefined) entries.set(name, { index: at + 1, values: [value] })
    else known.values.push(value)
  }
  return entries
}

function writeLiteral(
  out: Buffer,
  at: number,
  first: number,
  mask: number,
  index: number,
  name: string,
  value: string,
): number {
  let end = writeInteger(out, at, first, mask, index)
  if (index === 0) end = writeString(out, end, name)
  return writeString(out, end, value)
}

/** RFC 7541 section 5.1. */
function writeInteger(out: Buffer, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value
    return at + 1
  }
  let end = at
  let rest = value - mask
  out[end++] = first | mask
  while (rest >= 0x80) {
    out[end++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[end++] = rest
  return end
}

/** RFC 7541 section 5.2. Throws TypeError. */
function writeString(out: Buffer, at: number, text: string): number {
  const { length } = text
  const start = writeInteger(out, at, 0, 0x7f, length)
  if (length > SHORT) {
    if (NO_TEXT.test(text)) throw valueError()
    out.write(text, start, length, 'latin1')
  } else {
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (TEXT[code] !== 1) throw valueError()
      out[start + i] = code
    }
  }
  return start + length
}

function valueError(): TypeError {
  return new TypeError('a field that cannot be sent')
}
