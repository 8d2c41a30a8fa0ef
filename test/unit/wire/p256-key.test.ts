/** The reader of plain P-256 keys, held to OpenSSL's verdict. */
import assert from 'node:assert/strict'
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { P256_PREFIX, p256PublicKey } from '../../../src/wire/p256-key.ts'
import { readServerCertificate } from '../../../src/wire/pem.ts'
import { testCertificate } from '../../support/certificates.ts'

const { certPem, keyPem } = await testCertificate(['a.example.com'])
const CERTIFICATE = bytesOf(certPem)
const KEY = bytesOf(keyPem)
const POINT_BYTES = 65
const POINT_IN_KEY = KEY.length - POINT_BYTES
const POINT_IN_CERTIFICATE = CERTIFICATE.indexOf(P256_PREFIX) + P256_PREFIX.length

describe('p256PublicKey', () => {
  it('gives what OpenSSL gives', () => {
    const spki = createPublicKey(keyPem).export({ type: 'spki', format: 'der' })
    assert.deepEqual(Buffer.from(p256PublicKey(keyPem) ?? []), spki)
  })

  it('leaves other kinds and forms of keys to OpenSSL', () => {
    const encoding = { type: 'pkcs8', format: 'pem' } as const
    for (const { privateKey } of [
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ed25519'),
    ]) {
      assert.equal(p256PublicKey(privateKey.export(encoding).toString()), undefined)
    }
    assert.equal(p256PublicKey(keyPem.replaceAll('\n', '\r\n')), undefined)
    assert.equal(p256PublicKey(keyPem.replace('\n', '\n\n')), undefined)
  })
})

describe('a pair with a P-256 key', () => {
  it('is taken when OpenSSL takes it, whatever byte of the key is another', () => {
    for (const at of KEY.keys()) check(certPem, pem('PRIVATE KEY', changed(KEY, at, 1)))
    fc.assert(
      fc.property(fc.nat(KEY.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) =>
        check(certPem, pem('PRIVATE KEY', changed(KEY, at, bits))),
      ),
    )
  })

  it('and whatever character between its first line and its last', () => {
    const [start, end] = [keyPem.indexOf('\n') + 1, keyPem.indexOf('\n-----END')]
    const characters = fc.constantFrom(...'A/+=-\n \r*')
    fc.assert(
      fc.property(fc.integer({ min: start, max: end - 1 }), characters, (at, character) =>
        check(certPem, keyPem.slice(0, at) + character + keyPem.slice(at + 1)),
      ),
    )
  })

  it('is refused when both have the same point beside the curve', () => {
    for (const offset of [0, 1, 40, POINT_BYTES - 1]) {
      const certificate = changed(CERTIFICATE, POINT_IN_CERTIFICATE + offset, 1)
      const key = changed(KEY, POINT_IN_KEY + offset, 1)
      const pair = [pem('CERTIFICATE', certificate), pem('PRIVATE KEY', key)] as const
      assert.equal(readServerCertificate(...pair).kind, 'problem')
      check(...pair)
    }
  })
})

function check(certificate: string, key: string): void {
  const isTaken = readServerCertificate(certificate, key).kind === 'certificate'
  assert.equal(isTaken, opensslTakes(certificate, key), key)
}

function opensslTakes(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text.replaceAll(/-----[^-]+-----|\n/g, ''), 'base64')
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

function changed(bytes: Buffer, at: number, bits: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ bits
  return copy
}
