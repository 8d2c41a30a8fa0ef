/**
 * What a dump of the snapshot must not show. Private keys are in no part to begin with; what is
 * left is credentials in header filters, and PEM, which would only make the dump long.
 */

const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
])

const REDACTED = '[redacted]'

/** A copy for people: plain data in, plain data out. */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('-----BEGIN ') ? '[PEM]' : value
  if (Array.isArray(value)) return value.map(redact)
  if (typeof value !== 'object' || value === null) return value
  const hidden = isCredential(value)
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      hidden && key === 'value' ? REDACTED : redact(member),
    ]),
  )
}

/** A header as `{name, value}`, in filters as in matches. */
function isCredential(value: object): boolean {
  return (
    'name' in value &&
    'value' in value &&
    typeof value.name === 'string' &&
    CREDENTIAL_HEADERS.has(value.name.toLowerCase())
  )
}
