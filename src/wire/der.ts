/**
 * As much of DER (X.690) as it takes to find the public key in a certificate. Node would export it
 * too, but decodes and encodes the key for that: 90 us for each certificate.
 */

/** Tag of the optional version, which comes before all else (RFC 5280 section 4.1). */
const VERSION = 0xa0
/** serialNumber, signature, issuer, validity, subject. */
const FIELDS_BEFORE_KEY = 5

/** SubjectPublicKeyInfo of a DER certificate (RFC 5280 section 4.1); undefined: it is not there. */
export function subjectPublicKeyInfo(certificate: Uint8Array): Uint8Array | undefined {
  const outer = elementAt(certificate, 0)
  const tbs = outer && elementAt(certificate, outer.content)
  if (tbs === undefined) return undefined
  let at = tbs.content
  const skipped = certificate[at] === VERSION ? FIELDS_BEFORE_KEY + 1 : FIELDS_BEFORE_KEY
  for (let count = 0; count < skipped; count++) {
    const field = elementAt(certificate, at)
    if (field === undefined) return undefined
    at = field.end
  }
  const key = elementAt(certificate, at)
  return key === undefined || key.end > tbs.end ? undefined : certificate.subarray(at, key.end)
}

interface Element {
  readonly content: number
  readonly end: number
}

/** Of one byte of tag and a definite length; undefined: it does not fit into the bytes. */
function elementAt(bytes: Uint8Array, start: number): Element | undefined {
  const first = bytes[start + 1]
  if (first === undefined) return undefined
  const lengthBytes = first < 0x80 ? 0 : first - 0x80
  if (lengthBytes > 3 || first === 0x80) return undefined
  const content = start + 2 + lengthBytes
  let length = lengthBytes === 0 ? first : 0
  for (let at = start + 2; at < content; at++) length = length * 256 + (bytes[at] ?? 0)
  const end = content + length
  return end > bytes.length ? undefined : { content, end }
}
