/**
 * A line of JSON as bytes, made without any string in between: a busy proxy writes as many lines as
 * it answers requests. One instance is used over and over. Whatever JSON has to escape, it escapes.
 */

const NEWLINE = 0x0a
const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')

/** Longest decimal of a safe integer, and its sign. */
const MAX_DIGITS = 17

/** A field's name as `JsonLine` takes it. */
export type LineKey = Uint8Array

export function lineKey(name: string): LineKey {
  return Buffer.from(`${JSON.stringify(name)}:`)
}

export class JsonLine {
  #bytes = Buffer.allocUnsafe(2048)
  #length = 0

  begin(): void {
    this.#bytes[0] = OPEN
    this.#length = 1
  }

  /** An absent fact is no field. */
  text(key: LineKey, value: string | undefined): void {
    if (value === undefined) return
    const { length } = value
    const from = this.#key(key, length + 2)
    const bytes = this.#bytes
    bytes[from] = QUOTE
    let at = from + 1
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) {
        this.#length = from
        this.#escaped(value)
        return
      }
      bytes[at++] = code
    }
    bytes[at] = QUOTE
    this.#length = at + 1
  }

  integer(key: LineKey, value: number | undefined): void {
    if (value === undefined) return
    this.#length = this.#key(key, MAX_DIGITS)
    if (value < 0) this.#bytes[this.#length++] = MINUS
    this.#integer(Math.abs(value))
  }

  /** To one place after the point, half of it away from zero. */
  tenths(key: LineKey, value: number | undefined): void {
    if (value === undefined) return
    this.#length = this.#key(key, MAX_DIGITS + 2)
    if (value < 0) this.#bytes[this.#length++] = MINUS
    const tenths = Math.round(Math.abs(value) * 10)
    this.#integer(Math.floor(tenths / 10))
    const rest = tenths % 10
    if (rest === 0) return
    this.#bytes[this.#length++] = POINT
    this.#bytes[this.#length++] = ZERO + rest
  }

  truth(key: LineKey, value: boolean | undefined): void {
    if (value === undefined) return
    const word = value ? TRUE : FALSE
    let at = this.#key(key, word.length)
    for (let i = 0; i < word.length; i++) this.#bytes[at++] = word[i] as number
    this.#length = at
  }

  /** Where the next field begins. */
  get length(): number {
    return this.#length
  }

  /** A copy of the fields that were written since, of which none was the first. */
  since(length: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, length, this.#length)
  }

  /** Such a copy, once more. */
  again(fields: Uint8Array): void {
    this.#room(fields.length)
    this.#bytes.set(fields, this.#length)
    this.#length += fields.length
  }

  /** With its newline; valid until `begin`. */
  end(): Buffer {
    this.#room(2)
    this.#bytes[this.#length] = CLOSE
    this.#bytes[this.#length + 1] = NEWLINE
    return this.#bytes.subarray(0, this.#length + 2)
  }

  /** Writes the key where there is room for it and `more`; returns where the value begins. */
  #key(key: LineKey, more: number): number {
    const { length } = key
    this.#room(length + 1 + more)
    const bytes = this.#bytes
    let at = this.#length
    if (at > 1) bytes[at++] = COMMA
    for (let i = 0; i < length; i++) bytes[at++] = key[i] as number
    return at
  }

  /** Where there is room for it; not negative. */
  #integer(value: number): void {
    let left = value
    const bytes = this.#bytes
    let end = this.#length + 1
    for (let rest = left; rest >= 10; rest = Math.floor(rest / 10)) end++
    this.#length = end
    do {
      const next = Math.floor(left / 10)
      bytes[--end] = ZERO + (left - next * 10)
      left = next
    } while (left > 0)
  }

  #escaped(value: string): void {
    const text = JSON.stringify(value)
    this.#room(3 * text.length)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }

  #room(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(2 * needed)
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
