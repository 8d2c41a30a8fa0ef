/**
 * What a field section of HTTP/2 may hold (RFC 9113 sections 8.1 to 8.3). What nghttp2 refuses is
 * refused, and what it would drop is, too: a message is malformed or it goes on as it came. Reasons
 * are constant phrases, without any byte of the peer's.
 */
import { TOKEN } from '../http1/chars.ts'

// What a name means here. Pseudo-fields are the bits below REGULAR, which tell what came.
const METHOD = 1
const SCHEME = 2
const PATH = 4
const AUTHORITY = 8
const STATUS = 16
const REGULAR = 32
const HOST = 33
const CONTENT_LENGTH = 34
const TE = 35
const CONNECTION_SPECIFIC = 36
const BAD_NAME = 37
const UNKNOWN_PSEUDO = 38

const REQUEST = METHOD | SCHEME | PATH | AUTHORITY

const MEANINGS: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':path', PATH],
  [':authority', AUTHORITY],
  [':status', STATUS],
  ['host', HOST],
  ['content-length', CONTENT_LENGTH],
  ['te', TE],
  ['connection', CONNECTION_SPECIFIC],
  ['keep-alive', CONNECTION_SPECIFIC],
  ['proxy-connection', CONNECTION_SPECIFIC],
  ['transfer-encoding', CONNECTION_SPECIFIC],
  ['upgrade', CONNECTION_SPECIFIC],
])

const NAME = table((code) => TOKEN[code] === 1 && !(code >= 0x41 && code <= 0x5a))
const PATH_CHARS = table((code) => code > 0x20 && code !== 0x7f)
const AUTHORITY_CHARS = table((code) =>
  /[A-Za-z0-9\-._~!$&'()*+,;=:[\]%]/.test(String.fromCharCode(code)),
)
const SCHEME_TEXT = /^[A-Za-z][A-Za-z0-9+\-.]*$/
const STATUS_TEXT = /^[1-9][0-9]{2}$/
const LENGTH_TEXT = /^[0-9]{1,18}$/

/** What no value may have; a blank at its ends may not be, either. */
const NO_TEXT = /[^\t\x20-\x7e\x80-\xff]/
const SECRET = /^(?:.*authorization|(?:set-)?cookie|.*(?:key|token|secret).*)$/

/** A name that came lately. */
interface Known {
  readonly meaning: number
  /** A value that was found to be sound: mostly the next one is the same. Never one of a secret. */
  sound: string
  readonly keeps: boolean
}

/**
 * Names that came lately, in two generations, so that strangers who make up names push out no more
 * than their like. With their values they are at most 512 KiB.
 */
const MAX_KNOWN = 512
const MAX_KNOWN_LENGTH = 64
const MAX_SOUND_LENGTH = 256
let known = new Map<string, Known>()
let knownBefore = new Map<string, Known>()

/** `fields`: flat, as decoded. undefined: it is a request. */
export function requestProblem(fields: readonly string[]): string | undefined {
  let seen = 0
  let isRegular = false
  let method = ''
  let scheme = ''
  let path = ''
  let hosts = 0
  let lengths = 0
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] as string
    const field = fieldOf(fields[i] as string)
    const { meaning } = field
    if (meaning < REGULAR) {
      if (isRegular) return 'pseudo-field behind others'
      if ((meaning & REQUEST) === 0) return 'pseudo-field of a response'
      if ((seen & meaning) !== 0) return 'pseudo-field twice'
      seen |= meaning
      switch (meaning) {
        case METHOD:
          if (!isOf(TOKEN, value)) return ':method'
          method = value
          break
        case SCHEME:
          if (value !== 'https' && !SCHEME_TEXT.test(value)) return ':scheme'
          scheme = value
          break
        case PATH:
          if (!isOf(PATH_CHARS, value)) return ':path'
          path = value
          break
        default:
          if (!isOf(AUTHORITY_CHARS, value)) return ':authority'
      }
      continue
    }
    isRegular = true
    if (value !== field.sound && !isSound(field, value)) return 'field value'
    switch (meaning) {
      case REGULAR:
        break
      case HOST:
        hosts += 1
        if (hosts > 1 || !isOf(AUTHORITY_CHARS, value)) return 'host'
        break
      case CONTENT_LENGTH:
        lengths += 1
        if (lengths > 1 || !LENGTH_TEXT.test(value)) return 'content-length'
        break
      default: {
        const problem = problemOf(meaning, value)
        if (problem !== undefined) return problem
      }
    }
  }
  if (method === 'CONNECT') {
    const isSound = (seen & REQUEST) === (METHOD | AUTHORITY)
    return isSound ? undefined : 'pseudo-fields of CONNECT'
  }
  if ((seen & (METHOD | SCHEME | PATH)) !== (METHOD | SCHEME | PATH)) {
    return 'pseudo-field is missing'
  }
  if ((seen & AUTHORITY) === 0 && hosts === 0) return 'neither :authority nor host'
  if (path.startsWith('/') || (path === '*' && method === 'OPTIONS')) return undefined
  const key = scheme.toLowerCase()
  return key === 'http' || key === 'https' ? ':path' : undefined
}

/**
 * undefined: it is a response, interim ones included. `content-length: 0` of a 204 is let through: it
 * means nothing, and is not to be handed on.
 */
export function responseProblem(fields: readonly string[]): string | undefined {
  let status = ''
  let isRegular = false
  let lengths = 0
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] as string
    const field = fieldOf(fields[i] as string)
    const { meaning } = field
    if (meaning < REGULAR) {
      if (isRegular) return 'pseudo-field behind others'
      if (meaning !== STATUS) return 'pseudo-field of a request'
      if (status !== '') return 'pseudo-field twice'
      // 101 does not exist in HTTP/2 (section 8.6).
      if (!STATUS_TEXT.test(value) || value === '101') return ':status'
      status = value
      continue
    }
    isRegular = true
    if (value !== field.sound && !isSound(field, value)) return 'field value'
    switch (meaning) {
      case REGULAR:
      case HOST:
        break
      case CONTENT_LENGTH:
        lengths += 1
        if (lengths > 1 || !LENGTH_TEXT.test(value)) return 'content-length'
        if (status.startsWith('1') || (status === '204' && value !== '0')) return 'content-length'
        break
      default: {
        const problem = problemOf(meaning, value)
        if (problem !== undefined) return problem
      }
    }
  }
  return status === '' ? 'pseudo-field is missing' : undefined
}

/** undefined: it is a trailer section; its END_STREAM is not judged here. */
export function trailersProblem(fields: readonly string[]): string | undefined {
  let hosts = 0
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] as string
    const field = fieldOf(fields[i] as string)
    const { meaning } = field
    if (meaning < REGULAR) return 'pseudo-field in trailers'
    if (value !== field.sound && !isSound(field, value)) return 'field value'
    switch (meaning) {
      case REGULAR:
        break
      case HOST:
        hosts += 1
        if (hosts > 1 || !isOf(AUTHORITY_CHARS, value)) return 'field in trailers'
        break
      // It would frame what it stands behind (RFC 9110 section 6.5.1).
      case CONTENT_LENGTH:
        return 'field in trailers'
      default: {
        const problem = problemOf(meaning, value)
        if (problem !== undefined) return problem
      }
    }
  }
  return undefined
}

function problemOf(meaning: number, value: string): string | undefined {
  switch (meaning) {
    case TE:
      return value.toLowerCase() === 'trailers' ? undefined : 'te'
    case CONNECTION_SPECIFIC:
      return 'connection-specific field'
    case UNKNOWN_PSEUDO:
      return 'unknown pseudo-field'
    default:
      return 'field name'
  }
}

function fieldOf(name: string): Known {
  return known.get(name) ?? learn(name)
}

function learn(name: string): Known {
  const field = knownBefore.get(name) ?? {
    meaning: MEANINGS.get(name) ?? judge(name),
    sound: '',
    keeps: name.length <= MAX_KNOWN_LENGTH && !SECRET.test(name),
  }
  if (name.length <= MAX_KNOWN_LENGTH) {
    if (known.size >= MAX_KNOWN) {
      knownBefore = known
      known = new Map()
    }
    known.set(name, field)
  }
  return field
}

function judge(name: string): number {
  if (name.startsWith(':')) return UNKNOWN_PSEUDO
  return isOf(NAME, name) ? REGULAR : BAD_NAME
}

/** Not empty, and of these characters. */
function isOf(chars: Uint8Array, text: string): boolean {
  const { length } = text
  for (let i = 0; i < length; i++) if (chars[text.charCodeAt(i)] !== 1) return false
  return length > 0
}

/** RFC 9113 section 8.2.1. */
function isSound(field: Known, value: string): boolean {
  const { length } = value
  if (length === 0) return true
  if (NO_TEXT.test(value)) return false
  if (value.charCodeAt(0) <= 0x20 || value.charCodeAt(length - 1) <= 0x20) return false
  if (field.keeps && length <= MAX_SOUND_LENGTH) field.sound = value
  return true
}

function table(allows: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (allows(code) ? 1 : 0))
}
