import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { subjectPublicKeyInfo } from '../../../src/wire/der.ts'
import { testAuthority, testCertificate } from '../../support/certificates.ts'

const certificates = [
  await testCertificate(['a.example.com']),
  await testCertificate(['a.example.com'], { keyType: 'rsa' }),
  await testAuthority(),
].map(({ certPem }) => new X509Certificate(certPem))

describe('subjectPublicKeyInfo', () => {
  it('is what OpenSSL exports', () => {
    for (const { raw, publicKey } of certificates) {
      const expected = publicKey.export({ type: 'spki', format: 'der' })
      assert.deepEqual(Buffer.from(subjectPublicKeyInfo(raw) ?? []), expected)
    }
  })

  it('is undefined of what is cut off, and never reads beyond the bytes', () => {
    for (const { raw } of certificates) {
      for (let length = 0; length < raw.length; length++) {
        assert.equal(subjectPublicKeyInfo(raw.subarray(0, length)), undefined)
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const found = subjectPublicKeyInfo(bytes)
        assert.ok(found === undefined || found.length <= bytes.length)
      }),
    )
  })
})
