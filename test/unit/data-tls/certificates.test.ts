/** Which certificate a client gets, and what happens to certificates that cannot be used. */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Digest } from '../../../src/base/brand.ts'
import { digestOf } from '../../../src/base/digest.ts'
import { CertificateTable } from '../../../src/data/tls/certificate-table.ts'
import type { TlsDomains } from '../../../src/data/tls/contract.ts'
import { openTlsDomains } from '../../../src/data/tls/domains.ts'
import type { CertificatePart } from '../../../src/model/tls.ts'
import { testCertificate } from '../../support/certificates.ts'
import { Front, Material, terminate, visit } from '../../support/tls-domains.ts'

const RSA_ONLY = 'rsa_pss_rsae_sha256'
const ECDSA_ONLY = 'ecdsa_secp256r1_sha256'

describe('certificate table', () => {
  const table = new CertificateTable([
    named('default', ['default.test']),
    named('wild', ['*.shop.test']),
    named('exact', ['www.shop.test']),
    named('both-ec', ['pair.test'], 'ec'),
    named('both-rsa', ['pair.test'], 'rsa'),
    named('second-ec', ['pair.test'], 'ec'),
    named('default-rsa', ['default.test'], 'rsa'),
  ])
  const chosen = (name: string | undefined): string[] =>
    (table.choose(name)?.parts ?? []).map(({ source }) => source)

  for (const [name, expected] of [
    ['www.shop.test', ['exact']],
    ['api.shop.test', ['wild']],
    ['a.b.shop.test', ['default', 'default-rsa']],
    ['shop.test', ['default', 'default-rsa']],
    ['pair.test', ['both-ec', 'both-rsa']],
    ['elsewhere.test', ['default', 'default-rsa']],
    ['__proto__', ['default', 'default-rsa']],
    ['test', ['default', 'default-rsa']],
    [undefined, ['default', 'default-rsa']],
  ] as const) {
    it(`gives ${name ?? 'no name'} ${expected.join(' and ')}`, () => {
      assert.deepEqual(chosen(name), expected)
    })
  }

  it('has nothing to give when it is empty', () => {
    assert.equal(new CertificateTable([]).choose('a.test'), undefined)
  })
})

describe('certificates of a termination', () => {
  const material = new Material()
  let domains: TlsDomains
  before(async () => {
    domains = await openTlsDomains({ warn: assert.fail })
  })

  it('serves by name, and RSA and ECDSA side by side', async (t) => {
    const certificates = [
      await material.issue(['default.test'], 'rsa'),
      await material.issue(['default.test'], 'ec'),
      await material.issue(['*.shop.test'], 'ec'),
      await material.issue(['www.shop.test'], 'rsa'),
      await material.issue(['www.shop.test'], 'ec'),
    ]
    const action = terminate('names', certificates)
    const front = await Front.open(t, domains.acquire(action, material.part, material.key))
    for (const [name, sigalgs, subject, type] of [
      [undefined, RSA_ONLY, 'CN=default.test', 'rsa'],
      [undefined, ECDSA_ONLY, 'CN=default.test', 'ec'],
      ['www.shop.test', RSA_ONLY, 'CN=www.shop.test', 'rsa'],
      ['www.shop.test', ECDSA_ONLY, 'CN=www.shop.test', 'ec'],
      ['api.shop.test', ECDSA_ONLY, 'CN=*.shop.test', 'ec'],
    ] as const) {
      front.sni = name
      const { leaf } = await visit(front.port, { sigalgs, ...(name ? { servername: name } : {}) })
      assert.equal(leaf?.subject, subject)
      assert.equal(leaf.publicKey.asymmetricKeyType, type)
    }
  })

  it('serves an expired certificate', async (t) => {
    const expired = material.add(
      await testCertificate(['old.test'], { notAfter: new Date(Date.now() - 60_000) }),
    )
    const action = terminate('old', [expired])
    const front = await Front.open(
      t,
      domains.acquire(action, material.part, material.key),
      'old.test',
    )
    const { leaf } = await visit(front.port, { servername: 'old.test' })
    assert.equal(leaf?.subject, 'CN=old.test')
  })

  it('names the Secret whose key does not fit to the client that meets it, and never shows the key', async (t) => {
    const certificate = await material.issue(['a.test'])
    const { keyPem } = await testCertificate(['other.test'])
    const warnings: string[] = []
    const warned = await openTlsDomains({ warn: (message) => void warnings.push(message) })
    for (const key of [keyPem, '', 'no key', keyPem.replace('MIG', 'XYZ')]) {
      const broken = warned.acquire(terminate('bad', [certificate]), material.part, () => key)
      const front = await Front.open(t, broken, 'a.test')
      for (const _ of ['first', 'second']) {
        await assert.rejects(visit(front.port, { servername: 'a.test' }))
        const { failure } = await front.next()
        assert.equal(failure?.reason, 'no-certificate')
        assert.match(failure.detail, /^certificate of Secret test\/secret cannot be used: /)
        assert.ok(!failure.detail.includes(keyPem.slice(60, 100)))
        assert.deepEqual(warnings, [
          `${failure.detail}; its clients are refused, all others are served`,
        ])
      }
      warnings.length = 0
      broken.release()
    }
    const front = await Front.open(
      t,
      domains.acquire(terminate('bad', [certificate]), material.part, material.key),
      'a.test',
    )
    assert.ok((await visit(front.port, { servername: 'a.test' })).leaf)
  })

  it('closes a connection for which there is no certificate', async (t) => {
    const action = terminate('none', [])
    const front = await Front.open(t, domains.acquire(action, material.part, material.key))
    await assert.rejects(visit(front.port))
    assert.equal((await front.next()).failure?.reason, 'no-certificate')
  })

  it('keeps a bounded number of servers, and makes an evicted one again', async (t) => {
    const small = await openTlsDomains({ warn: assert.fail, maxServers: 1 })
    const certificates = [await material.issue(['a.test']), await material.issue(['b.test'])]
    const action = terminate('small', certificates)
    const front = await Front.open(t, small.acquire(action, material.part, material.key))
    for (const name of ['a.test', 'b.test', 'a.test', 'b.test']) {
      front.sni = name
      const { leaf } = await visit(front.port, { servername: name })
      assert.equal(leaf?.subject, `CN=${name}`)
    }
  })

  it('takes a second release for what it is: nothing', async (t) => {
    const action = terminate('twice', [await material.issue(['a.test'])])
    const [one, two] = [
      domains.acquire(action, material.part, material.key),
      domains.acquire(action, material.part, material.key),
    ]
    one.release()
    one.release()
    const front = await Front.open(t, two, 'a.test')
    assert.ok((await visit(front.port, { servername: 'a.test' })).leaf)
    two.release()
  })
})

function named(source: string, dnsNames: readonly string[], keyType: 'ec' | 'rsa' = 'ec') {
  const digest: Digest = digestOf(source)
  const part: CertificatePart = {
    kind: 'certificate',
    keyId: digest,
    chainPem: '',
    keyType,
    dnsNames,
    notBefore: 0,
    notAfter: 0,
    fingerprint: '',
    source,
  }
  return { digest, part }
}
