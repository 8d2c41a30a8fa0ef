/** Client certificates: nobody passes without the proof that the domain asks for. */
import assert from 'node:assert/strict'
import { before, describe, it, type TestContext } from 'node:test'
import type { Digest } from '../../../src/base/brand.ts'
import { distinguishedName } from '../../../src/data/tls/client-auth.ts'
import type { TlsDomains } from '../../../src/data/tls/contract.ts'
import { openTlsDomains } from '../../../src/data/tls/domains.ts'
import type { ClientAuth } from '../../../src/model/tls.ts'
import { createCertificateAuthority } from '../../../src/wire/issue-certificate.ts'
import { testAuthority, testCertificate } from '../../support/certificates.ts'
import { Front, Material, terminate, visit } from '../../support/tls-domains.ts'

describe('client certificates', () => {
  const material = new Material()
  let domains: TlsDomains
  let certificate: Digest
  let require: ClientAuth
  before(async () => {
    domains = await openTlsDomains({ warn: assert.fail })
    certificate = await material.issue(['a.test'])
    require = { mode: 'require', caPem: (await testAuthority()).certPem }
  })

  const front = (t: TestContext, clientAuth: ClientAuth): Promise<Front> =>
    Front.open(
      t,
      domains.acquire(
        terminate(clientAuth.mode, [certificate], { clientAuth }),
        material.part,
        material.key,
      ),
      'a.test',
    )

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const base = { servername: 'a.test', minVersion: version, maxVersion: version }

    it(`passes a certificate of the CA, also on resumption, ${version}`, async (t) => {
      const listener = await front(t, require)
      const options = { ...base, ...(await client()) }
      const { session } = await visit(listener.port, options)
      assert.ok(session)
      assert.equal((await visit(listener.port, { ...options, session })).resumed, true)
    })

    it(`refuses none, a stranger's and an expired one, with the reason, ${version}`, async (t) => {
      const listener = await front(t, require)
      const stranger = await createCertificateAuthority('another CA')
      const issued = await stranger.issue({ commonName: 'client', usage: 'client' })
      for (const [options, detail] of [
        [{}, 'no client certificate'],
        [{ cert: issued.certPem, key: issued.keyPem }, /^client certificate: UNABLE_TO_/],
        [await client(new Date(Date.now() - 1000)), 'client certificate: CERT_HAS_EXPIRED'],
      ] as const) {
        await assert.rejects(visit(listener.port, { ...base, ...options }))
        const { failure } = await listener.next()
        assert.equal(failure?.reason, 'client-certificate-refused')
        assert.match(failure.detail, typeof detail === 'string' ? new RegExp(detail) : detail)
      }
    })
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const base = { servername: 'a.test', minVersion: version, maxVersion: version }

    it(`opens nothing for a session of another policy with the same id, ${version}`, async (t) => {
      const other = (await createCertificateAuthority('another CA')).certPem
      const policies: readonly ClientAuth[] = [
        { mode: 'none' },
        { mode: 'optional-insecure', caPem: other },
        { mode: 'require', caPem: (await testAuthority()).certPem + other },
      ]
      const own = await client()
      for (const policy of policies) {
        const termination = (clientAuth: ClientAuth) =>
          domains.acquire(
            terminate('one id', [certificate], { clientAuth }),
            material.part,
            material.key,
          )
        const listener = await Front.open(t, termination(policy), 'a.test')
        const { session } = await visit(listener.port, { ...base, ...own })
        assert.ok(session)
        await listener.next()
        listener.termination = termination({ mode: 'require', caPem: other })
        await assert.rejects(visit(listener.port, { ...base, session }))
        assert.equal((await listener.next()).failure?.detail, 'no client certificate')
      }
    })
  }

  it('takes an anchor that is not self-signed, and nobody else', async (t) => {
    const options = { servername: 'a.test', ...(await client()) }
    const listener = await front(t, { mode: 'require', caPem: options.cert })
    assert.ok((await visit(listener.port, options)).leaf)
    await assert.rejects(visit(listener.port, { servername: 'a.test', ...(await client()) }))
    assert.equal((await listener.next()).failure, undefined)
    assert.equal((await listener.next()).failure?.reason, 'client-certificate-refused')
  })

  it('lets anybody pass in the insecure mode', async (t) => {
    const listener = await front(t, {
      mode: 'optional-insecure',
      caPem: (await testAuthority()).certPem,
    })
    assert.ok((await visit(listener.port, { servername: 'a.test' })).leaf)
  })

  it('never falls back to the public authorities for a bad bundle', async () => {
    const { certPem } = await testAuthority()
    const torn = certPem.replace(/\n.{20}/, '\n')
    for (const caPem of ['', 'no PEM', torn, certPem + torn]) {
      const action = terminate('bad', [certificate], { clientAuth: { mode: 'require', caPem } })
      assert.throws(() => domains.acquire(action, material.part, material.key), {
        code: 'GWP_CERT_INVALID',
      })
    }
  })
})

describe('the subject of a certificate', () => {
  it('is its RFC 2253 form in ASCII, most specific first', () => {
    assert.equal(distinguishedName('C=DE\nO=A\\, B\nCN=J\u00f6rg'), 'CN=J\\C3\\B6rg,O=A\\, B,C=DE')
    assert.equal(distinguishedName('CN=a\\0D\\0Ab\u{1f512}'), 'CN=a\\0D\\0Ab\\F0\\9F\\94\\92')
    assert.equal(distinguishedName(undefined), '')
  })
})

async function client(notAfter?: Date): Promise<{ cert: string; key: string }> {
  const { certPem, keyPem } = await testCertificate([], {
    commonName: 'client',
    usage: 'client',
    ...(notAfter === undefined ? {} : { notAfter }),
  })
  return { cert: certPem, key: keyPem }
}
