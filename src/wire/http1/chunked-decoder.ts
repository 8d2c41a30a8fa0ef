/**
 * Decodes a chunked body (RFC 9112 section 7.1) from a connection's bytes as they come. Strict: sizes
 * are hexadecimal digits alone, lines end with CRLF, extensions follow the grammar without blanks and
 * are dropped, the trailer section is read like a head. Never throws; only looks at, and moves bytes
 * within, what it is given.
 */
import { HEX, TEXT, TOKEN } from './chars.ts'
import { HeadReader, type ReadVerdict, type SectionLimits } from './head-reader.ts'

const LF = 0x0a
const CR = 0x0d
const QUOTE = 0x22
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const BACKSLASH = 0x5c

/** Digits of a size, leading zeros included. */
const MAX_DIGITS = 16
/** Bytes of extensions in one body: an endless one must not pass for progress (CVE-2024-22019). */
const MAX_EXTENSIONS = 16_384

// What the next byte belongs to.
const SIZE = 0
const EXTENSION_NAME = 1
const EXTENSION_VALUE = 2
const QUOTED = 3
const QUOTED_PAIR = 4
const AFTER_QUOTED = 5
const SIZE_LF = 6
const DATA = 7
const DATA_CR = 8
const DATA_LF = 9
const TRAILERS = 10

/** One per direction of a connection: after a complete body `read` begins the next one. */
export class ChunkedDecoder {
  /** Payload in what `read` got last: one piece of it, or undefined. */
  data: Buffer | undefined
  /** Set when the body is complete; flat, as sent. */
  trailers: readonly string[] = []
  /** Offset, in what `read` got last, of the first byte after the body. */
  end = 0
  /** What is malformed: one constant phrase, without any byte of the peer's. */
  detail = ''

  readonly #trailers: HeadReader
  #state = SIZE
  #digits = 0
  /** Size of the chunk; then what is missing of it. */
  #left = 0
  /** Bytes of the name or value of an extension. */
  #tokenBytes = 0
  #extensionBytes = 0

  /** `trailers`: limits of the trailer section. */
  constructor(trailers: SectionLimits) {
    this.#trailers = new HeadReader('trailers', trailers)
  }

  /**
   * Goes on with `bytes` from `from`, which follow those of the last call. The payloads of several
   * chunks are moved together within `bytes`, so that `data` is one piece, part of `bytes`. Keeps no
   * reference but `data`.
   */
  read(bytes: Buffer, from: number): ReadVerdict {
    const { length } = bytes
    let start = 0
    let end = 0
    let at = from
    let verdict: ReadVerdict = 'more'
    while (at < length && verdict === 'more') {
      if (this.#state === DATA) {
        const next = Math.min(length, at + this.#left)
        this.#left -= next - at
        if (start === end) {
          start = at
          end = next
        } else {
          bytes.copyWithin(end, at, next)
          end += next - at
        }
        at = next
        if (this.#left === 0) this.#state = DATA_CR
      } else if (this.#state === TRAILERS) {
        verdict = this.#readTrailers(bytes, at)
        at = verdict === 'complete' ? this.end : length
      } else {
        verdict = this.#readFraming(bytes[at] as number)
        at += 1
      }
    }
    this.data = start === end ? undefined : bytes.subarray(start, end)
    return verdict
  }

  #readTrailers(bytes: Buffer, at: number): ReadVerdict {
    const section = this.#trailers
    const verdict = section.read(bytes, at)
    this.detail = section.detail
    if (verdict !== 'complete') return verdict
    this.trailers = section.fields
    this.end = section.end
    this.#state = SIZE
    this.#extensionBytes = 0
    return 'complete'
  }

  /** A byte that is neither payload nor trailer. */
  #readFraming(byte: number): ReadVerdict {
    switch (this.#state) {
      case SIZE:
        return this.#readSize(byte)
      case SIZE_LF:
        if (byte !== LF) return this.#malformed('line end')
        this.#state = this.#left === 0 ? TRAILERS : DATA
        this.#digits = 0
        return 'more'
      case DATA_CR:
        if (byte !== CR) return this.#malformed('chunk longer than its size')
        this.#state = DATA_LF
        return 'more'
      case DATA_LF:
        if (byte !== LF) return this.#malformed('line end')
        this.#state = SIZE
        return 'more'
      default:
        return this.#readExtension(byte)
    }
  }

  #readSize(byte: number): ReadVerdict {
    const digit = HEX[byte] as number
    if (digit !== 255) {
      if (this.#digits === 0) this.#left = 0
      this.#digits += 1
      this.#left = this.#left * 16 + digit
      const isSafe = this.#digits <= MAX_DIGITS && this.#left <= Number.MAX_SAFE_INTEGER
      return isSafe ? 'more' : this.#malformed('chunk size')
    }
    if (this.#digits === 0) return this.#malformed('chunk size')
    return this.#endOfPart(byte, 'chunk size')
  }

  #readExtension(byte: number): ReadVerdict {
    this.#extensionBytes += 1
    if (this.#extensionBytes > MAX_EXTENSIONS) return 'too-large'
    switch (this.#state) {
      case EXTENSION_NAME:
      case EXTENSION_VALUE:
        if (TOKEN[byte] === 1) {
          this.#tokenBytes += 1
          return 'more'
        }
        if (byte === QUOTE && this.#state === EXTENSION_VALUE && this.#tokenBytes === 0) {
          this.#state = QUOTED
          return 'more'
        }
        if (this.#tokenBytes === 0) return this.#malformed('chunk extension')
        if (byte === EQUALS && this.#state === EXTENSION_NAME) {
          this.#tokenBytes = 0
          this.#state = EXTENSION_VALUE
          return 'more'
        }
        return this.#endOfPart(byte, 'chunk extension')
      case QUOTED:
        if (byte === QUOTE) this.#state = AFTER_QUOTED
        else if (byte === BACKSLASH) this.#state = QUOTED_PAIR
        else if (TEXT[byte] !== 1) return this.#malformed('chunk extension')
        return 'more'
      case QUOTED_PAIR:
        if (TEXT[byte] !== 1) return this.#malformed('chunk extension')
        this.#state = QUOTED
        return 'more'
      case AFTER_QUOTED:
        return this.#endOfPart(byte, 'chunk extension')
      default:
        return this.#malformed('state')
    }
  }

  /** After the size or an extension: another extension or the end of the line. */
  #endOfPart(byte: number, detail: string): ReadVerdict {
    if (byte === CR) this.#state = SIZE_LF
    else if (byte === SEMICOLON) {
      this.#tokenBytes = 0
      this.#state = EXTENSION_NAME
    } else return this.#malformed(detail)
    return 'more'
  }

  #malformed(detail: string): ReadVerdict {
    this.detail = detail
    return 'malformed'
  }
}
