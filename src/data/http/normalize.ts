/**
 * Step 1 of an exchange: one strict reading of the request head, or a refusal (security.md sections
 * 2.4 and 2.5; RFC 9112, RFC 9113). What Node's parsers let through and two implementations could
 * read differently is refused here, so nothing ambiguous is ever matched or forwarded.
 */
import { type PathForm, pathForm } from '../../match/http/path-form.ts'
import type { Reason } from '../../model/outcome.ts'
import { type Authority, parseAuthority } from './authority.ts'
import { Fields, isToken } from './fields.ts'

export type Scheme = 'http' | 'https'

/** How the request's body is delimited; decided once, never copied from the client. */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  /** Chunked, or an HTTP/2 stream without content-length. */
  | { readonly kind: 'stream' }

export interface RequestHead {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'
  readonly method: string
  readonly scheme: Scheme
  readonly authority: Authority
  /** The view that is matched. */
  readonly path: string
  /** Without question mark. */
  readonly query: string
  /** Original bytes of path and query. */
  readonly target: string
  readonly fields: Fields
  readonly body: BodyFraming
  readonly expectContinue: boolean
  /** A WebSocket handshake over HTTP/1.1; every other upgrade is ignored. */
  readonly websocket: boolean
  /** Asks for any upgrade: bytes of another protocol may follow. */
  readonly upgrade: boolean
}

export type Normalized =
  | { readonly ok: true; readonly head: RequestHead }
  | { readonly ok: false; readonly reason: Reason; readonly detail: string }

/** Fields of a head; HTTP/2 has its own lower bound in the server's settings. */
export const MAX_FIELDS = 256
const ALL_DIGITS = /^[0-9]{1,15}$/
const QUERY = /^[\x21-\x22\x24-\x7e]*$/
const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/i
/** Names that a lenient server could take for framing fields. */
const LOOK_ALIKE = /^(?:content[^a-z-]length|transfer[^a-z-]encoding)$/

export interface Http1Head {
  /** `1.1` */
  readonly version: string
  readonly method: string
  readonly target: string
  readonly rawFields: readonly string[]
}

export function normalizeHttp1(head: Http1Head, scheme: Scheme): Normalized {
  const { version, method } = head
  if (version !== '1.1' && version !== '1.0') return bad(`HTTP version ${version}`)
  const fields = Fields.fromRaw(head.rawFields)
  const fault = refuse(method, fields)
  if (fault !== undefined) return fault
  const body = http1Body(fields, version)
  if (body === undefined) return bad('ambiguous message framing')
  const target = http1Target(head.target, fields, scheme)
  if (target === undefined) return bad('authority')
  return complete(target, {
    protocol: `HTTP/${version}`,
    method,
    scheme,
    fields,
    body,
    expectContinue: fields.has('expect') && version === '1.1' && body.kind !== 'none',
    websocket: version === '1.1' && asksForWebSocket(method, fields, body),
    upgrade: fields.has('upgrade'),
  })
}

/** `rawHeaders` of Node's 'stream' event, pseudo-fields included. */
export function normalizeHttp2(
  rawHeaders: readonly string[],
  endStream: boolean,
  scheme: Scheme,
): Normalized {
  const all = Fields.fromRaw(rawHeaders)
  const method = all.get(':method') ?? ''
  const path = all.get(':path') ?? ''
  const sentAuthority = all.get(':authority')
  const sentScheme = all.get(':scheme')
  all.removeWhere(isPseudo)
  const fault = refuse(method, all)
  if (fault !== undefined) return fault
  if (sentScheme !== scheme) return bad('scheme differs from the connection')
  const hosts = all.values('host')
  if (hosts.length > 1) return bad('several hosts')
  if (sentAuthority !== undefined && hosts[0] !== undefined && hosts[0] !== sentAuthority) {
    return bad('host differs from the authority')
  }
  const authority = parseAuthority(sentAuthority ?? hosts[0] ?? '')
  if (authority === undefined) return bad('authority')
  const body = http2Body(all, endStream)
  if (body === undefined) return bad('content-length')
  // Crumbs of it are one again (RFC 9113 section 8.2.3).
  const cookie = all.get('cookie')
  if (cookie !== undefined) all.set('cookie', cookie)
  return complete(
    { authority, target: path },
    {
      protocol: 'HTTP/2',
      method,
      scheme,
      fields: all,
      body,
      expectContinue: all.has('expect') && body.kind !== 'none',
      websocket: false,
      upgrade: false,
    },
  )
}

function isPseudo(key: string): boolean {
  return key.startsWith(':')
}

type Rest = Omit<RequestHead, 'authority' | 'path' | 'query' | 'target'>

/** Splits the target and judges the path: the common end of both protocols. */
function complete(place: { authority: Authority; target: string }, rest: Rest): Normalized {
  const { authority, target } = place
  // `OPTIONS *` asks about the server itself, which no route serves.
  if (target === '*' && rest.method === 'OPTIONS') {
    return { ok: false, reason: 'no-route', detail: 'OPTIONS *' }
  }
  const mark = target.indexOf('?')
  const form: PathForm = pathForm(mark === -1 ? target : target.slice(0, mark))
  if (!form.ok) return { ok: false, reason: 'ambiguous-path', detail: form.fault }
  const query = mark === -1 ? '' : target.slice(mark + 1)
  if (!QUERY.test(query)) return { ok: false, reason: 'ambiguous-path', detail: 'query' }
  return { ok: true, head: { ...rest, authority, path: form.path, query, target } }
}

/** What both protocols refuse whatever else the head says. */
function refuse(method: string, fields: Fields): Normalized | undefined {
  if (!isToken(method)) return bad('method')
  if (method === 'CONNECT' || method === 'TRACE') {
    return { ok: false, reason: 'method-not-allowed', detail: method }
  }
  if (fields.size > MAX_FIELDS) {
    return { ok: false, reason: 'headers-too-large', detail: `more than ${MAX_FIELDS} fields` }
  }
  const fault = fields.find(faultOf)
  if (fault !== undefined) return bad(fault)
  const expect = fields.get('expect')?.toLowerCase()
  if (expect !== undefined && expect !== '100-continue') {
    return { ok: false, reason: 'expectation-failed', detail: 'unknown expectation' }
  }
  return undefined
}

function faultOf(key: string, value: string): string | undefined {
  if (!isToken(key)) return 'field name'
  if ((key.startsWith('c') || key.startsWith('t')) && LOOK_ALIKE.test(key)) return 'field name'
  return hasControl(value) ? 'field value' : undefined
}

/** But for tabs. */
function hasControl(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true
  }
  return false
}

/** The exact token `chunked` or one all-digit length, never both; undefined: anything else. */
function http1Body(fields: Fields, version: string): BodyFraming | undefined {
  const codings = fields.values('transfer-encoding')
  const lengths = fields.values('content-length')
  if (codings.length > 0) {
    const chunked = codings.length === 1 && codings[0]?.toLowerCase() === 'chunked'
    return chunked && lengths.length === 0 && version === '1.1' ? { kind: 'stream' } : undefined
  }
  if (lengths.length === 0) return { kind: 'none' }
  return lengths.length === 1 ? lengthOf(lengths[0] ?? '') : undefined
}

function http2Body(fields: Fields, endStream: boolean): BodyFraming | undefined {
  const lengths = fields.values('content-length')
  if (lengths.length > 1) return undefined
  const declared = lengths[0] === undefined ? undefined : lengthOf(lengths[0])
  if (lengths.length === 1 && declared === undefined) return undefined
  if (endStream) return declared?.kind === 'length' ? undefined : { kind: 'none' }
  return declared ?? { kind: 'stream' }
}

function lengthOf(text: string): BodyFraming | undefined {
  if (!ALL_DIGITS.test(text)) return undefined
  return Number(text) === 0 ? { kind: 'none' } : { kind: 'length', bytes: Number(text) }
}

/** Exactly one Host; the authority of an absolute target replaces it (RFC 9112 section 3.2.2). */
function http1Target(
  target: string,
  fields: Fields,
  scheme: Scheme,
): { authority: Authority; target: string } | undefined {
  const hosts = fields.values('host')
  if (hosts.length !== 1) return undefined
  const absolute = target.startsWith('/') ? null : ABSOLUTE.exec(target)
  if (absolute === null) {
    const authority = parseAuthority(hosts[0] ?? '')
    return authority && { authority, target }
  }
  const [, sentScheme = '', text = '', rest = ''] = absolute
  const authority = parseAuthority(text)
  if (authority === undefined || sentScheme.toLowerCase() !== scheme) return undefined
  return { authority, target: rest.startsWith('/') ? rest : `/${rest}` }
}

function asksForWebSocket(method: string, fields: Fields, body: BodyFraming): boolean {
  // As the server's shouldUpgradeCallback: else Node's parser would stay on the socket.
  if (method !== 'GET' || body.kind !== 'none' || fields.has('content-length')) return false
  if (fields.get('upgrade')?.toLowerCase() !== 'websocket') return false
  return connectionTokens(fields).includes('upgrade')
}

/** Lower-case members of Connection. */
export function connectionTokens(fields: Fields): string[] {
  const value = fields.get('connection')
  if (value === undefined) return []
  return value.split(',').map((token) => token.trim().toLowerCase())
}

function bad(detail: string): Normalized {
  return { ok: false, reason: 'bad-request', detail }
}
