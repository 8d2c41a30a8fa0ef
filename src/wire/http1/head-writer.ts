/**
 * Writes the head of an HTTP/1.1 message, or a trailer section, as bytes without any string in
 * between (RFC 9112 sections 2 to 5). The last line of defence: whoever made the parts, it stays one
 * message. One instance is used over and over. Knows no framing; owns nothing.
 */
import { TARGET, TEXT, TOKEN } from './chars.ts'

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const COLON = 0x3a
const FIRST_BYTES = 4096

export class HeadWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #length = 0

  begin(): void {
    this.#length = 0
  }

  /** Of ours, and so sound: whole lines, or what a line begins with. Latin-1. */
  text(text: string): void {
    const { length } = text
    const bytes = this.#room(length)
    let at = this.#length
    for (let i = 0; i < length; i++) bytes[at++] = text.charCodeAt(i)
    this.#length = at
  }

  /** What a request line begins with. False: no request could look like this. */
  request(method: string, target: string): boolean {
    if (method === '' || target === '' || !this.#checked(method, TOKEN)) return false
    this.text(' ')
    return this.#checked(target, TARGET)
  }

  /** A line. False: no line can hold it; what was written is of no use then. */
  field(name: string, value: string): boolean {
    if (name === '' || !this.#checked(name, TOKEN)) return false
    const bytes = this.#room(2)
    bytes[this.#length++] = COLON
    bytes[this.#length++] = SPACE
    if (!this.#checked(value, TEXT)) return false
    this.line()
    return true
  }

  /** The end of a line; of the section when nothing stands before it. */
  line(): void {
    const bytes = this.#room(2)
    bytes[this.#length++] = CR
    bytes[this.#length++] = LF
  }

  /** What was written since `begin`, valid until the next one. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** As `bytes`, for the caller to keep. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafe(this.#length)
    this.#bytes.copy(copy, 0, 0, this.#length)
    return copy
  }

  #checked(text: string, allowed: Uint8Array): boolean {
    const { length } = text
    const bytes = this.#room(length)
    let at = this.#length
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (allowed[code] !== 1) return false
      bytes[at++] = code
    }
    this.#length = at
    return true
  }

  /** Where there is room for so much more. */
  #room(more: number): Buffer {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return this.#bytes
    const larger = Buffer.allocUnsafeSlow(2 * needed)
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
    return larger
  }
}
