/**
 * CORS (Fetch standard, section 3.3; digest section 4.5). The fields are ours on every response of
 * the rule, so what the upstream says in them is taken off. A preflight never reaches an upstream.
 */
import { hostnameMatches } from '../../../match/hostname.ts'
import type { CorsFilter, OriginPattern } from '../../../model/http-filter.ts'
import type { Fields } from '../fields.ts'

/** What a request says about cross-origin sharing, as it came. */
export interface CorsRequest {
  readonly origin: string | undefined
  /** Of a preflight: the method that is asked for. */
  readonly preflightMethod: string | undefined
  readonly preflightHeaders: string | undefined
}

export function corsRequest(method: string, fields: Fields): CorsRequest {
  const origin = fields.get('origin')
  if (origin === undefined) return NOT_CORS
  const isOptions = method === 'OPTIONS'
  return {
    origin,
    preflightMethod: isOptions ? fields.get('access-control-request-method') : undefined,
    preflightHeaders: isOptions ? fields.get('access-control-request-headers') : undefined,
  }
}

const NOT_CORS: CorsRequest = {
  origin: undefined,
  preflightMethod: undefined,
  preflightHeaders: undefined,
}

/** Rewrites the fields of a response: an upstream's, or our own empty one to a preflight. */
export function shareResponse(filter: CorsFilter, fields: Fields, request: CorsRequest): void {
  fields.removeWhere((key) => key.startsWith('access-control-'))
  const everybody = filter.allowOrigins === 'any' && !filter.allowCredentials
  if (!everybody) varyByOrigin(fields)
  const { origin } = request
  if (origin === undefined || !allows(filter, origin)) return
  fields.set('Access-Control-Allow-Origin', everybody ? '*' : origin)
  if (filter.allowCredentials) fields.set('Access-Control-Allow-Credentials', 'true')
  // Browsers read it from actual responses only; Gateway API asks for it in every one.
  const exposed = filter.exposeHeaders.filter((name) => name !== '*' || !filter.allowCredentials)
  setList(fields, 'Access-Control-Expose-Headers', exposed)
  if (request.preflightMethod === undefined) return
  const { allowMethods, allowHeaders } = filter
  const { preflightMethod, preflightHeaders } = request
  setList(fields, 'Access-Control-Allow-Methods', answer(filter, allowMethods, preflightMethod))
  setList(fields, 'Access-Control-Allow-Headers', answer(filter, allowHeaders, preflightHeaders))
  fields.set('Access-Control-Max-Age', String(filter.maxAgeSeconds))
}

/** `*` means nothing beside credentials, where what was asked for stands for it. */
function answer(
  filter: CorsFilter,
  allowed: readonly string[],
  asked: string | undefined,
): readonly string[] {
  if (asked === undefined) return []
  return filter.allowCredentials && allowed.includes('*') ? [asked] : allowed
}

function allows({ allowOrigins, allowCredentials }: CorsFilter, text: string): boolean {
  // `null` is the origin of every sandboxed document: echoed beside credentials it would open all.
  if (allowOrigins === 'any') return !allowCredentials || text !== 'null'
  const origin = parseOrigin(text)
  return (
    origin !== undefined &&
    allowOrigins.some(
      ({ scheme, hostname, port }) =>
        scheme === origin.scheme &&
        port === origin.port &&
        hostnameMatches(hostname, origin.hostname),
    )
  )
}

/** RFC 6454 section 6.2: scheme, host and a port that is not the scheme's own. */
const ORIGIN = /^(https?):\/\/([^/:?#@[\]\s]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/i

function parseOrigin(text: string): OriginPattern | undefined {
  const [, sent = '', host = '', digits] = ORIGIN.exec(text) ?? []
  const scheme = sent.toLowerCase()
  if (scheme !== 'http' && scheme !== 'https') return undefined
  const port = digits === undefined ? (scheme === 'http' ? 80 : 443) : Number(digits)
  return { scheme, hostname: host.toLowerCase(), port }
}

/** A cache must not give one origin's answer to another (Fetch standard, section 3.3.5). */
function varyByOrigin(fields: Fields): void {
  const names = (fields.get('vary') ?? '').split(',').map((name) => name.trim().toLowerCase())
  if (!names.includes('origin') && !names.includes('*')) fields.append('Vary', 'Origin')
}

function setList(fields: Fields, name: string, values: readonly string[]): void {
  if (values.length > 0) fields.set(name, values.join(', '))
}
