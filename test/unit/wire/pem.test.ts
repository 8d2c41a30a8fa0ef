import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { createCertificateAuthority } from '../../../src/wire/issue-certificate.ts'
import { pemBlocks, readServerCertificate } from '../../../src/wire/pem.ts'
import { testAuthority, testCertificate } from '../../support/certificates.ts'
import { command } from '../../support/command.ts'

const { certPem, keyPem } = await testCertificate(['A.example.com', '*.example.com'])
const other = await testCertificate(['other.example.com'], { keyType: 'rsa' })
const ca = await testAuthority()

/** RSA of 3072 bits and more, P-256 and up. */
const LEVEL_3 = `nodejs_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = level
[level]
CipherString = DEFAULT:@SECLEVEL=3
`

describe('readServerCertificate', () => {
  it('reads names, lifetime and type of a matching pair', () => {
    const certificate = good(certPem, keyPem)
    assert.deepEqual(certificate.dnsNames, ['a.example.com', '*.example.com'])
    assert.equal(certificate.keyType, 'ec')
    const { fingerprint256 } = new X509Certificate(certPem)
    assert.equal(certificate.fingerprint, fingerprint256.replaceAll(':', '').toLowerCase())
    assert.ok(certificate.notBefore < Date.now() && Date.now() < certificate.notAfter)
    assert.deepEqual(certificate.warnings, [])
    assert.equal(good(other.certPem, other.keyPem).keyType, 'rsa')
  })

  it('asks OpenSSL at the security level that it has here', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-pem-'))
    after(() => rmSync(directory, { recursive: true }))
    const [config, script] = [join(directory, 'openssl.cnf'), join(directory, 'read.mjs')]
    writeFileSync(config, LEVEL_3)
    const module = join(import.meta.dirname, '../../../src/wire/pem.ts')
    const pairs = [other, { certPem, keyPem }].map((pair) => [pair.certPem, pair.keyPem])
    writeFileSync(
      script,
      `import { readServerCertificate } from ${JSON.stringify(module)}
       for (const pair of ${JSON.stringify(pairs)}) console.log(readServerCertificate(...pair).message)`,
    )
    const env = { OPENSSL_CONF: config }
    const { stdout, stderr } = await command(process.execPath, [script], { env })
    assert.equal(stdout, 'OpenSSL refuses it (ERR_SSL_EE_KEY_TOO_SMALL)\nundefined\n', stderr)
  })

  it('names the key by the public key, so that a renewal with the same key keeps its name', () => {
    assert.equal(good(certPem, keyPem).keyId, good(certPem + ca.certPem, keyPem).keyId)
    assert.notEqual(good(certPem, keyPem).keyId, good(other.certPem, other.keyPem).keyId)
  })

  it('takes the common name only when there is no alternative name', async () => {
    const plain = await ca.issue({ commonName: 'cn.example.com' })
    assert.deepEqual(good(plain.certPem, plain.keyPem).dnsNames, ['cn.example.com'])
    const byAddress = await ca.issue({ commonName: 'cn.example.com', ipAddresses: ['127.0.0.1'] })
    assert.deepEqual(good(byAddress.certPem, byAddress.keyPem).dnsNames, [])
  })

  it('finds the key behind other blocks, as openssl ecparam writes them', () => {
    const key = createPrivateKey(keyPem).export({ type: 'sec1', format: 'pem' }).toString()
    const parameters =
      '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
    assert.equal(good(certPem, `${parameters}${key}`).keyType, 'ec')
  })

  it('refuses a key that belongs to another certificate, and says which when it is in the chain', () => {
    assert.match(bad(certPem, other.keyPem).message, /does not belong/)
    const wrongOrder = bad(other.certPem + certPem, keyPem)
    assert.equal(wrongOrder.part, 'key')
    assert.match(wrongOrder.message, /certificate 2 of the chain; the leaf must come first/)
  })

  it('serves a chain out of order, with a warning', async () => {
    const stranger = await createCertificateAuthority('stranger')
    assert.deepEqual(good(certPem + ca.certPem, keyPem).warnings, [])
    const [warning] = good(certPem + stranger.certPem + ca.certPem, keyPem).warnings
    assert.match(warning ?? '', /certificate 2 of the chain did not issue certificate 1/)
  })

  it('says what is wrong with each part', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const encrypted = privateKey
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
      .toString()
    const cases: readonly (readonly [string, string, 'certificate' | 'key', RegExp])[] = [
      ['', keyPem, 'certificate', /empty/],
      ['no PEM', keyPem, 'certificate', /BEGIN CERTIFICATE/],
      [keyPem, keyPem, 'certificate', /BEGIN CERTIFICATE/],
      [certPem.replace('MII', 'XXX'), keyPem, 'certificate', /certificate 1 of 1/],
      [certPem, ' ', 'key', /empty/],
      [certPem, certPem, 'key', /BEGIN PRIVATE KEY/],
      [certPem, encrypted, 'key', /encrypted/],
      [certPem, keyPem.replace('MIG', 'XXX'), 'key', /cannot be read/],
    ]
    for (const [cert, key, part, message] of cases) {
      const problem = bad(cert, key)
      assert.equal(problem.part, part)
      assert.match(problem.message, message)
    }
  })

  it('refuses what OpenSSL would refuse in a handshake', async () => {
    const weak = await weakCertificate()
    assert.match(bad(weak.certPem, weak.keyPem).message, /OpenSSL refuses/)
  })

  it('never throws, and never quotes what it was given', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(certPem, keyPem, '-----BEGIN CERTIFICATE-----\n', '-----BEGIN ', '-----'),
    )
    const text = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''))
    const secret = keyPem.split('\n')[1] ?? ''
    fc.assert(
      fc.property(text, text, (cert, key) => {
        const result = readServerCertificate(cert, key)
        if (result.kind === 'problem') assert.ok(!result.message.includes(secret))
      }),
      { numRuns: 200 },
    )
  })
})

describe('pemBlocks', () => {
  it('keeps the blocks and drops the text between them', () => {
    const blocks = pemBlocks(`subject=a\n${certPem}\nissuer=b\n${keyPem}`)
    assert.deepEqual(
      blocks.map(({ label }) => label),
      ['CERTIFICATE', 'PRIVATE KEY'],
    )
    assert.equal(blocks[0]?.text, certPem)
  })

  it('gives up at a header without its footer', () => {
    assert.deepEqual(pemBlocks(`-----BEGIN CERTIFICATE-----\nAAAA\n${keyPem}`), [])
    assert.deepEqual(pemBlocks('-----BEGIN a\nb-----'), [])
  })
})

function good(cert: string, key: string) {
  const result = readServerCertificate(cert, key)
  assert.equal(result.kind, 'certificate', result.kind === 'problem' ? result.message : '')
  return result.certificate
}

function bad(cert: string, key: string) {
  const result = readServerCertificate(cert, key)
  assert.equal(result.kind, 'problem')
  return result
}

/** RSA of 1024 bits, which no security level of today admits. */
async function weakCertificate(): Promise<{ readonly certPem: string; readonly keyPem: string }> {
  const { X509CertificateGenerator } = await import('@peculiar/x509')
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 1024,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=weak.example.com',
    signingAlgorithm: algorithm,
    keys,
  })
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey))
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  return {
    certPem: certificate.toString('pem'),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
