/**
 * Makes a local certificate authority and leaf certificates, for `cert self-signed`, the demo and
 * tests. Library: @peculiar/x509, the maintained writer of X.509 over WebCrypto (node:crypto reads
 * certificates, but cannot create them).
 */
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

type CryptoKeyPair = webcrypto.CryptoKeyPair
type CryptoKey = webcrypto.CryptoKey

x509.cryptoProvider.set(webcrypto as never)

export type KeyType = 'ec' | 'rsa'

export interface IssuedCertificate {
  /** Leaf, then the issuer unless it is the root. */
  readonly certPem: string
  readonly keyPem: string
}

export interface IssueOptions {
  readonly commonName: string
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly string[]
  readonly uris?: readonly string[]
  readonly keyType?: KeyType
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly usage?: 'server' | 'client'
}

export interface CertificateAuthority {
  readonly certPem: string
  readonly keyPem: string
  issue(options: IssueOptions): Promise<IssuedCertificate>
}

const ALGORITHMS = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
} as const

const DAY_MS = 86_400_000

/** A self-signed root of ten years; leaves default to 397 days, from one hour ago. */
export async function createCertificateAuthority(
  commonName: string,
  keyType: KeyType = 'ec',
): Promise<CertificateAuthority> {
  const algorithm = ALGORITHMS[keyType]
  const keys = await generateKeys(keyType)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${commonName}`,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3650 * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {
    certPem: `${certificate.toString('pem')}\n`,
    keyPem: await privateKeyPem(keys.privateKey),
    issue: (options) => issueLeaf(options, certificate, keys, algorithm),
  }
}

async function issueLeaf(
  options: IssueOptions,
  issuer: x509.X509Certificate,
  issuerKeys: CryptoKeyPair,
  signingAlgorithm: (typeof ALGORITHMS)[KeyType],
): Promise<IssuedCertificate> {
  const keys = await generateKeys(options.keyType ?? 'ec')
  const names: x509.JsonGeneralNames = [
    ...(options.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ...(options.uris ?? []).map((value) => ({ type: 'url' as const, value })),
  ]
  const usage =
    options.usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${options.commonName}`,
    issuer: issuer.subject,
    notBefore: options.notBefore ?? new Date(Date.now() - 3_600_000),
    notAfter: options.notAfter ?? new Date(Date.now() + 397 * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: issuerKeys.privateKey,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(issuerKeys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {
    certPem: `${certificate.toString('pem')}\n`,
    keyPem: await privateKeyPem(keys.privateKey),
  }
}

async function generateKeys(keyType: KeyType): Promise<CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHMS[keyType], true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair
}

async function privateKeyPem(key: CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key)
  const base64 = Buffer.from(pkcs8).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}

/** A positive serial of 16 bytes (RFC 5280 section 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01
  return bytes.toString('hex')
}
