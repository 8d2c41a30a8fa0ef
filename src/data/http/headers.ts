/**
 * Which fields cross the proxy. Hop-by-hop and framing fields are taken off and rebuilt, never
 * copied (RFC 9110 section 7.6.1); fields that say who the client is are overwritten unless the peer
 * is a trusted proxy (security.md section 2.5). No `Via` and no `Forwarded` is added: like Envoy and
 * HAProxy, the X-Forwarded family is what upstreams get.
 */
import { randomUUID } from 'node:crypto'
import type { ClientCertificateFacts } from '../../observe/access-log.ts'
import { Fields } from './fields.ts'
import { connectionTokens, type RequestHead } from './normalize.ts'
import type { TrustedProxies } from '../trusted-proxies.ts'

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Framing that the sender of each side makes itself. */
const FRAMING: ReadonlySet<string> = new Set([...HOP_BY_HOP, 'content-length'])

/** Lower case: the authority, framing, what belongs to one connection, and no field at all (`:path`). */
export function isOwnField(key: string): boolean {
  return key === 'host' || key.startsWith(':') || FRAMING.has(key)
}

/** End-to-end fields that `Connection` may not nominate for removal. */
const NEVER_NOMINATED =
  /^(?:x-forwarded-.*|x-envoy-.*|x-real-ip|forwarded|host|authorization|cookie|set-cookie|content-.*|date|x-request-id|origin|cache-control)$/

/** Who the client is or where it came from: only a trusted proxy may say so. */
const IDENTITY_NAME =
  /^(?:x-forwarded-.*|x-envoy-.*|x-real-ip|forwarded|x-client-ip|x-original-forwarded-for)$/

/** Fields of a trailer section that must not arrive late (RFC 9110 section 6.5.1). */
const NOT_IN_TRAILERS =
  /^(?:host|authorization|cookie|set-cookie|content-.*|cache-control|expect|max-forwards|range|www-authenticate|x-forwarded-.*|x-envoy-.*|forwarded|x-real-ip)$/

const REQUEST_ID = /^[A-Za-z0-9._:/+=-]{1,128}$/

export interface ForwardingFacts {
  readonly peerAddress: string
  readonly localPort: number
  readonly trusted: TrustedProxies
  /** What the client showed to the listener, where that asks for a certificate. */
  readonly clientCertificate?: ClientCertificateFacts | undefined
}

export interface Identity {
  readonly requestId: string
  /** Who the connection speaks for. */
  readonly client: string
  /** X-Forwarded-For of a peer that is believed. */
  readonly forwardedFor: string | undefined
}

/** Turns the client's fields, in place, into those for the upstream; Host stays the authority. */
export function prepareRequestFields(head: RequestHead, facts: ForwardingFacts): Identity {
  const { fields } = head
  const { peerAddress, trusted } = facts
  const trailers = fields.get('te')?.toLowerCase() === 'trailers'
  const believed = trusted.has(peerAddress)
  const nominated = nominatedBy(fields)
  fields.removeWhere((key) => isHopByHop(key, nominated) || (!believed && isIdentity(key)))
  const forwardedFor = fields.get('x-forwarded-for')
  const client = trusted.clientOf(peerAddress, forwardedFor)
  const proto = fields.get('x-forwarded-proto')
  fields.set('X-Forwarded-For', forwardedFor ? `${forwardedFor}, ${peerAddress}` : peerAddress)
  if (proto !== 'http' && proto !== 'https') fields.set('X-Forwarded-Proto', head.scheme)
  if (!fields.has('x-forwarded-host')) fields.set('X-Forwarded-Host', head.authority.text)
  if (!fields.has('x-forwarded-port')) fields.set('X-Forwarded-Port', String(facts.localPort))
  fields.set('X-Real-IP', client)
  if (facts.clientCertificate?.verified) {
    fields.set('X-Forwarded-Client-Cert', forwardedCertificate(facts.clientCertificate))
  }
  fields.set('Host', head.authority.text)
  if (trailers) fields.set('TE', 'trailers')
  return { client, forwardedFor, requestId: requestIdOf(fields, believed) }
}

/** After filters: whatever they set, framing stays ours. Returns raw fields without Host. */
export function sealRequestFields(fields: Fields): { host: string; raw: string[] } {
  const host = fields.get('host') ?? ''
  fields.removeWhere((key) => key === 'host' || (key !== 'te' && FRAMING.has(key)))
  return { host, raw: fields.toRaw() }
}

/** The upstream's content-length, taken off with all hop-by-hop fields; undefined: none usable. */
export function prepareResponseFields(fields: Fields): number | undefined {
  const nominated = nominatedBy(fields)
  let length: string | undefined
  let isUsable = true
  fields.removeWhere((key, value) => {
    if (key === 'content-length') {
      if (length !== undefined && length !== value) isUsable = false
      length = value
      return true
    }
    if (key === 'transfer-encoding') isUsable = false
    return isHopByHop(key, nominated)
  })
  return isUsable && length !== undefined && /^[0-9]{1,15}$/.test(length)
    ? Number(length)
    : undefined
}

/** After filters, as for requests. */
export function sealResponseFields(fields: Fields): void {
  fields.removeWhere((key) => FRAMING.has(key))
}

/** undefined: none came, as with most messages. */
export function prepareTrailers(raw: readonly string[]): Fields | undefined {
  if (raw.length === 0) return undefined
  const trailers = Fields.fromRaw(raw)
  trailers.removeWhere((key) => FRAMING.has(key) || NOT_IN_TRAILERS.test(key))
  return trailers
}

/** undefined: none that would not be taken off anyway. */
function nominatedBy(fields: Fields): ReadonlySet<string> | undefined {
  const value = fields.get('connection')
  if (value === undefined || value.toLowerCase() === 'keep-alive') return undefined
  return new Set(connectionTokens(fields).filter((key) => !NEVER_NOMINATED.test(key)))
}

function isHopByHop(key: string, nominated: ReadonlySet<string> | undefined): boolean {
  return HOP_BY_HOP.has(key) || nominated?.has(key) === true
}

/** A CGI-style upstream cannot tell X_Forwarded_For from X-Forwarded-For. */
function isIdentity(key: string): boolean {
  if (!key.startsWith('x') && !key.startsWith('f')) return false
  return IDENTITY_NAME.test(key.replaceAll('_', '-'))
}

/** Envoy's format; the subject's quotes are escaped already (RFC 2253). */
function forwardedCertificate({ fingerprint, subject }: ClientCertificateFacts): string {
  return `Hash=${fingerprint};Subject="${subject}"`
}

function requestIdOf(fields: Fields, believed: boolean): string {
  const sent = fields.get('x-request-id')
  if (believed && sent !== undefined && REQUEST_ID.test(sent)) return sent
  const made = randomUUID()
  fields.set('X-Request-Id', made)
  return made
}
