/**
 * How the body of an HTTP/1.1 response is delimited and whether its connection may be used again
 * (RFC 9112 sections 6.3 and 9.3). What two implementations could read differently has no framing.
 */

export interface ResponseFraming {
  readonly kind: 'none' | 'length' | 'chunked' | 'until-close'
  /** Of kind `length`; else 0. */
  readonly bytes: number
  /** Nothing but the next response can follow on the connection. */
  readonly persistent: boolean
  /** `Keep-Alive: timeout=`; undefined: none given. */
  readonly idleSeconds: number | undefined
}

const ALL_DIGITS = /^[0-9]{1,15}$/
const TIMEOUT = /(?:^|[,;\s])timeout=([0-9]{1,6})(?:$|[,;\s])/i

/** `method`: of the request. `fields`: flat. undefined: ambiguous, or another coding than chunked. */
export function responseFraming(
  method: string,
  status: number,
  minorVersion: number,
  fields: readonly string[],
): ResponseFraming | undefined {
  let length: number | undefined
  let chunked = false
  let closes = false
  let persists = minorVersion === 1
  let idleSeconds: number | undefined
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string
    const value = fields[i + 1] as string
    // Told apart by their lengths first: most names need no further look.
    switch (name.length) {
      case 10: {
        const key = name.toLowerCase()
        if (key === 'connection') {
          if (hasToken(value, 'close')) closes = true
          else if (hasToken(value, 'keep-alive')) persists = true
        } else if (key === 'keep-alive') {
          const seconds = TIMEOUT.exec(value)?.[1]
          if (seconds !== undefined) idleSeconds = Number(seconds)
        }
        break
      }
      case 14:
        if (name.toLowerCase() !== 'content-length') break
        if (length !== undefined || !ALL_DIGITS.test(value)) return undefined
        length = Number(value)
        break
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break
        if (chunked || minorVersion === 0 || value.toLowerCase() !== 'chunked') return undefined
        chunked = true
        break
      default:
    }
  }
  if (chunked && length !== undefined) return undefined
  // An interim response has no content (RFC 9110 section 15.2): is what follows it the next head?
  if (status < 200 && (chunked || (length ?? 0) > 0)) return undefined
  const persistent = persists && !closes
  if (method === 'HEAD' || status === 304 || status === 204 || status < 200) {
    // Content that a 204 announces may come nevertheless, after its end.
    const announces = status === 204 && (chunked || (length ?? 0) > 0)
    return { kind: 'none', bytes: 0, persistent: persistent && !announces, idleSeconds }
  }
  if (chunked) return { kind: 'chunked', bytes: 0, persistent, idleSeconds }
  if (length === undefined) {
    return { kind: 'until-close', bytes: 0, persistent: false, idleSeconds }
  }
  return { kind: length === 0 ? 'none' : 'length', bytes: length, persistent, idleSeconds }
}

/** A member of a comma-separated list; `token` is lower case. */
function hasToken(value: string, token: string): boolean {
  if (!value.includes(',')) return value.trim().toLowerCase() === token
  return value.split(',').some((member) => member.trim().toLowerCase() === token)
}
