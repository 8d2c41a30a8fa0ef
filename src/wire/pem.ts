/**
 * Reads a server certificate with its key from PEM (RFC 7468) and proves that they can serve
 * together: the pair matches, the chain is in order, and OpenSSL takes it. Messages never quote
 * the input, which may hold a private key.
 */
import { createPrivateKey, hash, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { Digest } from '../base/brand.ts'
import { digestOfText } from '../base/digest.ts'
import { errnoOf } from '../base/errors.ts'
import { subjectPublicKeyInfo } from './der.ts'
import { P256_PREFIX, p256PublicKey } from './p256-key.ts'

export interface ServerCertificate {
  /** Leaf first, each followed by its issuer. */
  readonly chainPem: string
  /** PKCS #8. A secret. */
  readonly privateKeyPem: string
  /** SHA-256 of the public key (SubjectPublicKeyInfo). */
  readonly keyId: Digest
  readonly keyType: 'rsa' | 'ec' | 'ed25519'
  /** DNS names of the leaf, lower case; the common name only when there is no SAN (RFC 6125). */
  readonly dnsNames: readonly string[]
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  /** SHA-256 of the leaf, lower-case hex without colons. */
  readonly fingerprint: string
  /** What clients may stumble over although it can be served, such as a chain out of order. */
  readonly warnings: readonly string[]
}

export type ServerCertificateResult =
  | { readonly kind: 'certificate'; readonly certificate: ServerCertificate }
  | { readonly kind: 'problem'; readonly part: 'certificate' | 'key'; readonly message: string }

export interface PemBlock {
  /** Such as `CERTIFICATE` or `PRIVATE KEY`. */
  readonly label: string
  /** The whole block with both its lines, ending in a newline. */
  readonly text: string
}

const KEY_TYPES = new Set(['rsa', 'ec', 'ed25519'])
const STRONG_CURVES = new Set(['prime256v1', 'secp384r1'])
/**
 * Kinds of certificates that OpenSSL has taken in this process, at the security level that it has here
 * (OPENSSL_CONF may raise it): no need to build a TLS context for each of them.
 */
const provenKinds = new Set<string>()
/** As OpenSSL names them; Node before 24.9 tells none, and every chain is tried. */
const STRONG_SIGNATURES = new Set([
  'ecdsa-with-SHA256',
  'ecdsa-with-SHA384',
  'sha256WithRSAEncryption',
  'sha384WithRSAEncryption',
  'sha512WithRSAEncryption',
  'ED25519',
])
const BEGIN = '-----BEGIN '
const DASHES = '-----'

/** Every well-delimited block in order; text between blocks is ignored. Linear in the input. */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = []
  let from = 0
  for (;;) {
    const start = text.indexOf(BEGIN, from)
    if (start === -1) return blocks
    const labelEnd = text.indexOf(DASHES, start + BEGIN.length)
    if (labelEnd === -1) return blocks
    const label = text.slice(start + BEGIN.length, labelEnd)
    const footer = `${DASHES}END ${label}${DASHES}`
    const end = label.includes('\n') ? -1 : text.indexOf(footer, labelEnd)
    // A header without its footer hides everything behind it: nothing more can be trusted.
    if (end === -1) return blocks
    blocks.push({ label, text: `${text.slice(start, end + footer.length)}\n` })
    from = end + footer.length
  }
}

/** Never throws for bad input: a problem says which of the two parts is at fault and how. */
export function readServerCertificate(certPem: string, keyPem: string): ServerCertificateResult {
  const chain = readChain(certPem)
  if (typeof chain === 'string') return { kind: 'problem', part: 'certificate', message: chain }
  const key = readPrivateKey(keyPem, chain)
  if (typeof key === 'string') return { kind: 'problem', part: 'key', message: key }
  return assemble(chain, key)
}

interface PrivateKey {
  /** PKCS #8. */
  readonly pem: string
  readonly type: string
  belongsTo(certificate: X509Certificate): boolean
}

/** Leaf first; a text is what is wrong. */
function readChain(pem: string): readonly [X509Certificate, ...X509Certificate[]] | string {
  const blocks = pemBlocks(pem).filter(({ label }) => label === 'CERTIFICATE')
  const chain: X509Certificate[] = []
  for (const [index, block] of blocks.entries()) {
    try {
      chain.push(new X509Certificate(block.text))
    } catch {
      return `certificate ${index + 1} of ${blocks.length} is not a valid X.509 certificate`
    }
  }
  const [leaf, ...rest] = chain
  if (leaf !== undefined) return [leaf, ...rest]
  return pem.trim() === '' ? 'it is empty' : 'it holds no PEM block "BEGIN CERTIFICATE"'
}

/** A text is what is wrong. */
function readPrivateKey(pem: string, chain: readonly X509Certificate[]): PrivateKey | string {
  const block = pemBlocks(pem).find(({ label }) => label.endsWith('PRIVATE KEY'))
  if (block === undefined) {
    return pem.trim() === '' ? 'it is empty' : 'it holds no PEM block "BEGIN PRIVATE KEY"'
  }
  if (block.label.startsWith('ENCRYPTED') || block.text.includes('Proc-Type: 4,ENCRYPTED')) {
    return 'the private key is encrypted; store it without a passphrase'
  }
  try {
    return p256Key(block.text, chain) ?? opensslKey(block)
  } catch (error) {
    return `the private key cannot be read (${errnoOf(error) ?? 'bad PEM'})`
  }
}

/** undefined: another kind or form of key, or none of a certificate here. */
function p256Key(pem: string, chain: readonly X509Certificate[]): PrivateKey | undefined {
  const publicKey = p256PublicKey(pem)
  if (publicKey === undefined) return undefined
  const belongsTo = (one: X509Certificate): boolean => hasPublicKey(one, publicKey)
  return chain.some(belongsTo) ? { pem, type: 'ec', belongsTo } : undefined
}

/** Throws what OpenSSL has against it. */
function opensslKey({ label, text }: PemBlock): PrivateKey {
  const key = createPrivateKey(text)
  const isPkcs8 = label === 'PRIVATE KEY'
  return {
    pem: isPkcs8 ? text : key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    type: key.asymmetricKeyType ?? 'unknown',
    belongsTo: (certificate) => certificate.checkPrivateKey(key),
  }
}

/** OpenSSL reads that of the certificate: it takes no point that is not on the curve. */
function hasPublicKey(certificate: X509Certificate, info: Uint8Array): boolean {
  if (!isSame(info, publicKeyOf(certificate))) return false
  try {
    return certificate.publicKey.asymmetricKeyType === 'ec'
  } catch {
    return false
  }
}

function assemble(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  key: PrivateKey,
): ServerCertificateResult {
  const [leaf] = chain
  if (!key.belongsTo(leaf)) {
    const owner = chain.findIndex((certificate) => key.belongsTo(certificate))
    const message =
      owner === -1
        ? 'the private key does not belong to the certificate'
        : `the private key belongs to certificate ${owner + 1} of the chain; the leaf must come first`
    return { kind: 'problem', part: 'key', message }
  }
  const { type: keyType, pem: privateKeyPem } = key
  if (!isServedKeyType(keyType)) {
    const message = `keys of type ${keyType} are not supported; use RSA, ECDSA or Ed25519`
    return { kind: 'problem', part: 'key', message }
  }
  const chainPem = chain.map((certificate) => certificate.toString()).join('')
  try {
    prove(chain, chainPem, privateKeyPem)
  } catch (error) {
    // Such as a key below the security level; the worker would fail alike.
    const message = `OpenSSL refuses it (${errnoOf(error) ?? 'unknown error'})`
    return { kind: 'problem', part: 'certificate', message }
  }
  return {
    kind: 'certificate',
    certificate: {
      chainPem,
      privateKeyPem,
      keyId: digestOfText(publicKeyOf(leaf)),
      keyType,
      dnsNames: dnsNamesOf(leaf),
      notBefore: leaf.validFromDate.getTime(),
      notAfter: leaf.validToDate.getTime(),
      // A sixth of what OpenSSL's own text of it costs.
      fingerprint: hash('sha256', leaf.raw, 'hex'),
      warnings: chainWarnings(chain),
    },
  }
}

/** SubjectPublicKeyInfo. */
function publicKeyOf(certificate: X509Certificate): Uint8Array {
  return (
    subjectPublicKeyInfo(certificate.raw) ??
    certificate.publicKey.export({ type: 'spki', format: 'der' })
  )
}

/** Throws when OpenSSL refuses them. */
function prove(chain: readonly X509Certificate[], chainPem: string, privateKeyPem: string): void {
  const kinds = chain.map(strongKind)
  if (kinds.every((kind) => kind !== undefined && provenKinds.has(kind))) return
  createSecureContext({ cert: chainPem, key: privateKeyPem })
  for (const kind of kinds) if (kind !== undefined) provenKinds.add(kind)
}

/** undefined: so weak or so rare that each one is tried. All of a kind are as strong for OpenSSL. */
function strongKind(certificate: X509Certificate): string | undefined {
  const { signatureAlgorithm = '', publicKey } = certificate
  if (!STRONG_SIGNATURES.has(signatureAlgorithm)) return undefined
  // The commonest kind: reading the details of a key takes half as long as reading the certificate.
  const head = publicKeyOf(certificate).subarray(0, P256_PREFIX.length)
  if (isSame(head, P256_PREFIX)) return `${signatureAlgorithm} prime256v1`
  const { namedCurve = '', modulusLength = 0 } = publicKey.asymmetricKeyDetails ?? {}
  switch (publicKey.asymmetricKeyType) {
    case 'ec':
      return STRONG_CURVES.has(namedCurve) ? `${signatureAlgorithm} ${namedCurve}` : undefined
    case 'rsa':
      return modulusLength >= 2048 && modulusLength <= 8192
        ? `${signatureAlgorithm} rsa ${modulusLength}`
        : undefined
    case 'ed25519':
      return `${signatureAlgorithm} ed25519`
    default:
      return undefined
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function isServedKeyType(type: string): type is ServerCertificate['keyType'] {
  return KEY_TYPES.has(type)
}

function chainWarnings(chain: readonly X509Certificate[]): readonly string[] {
  const wrong = chain.findIndex((certificate, index) => {
    const next = chain[index + 1]
    return next !== undefined && !certificate.checkIssued(next)
  })
  if (wrong === -1) return []
  return [
    `certificate ${wrong + 2} of the chain did not issue certificate ${wrong + 1}; clients want each certificate followed by its issuer`,
  ]
}

function dnsNamesOf(leaf: X509Certificate): readonly string[] {
  // Node writes `DNS:a.example, IP Address:…`, and quotes values that hold a comma: no DNS names.
  if (leaf.subjectAltName !== undefined) {
    return leaf.subjectAltName
      .split(', ')
      .filter((entry) => entry.startsWith('DNS:') && !entry.startsWith('DNS:"'))
      .map((entry) => entry.slice('DNS:'.length).toLowerCase())
  }
  const commonName = leaf.subject.split('\n').find((line) => line.startsWith('CN='))
  return commonName === undefined ? [] : [commonName.slice('CN='.length).toLowerCase()]
}
