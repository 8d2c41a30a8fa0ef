/**
 * The one view of a request path that every matcher and filter shares (security.md section 2.5):
 * ambiguous paths are refused, otherwise unreserved characters are decoded (RFC 3986 section
 * 6.2.2) and nothing else. The original bytes go on to the upstream; the two are equivalent.
 * Policy for `//`: an empty element is an element like any other; nothing is merged.
 */

export type PathForm =
  | { readonly ok: true; readonly path: string }
  /** One line for the log: what makes the path ambiguous. */
  | { readonly ok: false; readonly fault: string }

const PLAIN = /^\/[A-Za-z0-9\-_~!$&'()*+,;=:@/]*$/
const FORBIDDEN = /[^\x21-\x7e]|[\\#?]/
const BROKEN_ESCAPE = /%(?![0-9A-Fa-f]{2})/
const ENCODED_DELIMITER = /%(?:00|2f|5c)/i
const ENCODED_NON_ASCII = /%[89a-f]/i
const ESCAPE = /%[0-9A-Fa-f]{2}/g
const UNRESERVED = /[A-Za-z0-9\-._~]/
/** Also `..;x` and `..%3Bx`, which servers that strip path parameters take for `..`. */
const DOT_SEGMENT = /\/\.{1,2}(?:\/|;|%3B|$)/

/** `raw` is the path alone, without query. */
export function pathForm(raw: string): PathForm {
  if (PLAIN.test(raw)) return { ok: true, path: raw }
  if (!raw.startsWith('/')) return refused('does not start with a slash')
  if (FORBIDDEN.test(raw)) return refused('character that must be encoded')
  if (BROKEN_ESCAPE.test(raw)) return refused('broken escape')
  if (ENCODED_DELIMITER.test(raw)) return refused('encoded slash, backslash or NUL')
  if (ENCODED_NON_ASCII.test(raw) && !isUtf8(raw)) return refused('not UTF-8')
  const path = decodeUnreserved(raw)
  return DOT_SEGMENT.test(path) ? refused('dot segment') : { ok: true, path }
}

/** Escapes of unreserved characters become the character, the digits of others upper case. */
export function decodeUnreserved(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(ESCAPE, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
    return UNRESERVED.test(character) ? character : encoded.toUpperCase()
  })
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

function refused(fault: string): PathForm {
  return { ok: false, fault }
}
