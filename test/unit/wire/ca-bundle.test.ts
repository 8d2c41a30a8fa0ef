import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readCaBundle } from '../../../src/wire/ca-bundle.ts'
import { createCertificateAuthority } from '../../../src/wire/issue-certificate.ts'
import { testCertificate } from '../../support/certificates.ts'

function bundleOf(pem: string) {
  const result = readCaBundle(pem)
  return result.kind === 'bundle' ? result.bundle : assert.fail(result.message)
}

function problemOf(pem: string): string {
  const result = readCaBundle(pem)
  return result.kind === 'problem' ? result.message : assert.fail('it was accepted')
}

describe('a bundle of authorities', () => {
  it('has each once, without the text between them, whatever the line ends', async () => {
    const one = (await createCertificateAuthority('one')).certPem
    const two = (await createCertificateAuthority('two')).certPem
    const { caPem, authorities } = bundleOf(
      `\ufeff# one\r\n${one.replaceAll('\n', '\r\n')}# two\n${two}${one}`,
    )
    assert.deepEqual(
      authorities.map(({ subject }) => subject),
      ['CN=one', 'CN=two', 'CN=one'],
    )
    assert.equal(caPem.match(/BEGIN CERTIFICATE/g)?.length, 2)
    assert.ok((authorities[0]?.notAfter ?? 0) > Date.now())
  })

  it('is bad as a whole when a part of it is', async () => {
    const { certPem } = await createCertificateAuthority('one')
    const { keyPem } = await testCertificate(['a.test'])
    const torn = certPem.replace(/\n.{20}/, '\n')
    for (const [pem, message] of [
      ['', /empty/],
      ['nothing', /no PEM block/],
      [certPem + torn, /certificate 2 of 2 is not a valid/],
      [certPem + certPem.slice(0, 100), /not complete/],
      [certPem.slice(0, 100) + certPem, /valid|complete|certificates/],
      [`${certPem}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n`, /revocation list/],
      [certPem + keyPem, /something else than certificates/],
    ] as const) {
      assert.match(problemOf(pem), message)
    }
  })

  it('is never quoted in messages', async () => {
    const { keyPem } = await testCertificate(['a.test'])
    const secret = keyPem.split('\n')[1] ?? assert.fail()
    assert.doesNotMatch(problemOf(keyPem), new RegExp(secret.slice(0, 10)))
  })
})
