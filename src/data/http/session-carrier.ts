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

/** Looks for the name alone: a request may bring thousands of other cookies. */
function cookieValues(header: string, name: string): readonly string[] {
  const start = `${name}=`
  const values: string[] = []
  let at = header.indexOf(start)
  while (at !== -1 && values.length < MAX_CANDIDATES) {
    const from = at + start.length
    if (beginsPair(header, at)) {
      const end = header.indexOf(';', from)
      values.push(header.slice(from, end === -1 ? undefined : end).trimEnd())
    }
    at = header.indexOf(start, from)
  }
  return values
}

/** Only blanks stand between this place and the pair before it. */
function beginsPair(header: string, at: number): boolean {
  let before = at - 1
  while (header[before] === ' ') before -= 1
  return before < 0 || header[before] === ';'
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
