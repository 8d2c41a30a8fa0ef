/**
 * The subject alternative names of a certificate, entry by entry (RFC 5280 section 4.2.1.6). Node
 * gives them as one text in which unusual values are quoted; to search that text instead would let
 * a value pass for an entry (CVE-2021-44532).
 */

export interface AltName {
  /** `DNS`, `URI`, `IP Address`, ... */
  readonly type: string
  readonly value: string
}

const ENTRY = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y

/** X509Certificate.subjectAltName; of a text that is not understood no entry counts. */
export function parseAltNames(text: string | undefined): readonly AltName[] {
  const names: AltName[] = []
  if (text === undefined) return names
  ENTRY.lastIndex = 0
  while (ENTRY.lastIndex < text.length) {
    const [, type, raw] = ENTRY.exec(text) ?? []
    if (type === undefined || raw === undefined) return []
    const value = raw.startsWith('"') ? unquoted(raw) : raw
    if (value === undefined) return []
    names.push({ type, value })
  }
  return names
}

function unquoted(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
