/** Secrets never reach a log, a status or an error (security.md section 2.9). */

const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g

/** Takes private keys in PEM out of a text, also truncated ones. */
export function redactSecrets(text: string): string {
  return text.includes('PRIVATE KEY') ? text.replace(PRIVATE_KEY, '[redacted private key]') : text
}

/** Cuts what a stranger sent to a length that a log line can bear. */
export function capLength(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`
}
