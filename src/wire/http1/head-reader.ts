/**
 * Reads the head of an HTTP/1.1 message, or a trailer section (RFC 9112 sections 2 to 5 and 7.1.2),
 * from a connection's bytes as they come. Strict: what another implementation could read in another
 * way is malformed (no bare CR or LF, no NUL, no folded line, no space before a colon). Every byte
 * is looked at once however small the segments; a head in one segment is not copied. What it means
 * (framing, Host) is not judged here. Never throws, writes nothing, owns nothing.
 */
import { METHODS } from 'node:http'
import { TARGET, TEXT, TOKEN } from './chars.ts'
import { commonName } from './field-names.ts'

/**
 * `more`: all bytes were taken, the section is not complete. `malformed`: see `detail`.
 * `too-large`: more bytes or fields than allowed. After the last two the reader is of no more use.
 */
export type ReadVerdict = 'more' | 'complete' | 'malformed' | 'too-large'

export type SectionKind = 'request' | 'response' | 'trailers'

export interface SectionLimits {
  /** Bytes of the whole section with its start line and the empty line. */
  readonly maxBytes: number
  readonly maxFields: number
}

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const COLON = 0x3a

// What the next byte belongs to.
const BEGIN = 0
const BEGIN_LF = 1
const METHOD = 2
const REQUEST_TARGET = 3
const VERSION = 4
const STATUS = 5
const REASON = 6
const LINE_LF = 7
const LINE = 8
const NAME = 9
const OWS = 10
const VALUE = 11
const END_LF = 12

/** Of 32 fields. */
const MAX_KEPT_MARKS = 128
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)
const VERSION_TEXT = 'HTTP/1.'
/** `HTTP/1.1 200` */
const STATUS_LENGTH = 12
const ABSOLUTE_FORM = /^https?:\/\/[A-Za-z0-9\-._~%:[\]!$&'()*+,;=]+(?:[/?].*)?$/i
const FRAMING_NAME = /^(?:content-length|transfer-encoding)$/i
const AUTHORITY_FORM = /^[A-Za-z0-9\-._~%:[\]]+$/

/** One per direction of a connection: after a complete section `read` begins the next one. */
export class HeadReader {
  /** 0: HTTP/1.0; 1: HTTP/1.1. This and what follows is set when a section is complete. */
  minorVersion = 1
  /** Of a response: 100 to 999. */
  status = 0
  /** Of a request: a method that Node knows too, as sent (methods are case-sensitive). */
  method = ''
  /** Of a request: origin-form, absolute-form, `*`, or with CONNECT the authority-form. */
  target = ''
  /** Flat `[name, value, …]` in the order and case sent, a character per byte (latin1). */
  fields: string[] = []
  /** Bytes of the whole section. */
  length = 0
  /** Offset, in what `read` got last, of the first byte after the section. */
  end = 0
  /** What is malformed: one constant phrase, without any byte of the peer's. */
  detail = ''

  readonly #kind: SectionKind
  readonly #maxBytes: number
  readonly #maxFields: number
  #state: number
  /** Bytes of the section that were looked at. */
  #at = 0
  /** Where the current field line begins. All offsets count from the section's begin. */
  #lineAt = 0
  #methodAt = 0
  #methodEnd = 0
  #targetEnd = 0
  /** Name start, name end, value start, value end of each field; what follows is of sections before. */
  readonly #marks: number[] = []
  #markCount = 0
  #fieldCount = 0
  /** A value has a tab beside it. */
  #tabbed = false
  /** The bytes of a section that came in several segments. */
  #kept: Buffer | undefined
  #keptBytes = 0

  constructor(kind: SectionKind, { maxBytes, maxFields }: SectionLimits) {
    this.#kind = kind
    this.#maxBytes = maxBytes
    this.#maxFields = maxFields
    this.#state = initialState(kind)
  }

  /** No byte of the next section has come. */
  get isAtStart(): boolean {
    return this.#at === 0
  }

  /** Goes on with `bytes` from `from`, which follow those of the last call. Keeps no reference. */
  read(bytes: Buffer, from: number): ReadVerdict {
    if (this.#kept !== undefined) return this.#readOn(bytes, from)
    const verdict = this.#scan(bytes, from, Math.min(bytes.length, from + this.#maxBytes))
    if (verdict === 'complete') {
      this.end = from + this.#at
      return this.#complete(bytes, from)
    }
    if (verdict === 'more') {
      if (bytes.length - from >= this.#maxBytes) return 'too-large'
      this.#keep(bytes, from, bytes.length)
    }
    return verdict
  }

  #readOn(bytes: Buffer, from: number): ReadVerdict {
    const before = this.#keptBytes
    const room = this.#maxBytes - before
    const whole = this.#keep(bytes, from, Math.min(bytes.length, from + room))
    const verdict = this.#scan(whole, 0, this.#keptBytes)
    if (verdict === 'complete') {
      this.end = from + this.#at - before
      this.#kept = undefined
      this.#keptBytes = 0
      return this.#complete(whole, 0)
    }
    return verdict === 'more' && this.#keptBytes >= this.#maxBytes ? 'too-large' : verdict
  }

  #keep(bytes: Buffer, from: number, to: number): Buffer {
    const needed = this.#keptBytes + to - from
    let kept = this.#kept
    if (kept === undefined || kept.length < needed) {
      const larger = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(1024, 2 * needed)))
      kept?.copy(larger, 0, 0, this.#keptBytes)
      kept = larger
      this.#kept = kept
    }
    bytes.copy(kept, this.#keptBytes, from, to)
    this.#keptBytes = needed
    return kept
  }

  /** Looks at the bytes of the section, which begins at `base`, up to `end`. */
  #scan(bytes: Buffer, base: number, end: number): ReadVerdict {
    let at = base + this.#at
    while (at < end) {
      const byte = bytes[at] as number
      switch (this.#state) {
        case NAME:
          while (at < end && TOKEN[bytes[at] as number] === 1) at += 1
          if (at === end) break
          if (bytes[at] !== COLON) return this.#malformed('field name')
          this.#mark(this.#lineAt)
          this.#mark(at - base)
          at += 1
          this.#state = OWS
          break
        case OWS:
          while (at < end && isBlank(bytes[at] as number)) at += 1
          if (at === end) break
          this.#mark(at - base)
          this.#state = VALUE
          break
        case VALUE: {
          while (at < end && TEXT[bytes[at] as number] === 1) at += 1
          if (at === end) break
          if (bytes[at] !== CR) return this.#malformed('field value')
          const start = base + (this.#marks[this.#markCount - 1] as number)
          let last = at
          while (last > start && isBlank(bytes[last - 1] as number)) last -= 1
          this.#mark(last - base)
          this.#tabbed ||= bytes[at - 1] === TAB || bytes[start - 1] === TAB
          this.#fieldCount += 1
          if (this.#fieldCount > this.#maxFields) return 'too-large'
          at += 1
          this.#state = LINE_LF
          break
        }
        case LINE_LF:
          if (byte !== LF) return this.#malformed('line end')
          at += 1
          this.#state = LINE
          break
        case LINE:
          this.#lineAt = at - base
          if (byte === CR) {
            at += 1
            this.#state = END_LF
            break
          }
          // A blank would fold the line before, or hide a field behind the start line.
          if (TOKEN[byte] !== 1) return this.#malformed('field name')
          this.#state = NAME
          break
        case END_LF:
          if (byte !== LF) return this.#malformed('line end')
          this.#at = at + 1 - base
          return 'complete'
        case REASON:
          while (at < end && TEXT[bytes[at] as number] === 1) at += 1
          if (at === end) break
          if (bytes[at] !== CR) return this.#malformed('status line')
          at += 1
          this.#state = LINE_LF
          break
        case STATUS: {
          const offset = at - base
          if (offset < STATUS_LENGTH) {
            if (!fitsStatusLine(offset, byte)) return this.#malformed('status line')
            this.#takeStatusByte(offset, byte)
          } else if (byte === SPACE) {
            this.#state = REASON
          } else if (byte === CR) {
            // Servers that have no reason to give leave the space away, too.
            this.#state = LINE_LF
          } else {
            return this.#malformed('status line')
          }
          at += 1
          break
        }
        case BEGIN:
          // RFC 9112 section 2.2: one empty line before a request is ignored.
          if (byte === CR) {
            at += 1
            this.#state = BEGIN_LF
            break
          }
          this.#state = METHOD
          break
        case BEGIN_LF:
          if (byte !== LF) return this.#malformed('line end')
          at += 1
          this.#methodAt = at - base
          this.#state = METHOD
          break
        case METHOD:
          while (at < end && TOKEN[bytes[at] as number] === 1) at += 1
          if (at === end) break
          if (bytes[at] !== SPACE) return this.#malformed('method')
          this.#methodEnd = at - base
          at += 1
          this.#state = REQUEST_TARGET
          break
        case REQUEST_TARGET:
          while (at < end && TARGET[bytes[at] as number] === 1) at += 1
          if (at === end) break
          if (bytes[at] !== SPACE) return this.#malformed('request target')
          this.#targetEnd = at - base
          at += 1
          this.#state = VERSION
          break
        case VERSION: {
          const offset = at - base - this.#targetEnd - 1
          if (offset <= VERSION_TEXT.length) {
            if (!fitsVersion(offset, byte)) return this.#malformed('HTTP version')
            this.minorVersion = byte & 1
          } else if (byte === CR) {
            this.#state = LINE_LF
          } else {
            return this.#malformed('HTTP version')
          }
          at += 1
          break
        }
        default:
          return this.#malformed('state')
      }
    }
    this.#at = at - base
    return 'more'
  }

  #mark(offset: number): void {
    this.#marks[this.#markCount++] = offset
  }

  #takeStatusByte(offset: number, byte: number): void {
    if (offset === VERSION_TEXT.length) {
      this.minorVersion = byte & 1
      this.status = 0
    } else if (offset > VERSION_TEXT.length + 1 && offset < STATUS_LENGTH) {
      this.status = this.status * 10 + byte - 0x30
    }
  }

  /** The section is `bytes` from `base` on. */
  #complete(bytes: Buffer, base: number): ReadVerdict {
    const length = this.#at
    const text = bytes.toString('latin1', base, base + length)
    const marks = this.#marks
    const fields: string[] = []
    for (let i = 0; i < this.#markCount; i += 4) {
      const from = marks[i] as number
      const to = marks[i + 1] as number
      fields.push(commonName(bytes, base + from, base + to) ?? text.slice(from, to))
      fields.push(text.slice(marks[i + 2], marks[i + 3]))
    }
    this.fields = fields
    this.length = length
    // Some do not take a tab beside a value for padding, and so see another value.
    if (this.#tabbed && hasFraming(fields)) return this.#malformed('tab in a head with framing')
    if (this.#kind === 'trailers' && hasFraming(fields))
      return this.#malformed('framing in trailers')
    if (this.#kind === 'request') {
      this.method = text.slice(this.#methodAt, this.#methodEnd)
      this.target = text.slice(this.#methodEnd + 1, this.#targetEnd)
      if (!KNOWN_METHODS.has(this.method)) return this.#malformed('method')
      if (!isTarget(this.method, this.target)) return this.#malformed('request target')
    }
    this.#markCount = 0
    // Room for many fields is not kept for sections that have few.
    if (marks.length > MAX_KEPT_MARKS) marks.length = 0
    this.#fieldCount = 0
    this.#tabbed = false
    this.#at = 0
    this.#methodAt = 0
    this.#state = initialState(this.#kind)
    return 'complete'
  }

  #malformed(detail: string): ReadVerdict {
    this.detail = detail
    return 'malformed'
  }
}

function initialState(kind: SectionKind): number {
  if (kind === 'request') return BEGIN
  return kind === 'response' ? STATUS : LINE
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB
}

function hasFraming(fields: readonly string[]): boolean {
  return fields.some((name, i) => i % 2 === 0 && FRAMING_NAME.test(name))
}

/** One byte of `HTTP/1.0` or `HTTP/1.1`. */
function fitsVersion(offset: number, byte: number): boolean {
  if (offset < VERSION_TEXT.length) return byte === VERSION_TEXT.charCodeAt(offset)
  return byte === 0x30 || byte === 0x31
}

/** One byte of `HTTP/1.1 200`. */
function fitsStatusLine(offset: number, byte: number): boolean {
  if (offset <= VERSION_TEXT.length) return fitsVersion(offset, byte)
  if (offset === VERSION_TEXT.length + 1) return byte === SPACE
  const isFirstDigit = offset === VERSION_TEXT.length + 2
  return byte >= (isFirstDigit ? 0x31 : 0x30) && byte <= 0x39
}

/** The forms of RFC 9112 section 3.2, syntax only. */
function isTarget(method: string, target: string): boolean {
  if (method === 'CONNECT') return AUTHORITY_FORM.test(target)
  return target.startsWith('/') || target === '*' || ABSOLUTE_FORM.test(target)
}
