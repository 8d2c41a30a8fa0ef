/**
 * How tokens travel: in a cookie (RFC 6265) or in a header. What a request brings is a stranger's:
 * read within bounds, never refused. The request goes on unchanged, so the backend sees it too, as
 * GEP-1619 has it.
 */
import type { SessionCarrier } from '../../model/http.ts'
import type { Fields } from './fields.ts'

/** So many values of one name are looked at; a client with our one cookie sends one. */
const MAX_CANDIDATES = 4

/** Values that may be tokens, in the order of the request. */
export function candidates(carrier: SessionCarrier, fields: Fields): readonly string[] {
  return carrier.kind === 'header'
    ? fields.values(carrier.name).slice(0, MAX_CANDIDATES)
    : cookieValues(fields.get('cookie') ?? '', carrier.name)
}

/** One pass, without a list of all the pairs. */
function cookieValues(header: string, name: string): readonly string[] {
  const values: string[] = []
  for (let start = 0; start < header.length && values.length < MAX_CANDIDATES; ) {
    const found = header.indexOf(';', start)
    const end = found === -1 ? header.length : found
    while (header[start] === ' ') start += 1
    const after = start + name.length
    if (header[after] === '=' && header.startsWith(name, start)) {
      values.push(header.slice(after + 1, end).trimEnd())
    }
    start = end + 1
  }
  return values
}

export interface GivenToken {
  readonly token: string
  /** What a permanent cookie lives for. */
  readonly lifeMs: number | undefined
  /** The client came by https, perhaps to a trusted proxy before us. */
  readonly isSecure: boolean
}

/** Writes the token into the fields of a response. */
export function give(carrier: SessionCarrier, given: GivenToken, fields: Fields): void {
  if (carrier.kind === 'header') fields.set(carrier.name, given.token)
  else fields.add('Set-Cookie', cookieOf(carrier, given))
}

/**
 * Not SameSite=Strict: a client that comes back from another site, such as that of its sign-in,
 * would leave the cookie out, and be given another endpoint in the middle of its session.
 */
function cookieOf(
  { name, permanent }: Extract<SessionCarrier, { kind: 'cookie' }>,
  { token, lifeMs, isSecure }: GivenToken,
): string {
  const life = permanent && lifeMs !== undefined ? `; Max-Age=${Math.ceil(lifeMs / 1000)}` : ''
  const secure = isSecure ? '; Secure' : ''
  return `${name}=${token}; Path=/${life}; HttpOnly${secure}; SameSite=Lax`
}
