/**
 * Reads a TLS ClientHello from the first bytes of a connection (RFC 8446 sections 4.1.2 and 5.1,
 * RFC 6066 section 3, RFC 7301), across TCP segments and TLS records. Strict: what a TLS stack
 * might read in another way is malformed and never routed. Incremental: every byte is looked at a
 * bounded number of times, however small the segments. Never throws, writes nothing, owns nothing.
 */

/** What routing and logs need; names are as sent, one character per byte (latin1). */
export interface ClientHello {
  /** Not normalised: see match/hostname. undefined: the extension is absent. */
  readonly sni: string | undefined
  readonly alpn: readonly string[]
  /** `supported_versions`, or the legacy version alone; GREASE values included. */
  readonly versions: readonly number[]
  /** `supported_groups` (RFC 8446 section 4.2.7), in the client's order; empty: absent, or not readable. */
  readonly groups: readonly number[]
  /** The groups of `key_share` (RFC 8446 section 4.2.8), likewise. */
  readonly keyShares: readonly number[]
  /** The name is that of an ECH outer hello, or of a GREASE one. */
  readonly hasEch: boolean
  readonly hasEarlyData: boolean
  /** Bytes of the records that hold the hello; what follows (early data) is the server's. */
  readonly length: number
}

/** What bytes that are no TLS record most likely are; for one clear log line. */
export type ForeignProtocol = 'http' | 'http2' | 'ssh' | 'proxy' | 'sslv2' | 'postgres' | 'unknown'

export type HelloVerdict =
  | { readonly kind: 'more' }
  | { readonly kind: 'complete'; readonly hello: ClientHello }
  | { readonly kind: 'not-tls'; readonly protocol: ForeignProtocol }
  | { readonly kind: 'malformed'; readonly detail: string }
  | { readonly kind: 'too-large' }

const MORE: HelloVerdict = { kind: 'more' }
const TOO_LARGE: HelloVerdict = { kind: 'too-large' }

const RECORD_HEADER = 5
const RECORD_HANDSHAKE = 22
/** RFC 8446 section 5.1: the limit of a plaintext record. */
const RECORD_MAX = 16_384
const HANDSHAKE_HEADER = 4
const HANDSHAKE_CLIENT_HELLO = 1

/** One per connection. `read` gets all bytes so far; each call must extend the last one's. */
export class ClientHelloReader {
  readonly #maxBytes: number
  /** Where the next record header starts. */
  #offset = 0
  /** The payloads of whole records: start, end, start, end, … */
  readonly #fragments: number[] = []
  /** Handshake bytes in `#fragments`. */
  #gathered = 0
  /** Handshake header and body; 0: the header is not complete. */
  #needed = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  read(bytes: Buffer): HelloVerdict {
    while (bytes.length > this.#offset) {
      const wrong = checkRecordHeader(bytes, this.#offset)
      if (wrong !== undefined) return wrong
      if (bytes.length < this.#offset + RECORD_HEADER) break
      const start = this.#offset + RECORD_HEADER
      const end = start + bytes.readUInt16BE(this.#offset + 3)
      // A record header may promise what the limit forbids: do not wait for it.
      if (end > this.#maxBytes) return TOO_LARGE
      if (bytes.length < end) break
      const verdict = this.#addFragment(bytes, start, end)
      if (verdict !== undefined) return verdict
    }
    return bytes.length >= this.#maxBytes ? TOO_LARGE : MORE
  }

  /** Takes one whole record in; a verdict, or undefined to go on with the next one. */
  #addFragment(bytes: Buffer, start: number, end: number): HelloVerdict | undefined {
    this.#offset = end
    this.#gathered += end - start
    // Empty records are allowed and ignored, as TLS stacks do.
    if (end > start) this.#fragments.push(start, end)
    if (this.#needed === 0) {
      const wrong = this.#readHandshakeHeader(bytes)
      if (wrong !== undefined) return wrong
    }
    if (this.#needed === 0 || this.#gathered < this.#needed) return undefined
    // A second message behind the hello in the same record would be read by some stacks only.
    if (this.#gathered > this.#needed) return malformed('bytes after the hello in its record')
    const message = this.#message(bytes)
    message.skip(HANDSHAKE_HEADER)
    const hello = parseBody(message, this.#offset)
    return typeof hello === 'string' ? malformed(hello) : { kind: 'complete', hello }
  }

  #readHandshakeHeader(bytes: Buffer): HelloVerdict | undefined {
    if (this.#gathered === 0) return undefined
    const message = this.#message(bytes)
    if (message.uint8() !== HANDSHAKE_CLIENT_HELLO) return malformed('not a ClientHello')
    const length = message.uint24()
    if (message.failed) return undefined
    this.#needed = HANDSHAKE_HEADER + length
    return this.#needed > this.#maxBytes ? TOO_LARGE : undefined
  }

  /** The handshake bytes so far; not copied when one record holds them all. */
  #message(bytes: Buffer): Cursor {
    const [start = 0, end = 0] = this.#fragments
    if (this.#fragments.length === 2) return new Cursor(bytes, start, end)
    const parts: Buffer[] = []
    for (let i = 0; i < this.#fragments.length; i += 2) {
      parts.push(bytes.subarray(this.#fragments[i], this.#fragments[i + 1]))
    }
    const all = Buffer.concat(parts)
    return new Cursor(all, 0, all.length)
  }
}

/** Checks as many bytes of a record header as there are. */
function checkRecordHeader(bytes: Buffer, offset: number): HelloVerdict | undefined {
  if (bytes[offset] !== RECORD_HANDSHAKE) {
    if (offset === 0) return { kind: 'not-tls', protocol: foreignProtocol(bytes) }
    return malformed('another record type inside the hello')
  }
  const major = bytes[offset + 1]
  if (major !== undefined && major !== 3) {
    if (offset === 0) return { kind: 'not-tls', protocol: 'unknown' }
    return malformed('record version')
  }
  if (bytes.length < offset + RECORD_HEADER) return undefined
  return bytes.readUInt16BE(offset + 3) > RECORD_MAX ? malformed('record too long') : undefined
}

/** RFC 8446 section 4.1.2. A string says what is wrong. */
function parseBody(body: Cursor, length: number): ClientHello | string {
  const legacyVersion = body.uint16()
  body.skip(32)
  const sessionId = body.vector(1)
  const cipherSuites = body.vector(2)
  const compression = body.vector(1)
  if (body.failed) return 'truncated hello'
  if (legacyVersion >> 8 !== 3) return 'hello version'
  if (sessionId.length > 32) return 'session id too long'
  if (cipherSuites.length === 0 || cipherSuites.length % 2 !== 0) return 'cipher suites'
  if (compression.length === 0) return 'compression methods'
  const found: Extensions = {
    sni: undefined,
    alpn: [],
    versions: [legacyVersion],
    groups: [],
    keyShares: [],
  }
  SEEN.clear()
  if (!body.atEnd) {
    const list = body.vector(2)
    if (body.failed || !body.atEnd) return 'extensions do not fill the hello'
    const wrong = parseExtensions(list, found)
    if (wrong !== undefined) return wrong
  }
  return {
    sni: found.sni,
    alpn: found.alpn,
    versions: found.versions,
    groups: found.groups,
    keyShares: found.keyShares,
    hasEch: SEEN.has(EXT_ECH),
    hasEarlyData: SEEN.has(EXT_EARLY_DATA),
    length,
  }
}

const EXT_SERVER_NAME = 0
const EXT_SUPPORTED_GROUPS = 10
const EXT_ALPN = 16
const EXT_PRE_SHARED_KEY = 41
const EXT_EARLY_DATA = 42
const EXT_SUPPORTED_VERSIONS = 43
const EXT_KEY_SHARE = 51
const EXT_ECH = 0xfe0d

interface Extensions {
  sni: string | undefined
  alpn: readonly string[]
  versions: readonly number[]
  groups: readonly number[]
  keyShares: readonly number[]
}

/** The types of the extensions of one hello. Used over and over: a Set costs as much as the parsing. */
class ExtensionTypes {
  readonly #isSeen = new Uint8Array(65_536)
  readonly #seen: number[] = []

  clear(): void {
    for (const type of this.#seen) this.#isSeen[type] = 0
    this.#seen.length = 0
  }

  has(type: number): boolean {
    return this.#isSeen[type] === 1
  }

  add(type: number): void {
    this.#isSeen[type] = 1
    this.#seen.push(type)
  }
}

const SEEN = new ExtensionTypes()

function parseExtensions(list: Cursor, found: Extensions): string | undefined {
  while (!list.atEnd) {
    const type = list.uint16()
    const data = list.vector(2)
    if (list.failed) return 'truncated extension'
    // RFC 8446 section 4.2: one of a type; stacks differ in which of two they would believe.
    if (SEEN.has(type)) return 'duplicate extension'
    if (SEEN.has(EXT_PRE_SHARED_KEY)) return 'pre_shared_key is not last'
    SEEN.add(type)
    const wrong = parseExtension(type, data, found)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

function parseExtension(type: number, data: Cursor, found: Extensions): string | undefined {
  switch (type) {
    case EXT_SERVER_NAME:
      found.sni = parseServerName(data)
      return found.sni === undefined ? 'server_name' : undefined
    case EXT_ALPN: {
      const alpn = parseAlpn(data)
      found.alpn = alpn ?? []
      return alpn === undefined ? 'application_layer_protocol_negotiation' : undefined
    }
    case EXT_SUPPORTED_VERSIONS: {
      const versions = parseVersions(data)
      found.versions = versions ?? []
      return versions === undefined ? 'supported_versions' : undefined
    }
    // They route nothing: what is wrong in them is for the TLS stack to refuse.
    case EXT_SUPPORTED_GROUPS:
      found.groups = parseGroups(data)
      return undefined
    case EXT_KEY_SHARE:
      found.keyShares = parseKeyShares(data)
      return undefined
    default:
      return undefined
  }
}

/** RFC 6066 section 3: exactly one name, of type host_name. */
function parseServerName(data: Cursor): string | undefined {
  const list = data.vector(2)
  const type = list.uint8()
  const name = list.vector(2)
  if (data.failed || !data.atEnd || list.failed || !list.atEnd) return undefined
  return type === 0 && name.length > 0 ? name.text() : undefined
}

/** RFC 7301 section 3.1. */
function parseAlpn(data: Cursor): string[] | undefined {
  const list = data.vector(2)
  if (data.failed || !data.atEnd || list.atEnd) return undefined
  const names: string[] = []
  while (!list.atEnd) {
    const name = list.vector(1)
    if (list.failed || name.length === 0) return undefined
    names.push(name.text())
  }
  return names
}

/** RFC 8446 section 4.2.1. */
function parseVersions(data: Cursor): number[] | undefined {
  const list = data.vector(1)
  if (data.failed || !data.atEnd || list.atEnd) return undefined
  const versions: number[] = []
  while (!list.atEnd) versions.push(list.uint16())
  return list.failed ? undefined : versions
}

/** RFC 8446 section 4.2.7. */
function parseGroups(data: Cursor): number[] {
  const list = data.vector(2)
  const groups: number[] = []
  while (!list.atEnd) groups.push(list.uint16())
  return list.failed ? [] : groups
}

/** RFC 8446 section 4.2.8. */
function parseKeyShares(data: Cursor): number[] {
  const list = data.vector(2)
  const groups: number[] = []
  while (!list.atEnd) {
    groups.push(list.uint16())
    list.vector(2)
  }
  return list.failed ? [] : groups
}

/**
 * A bounded reader of a part of `bytes`: past the end it gives zeros and remembers that it failed.
 * It makes no views: one of each field would cost ten times what the parsing does.
 */
class Cursor {
  readonly #bytes: Buffer
  readonly #end: number
  #offset: number
  failed = false

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#offset = start
    this.#end = end
  }

  get atEnd(): boolean {
    return this.failed || this.#offset === this.#end
  }

  /** Bytes that are left. */
  get length(): number {
    return this.#end - this.#offset
  }

  uint8(): number {
    const at = this.#take(1)
    return this.failed ? 0 : (this.#bytes[at] as number)
  }

  uint16(): number {
    const at = this.#take(2)
    if (this.failed) return 0
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number)
  }

  uint24(): number {
    const high = this.uint8()
    return (high << 16) | this.uint16()
  }

  skip(length: number): void {
    this.#take(length)
  }

  /** A vector whose length stands before it in `lengthBytes` bytes; empty where that failed. */
  vector(lengthBytes: 1 | 2): Cursor {
    const start = this.#take(lengthBytes === 1 ? this.uint8() : this.uint16())
    return new Cursor(this.#bytes, start, this.failed ? start : this.#offset)
  }

  /** What is left, one character per byte. */
  text(): string {
    return this.#bytes.toString('latin1', this.#offset, this.#end)
  }

  /** Where they begin. */
  #take(length: number): number {
    const start = this.#offset
    if (this.failed || start + length > this.#end) this.failed = true
    else this.#offset = start + length
    return start
  }
}

function malformed(detail: string): HelloVerdict {
  return { kind: 'malformed', detail }
}

const HTTP_REQUEST = /^(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE) /

function foreignProtocol(bytes: Buffer): ForeignProtocol {
  const text = bytes.toString('latin1', 0, 16)
  if (HTTP_REQUEST.test(text)) return 'http'
  if (text.startsWith('PRI * HTTP/2')) return 'http2'
  if (text.startsWith('SSH-')) return 'ssh'
  if (text.startsWith('PROXY ') || text.startsWith('\r\n\r\n\0\r\nQUIT\n')) return 'proxy'
  if (text.startsWith('\0\0\0\x08\x04\xd2\x16\x2f')) return 'postgres'
  // SSLv2 record: high bit of the length, then message type 1.
  return ((bytes[0] ?? 0) & 0x80) !== 0 && bytes[2] === 1 ? 'sslv2' : 'unknown'
}
