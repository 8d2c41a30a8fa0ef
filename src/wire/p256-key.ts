/**
 * The public half of a P-256 private key, found in its text. OpenSSL takes 40 us to read such a key, and
 * does not look at more of it: that scalar and point belong together it proves neither. Read is the one form
 * that every tool writes: PKCS #8 (RFC 5958) around an ECPrivateKey with its public key (RFC 5915).
 */

/** Algorithm and curve at the start of a SubjectPublicKeyInfo (RFC 5480); the point follows. */
export const P256_PREFIX: Uint8Array = Buffer.from(
  '3059301306072a8648ce3d020106082a8648ce3d030107034200',
  'hex',
)

/** 138 bytes in lines of 64 characters (RFC 7468). */
const PEM =
  /^-----BEGIN PRIVATE KEY-----\n([A-Za-z0-9+/]{64})\n([A-Za-z0-9+/]{64})\n([A-Za-z0-9+/]{56})\n-----END PRIVATE KEY-----\n$/
/** All before the scalar, and between it and the point. */
const HEAD = Buffer.from(
  '308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420',
  'hex',
)
const SCALAR_BYTES = 32
const MIDDLE = Buffer.from('a144034200', 'hex')
const MIDDLE_AT = HEAD.length + SCALAR_BYTES

/**
 * SubjectPublicKeyInfo; undefined: another form or kind of key. That the point is on the curve is still to be
 * proven.
 */
export function p256PublicKey(pem: string): Uint8Array | undefined {
  const lines = PEM.exec(pem)
  if (lines === null) return undefined
  const key = Buffer.from(lines.slice(1).join(''), 'base64')
  const pointAt = MIDDLE_AT + MIDDLE.length
  const isForm =
    HEAD.equals(key.subarray(0, HEAD.length)) && MIDDLE.equals(key.subarray(MIDDLE_AT, pointAt))
  return isForm ? Buffer.concat([P256_PREFIX, key.subarray(pointAt)]) : undefined
}
