/** Whose certificate is accepted: exact entries, whatever else stands in them (platform.md 4.5). */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseAltNames } from '../../../src/data/upstream/subject-alt-names.ts'
import { identityFault, OriginTls } from '../../../src/data/upstream/tls.ts'
import type { SubjectAltName, UpstreamTls } from '../../../src/model/upstream.ts'
import type { IssueOptions } from '../../../src/wire/issue-certificate.ts'
import { testAuthority, testCertificate } from '../../support/certificates.ts'

function tls(hostname: string, subjectAltNames: readonly SubjectAltName[] = []): UpstreamTls {
  return {
    policy: 'BackendTLSPolicy/default/app',
    hostname,
    subjectAltNames,
    authorities: { kind: 'system' },
  }
}

async function certificate(options: Partial<IssueOptions>): Promise<X509Certificate> {
  return new X509Certificate((await testCertificate([], options)).certPem)
}

describe('subject alternative names', () => {
  it('are read entry by entry', () => {
    const text = 'DNS:a.test, URI:spiffe://test/a, IP Address:127.0.0.1, email:a@b.test'
    assert.deepEqual(parseAltNames(text), [
      { type: 'DNS', value: 'a.test' },
      { type: 'URI', value: 'spiffe://test/a' },
      { type: 'IP Address', value: '127.0.0.1' },
      { type: 'email', value: 'a@b.test' },
    ])
    assert.deepEqual(parseAltNames(undefined), [])
  })

  it('in quotes never pass for entries of their own', () => {
    const text = 'URI:"spiffe://x, DNS:a.test", DNS:b.test'
    assert.deepEqual(parseAltNames(text), [
      { type: 'URI', value: 'spiffe://x, DNS:a.test' },
      { type: 'DNS', value: 'b.test' },
    ])
  })

  it('that are not understood make none of them count', () => {
    for (const text of ['DNS:a.test, x', 'DNS:a.test,DNS:b.test', 'DNS:"a.test', 'DNS:a"b'])
      assert.deepEqual(parseAltNames(text), [], text)
  })

  it('come out as they went in', () => {
    const value = fc.string({ unit: 'grapheme-ascii', minLength: 1 })
    const entry = fc.record({ type: fc.constantFrom('DNS', 'URI', 'email'), value })
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        // As Node writes them: quoted when a character could be taken for something else.
        const text = entries.map(({ type, value: text }) =>
          /[^\w.:/@-]/.test(text) ? `${type}:${JSON.stringify(text)}` : `${type}:${text}`,
        )
        assert.deepEqual(
          parseAltNames(text.join(', ')),
          entries.map((one) => ({ ...one })),
        )
      }),
    )
  })
})

describe('the identity of a backend', () => {
  it('is its hostname, by exact name or wildcard of one label', async () => {
    const leaf = await certificate({ dnsNames: ['app.test', '*.apps.test'] })
    for (const name of ['app.test', 'a.apps.test']) {
      assert.equal(identityFault(tls(name), leaf), undefined)
    }
    for (const name of ['test', 'x.app.test', 'apps.test', 'a.b.apps.test']) {
      assert.match(identityFault(tls(name), leaf) ?? '', /is not for .*; it has DNS:app\.test/)
    }
  })

  it('is never the common name, nor an address', async () => {
    const nameless = await certificate({ commonName: 'app.test' })
    assert.match(identityFault(tls('app.test'), nameless) ?? '', /it has no names/)
    const addressed = await certificate({ ipAddresses: ['127.0.0.1'] })
    assert.match(identityFault(tls('127.0.0.1'), addressed) ?? '', /is not for/)
  })

  it('is any of the alternative names of the policy, and then not the hostname', async () => {
    const leaf = await certificate({ dnsNames: ['app.test'], uris: ['spiffe://test/app'] })
    const fault = (...names: readonly SubjectAltName[]) =>
      identityFault(tls('app.test', names), leaf)
    assert.equal(fault({ type: 'DNS', value: 'APP.test' }), undefined)
    assert.equal(fault({ type: 'URI', value: 'spiffe://test/app' }), undefined)
    const other: SubjectAltName = { type: 'DNS', value: 'other.test' }
    assert.equal(fault(other, { type: 'URI', value: 'spiffe://test/app' }), undefined)
    for (const [type, value] of [
      ['DNS', 'other.test'],
      ['URI', 'spiffe://test/APP'],
      ['URI', 'spiffe://test/ap'],
      ['URI', 'app.test'],
      ['DNS', 'spiffe://test/app'],
    ] as const) {
      assert.match(fault({ type, value }) ?? '', /is not for/, value)
    }
  })

  it('is not what a value of another kind contains', async () => {
    const leaf = await certificate({ uris: ['http://evil.test/, DNS:app.test'] })
    assert.ok(identityFault(tls('x.test', [{ type: 'DNS', value: 'app.test' }]), leaf))
    assert.ok(identityFault(tls('app.test'), leaf))
  })
})

describe('the TLS of a backend', () => {
  it('differs by everything that it verifies or shows', async () => {
    const { certPem } = await testAuthority()
    const base = tls('app.test')
    const ids = [
      base,
      tls('other.test'),
      tls('app.test', [{ type: 'DNS', value: 'app.test' }]),
      { ...base, authorities: { kind: 'bundle', caPem: certPem } } as const,
      { ...base, policy: 'BackendTLSPolicy/default/other' },
      { ...base, authorities: { kind: 'anyone' } } as const,
      { ...base, minVersion: 'TLSv1.3' } as const,
    ].map((one) => new OriginTls(one, undefined).id)
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(new OriginTls(base, undefined).id, ids[0])
  })

  it('never falls back to the public authorities for an empty bundle', () => {
    for (const caPem of ['', 'no PEM']) {
      const broken = { ...tls('app.test'), authorities: { kind: 'bundle', caPem } } as const
      assert.throws(() => new OriginTls(broken, undefined), { code: 'GWP_CERT_INVALID' })
    }
  })
})
