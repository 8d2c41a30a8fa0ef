import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Resource } from '../../../src/api/resource.ts'
import { admitDocument, type AnyObject } from '../../../src/config/admit.ts'
import { splitDocuments } from '../../../src/config/documents.ts'
import { settle } from '../../../src/config/identity.ts'
import { resourceOf } from '../../../src/config/resources.ts'
import { SecretFiles } from '../../../src/config/secret-files.ts'
import { testCertificate } from '../../support/certificates.ts'

const made: string[] = []
after(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true })
})

const one = await testCertificate(['one.example'])
const two = await testCertificate(['two.example'])

function directory(files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'gwproxy-pair-'))
  made.push(dir)
  for (const [name, text] of Object.entries(files)) write(join(dir, name), text)
  return dir
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

function manifest(dir: string, body: string): Resource<AnyObject> {
  const documents = splitDocuments(`apiVersion: v1\n${body}`).map((document) => ({
    document,
    admitted: admitDocument(document, 'reject'),
  }))
  const files = [{ path: join(dir, 'conf/secret.yaml'), documents }]
  const { held, diagnostics } = settle(new Map(), { files, unreadable: [] }, { now: 0 })
  const [first] = [...held.values()]
  assert.ok(first !== undefined, JSON.stringify(diagnostics))
  return resourceOf(first, false)
}

function secret(dir: string, annotation: string): Resource<AnyObject> {
  return manifest(dir, `kind: Secret\nmetadata:\n  name: cert\n  annotations:\n    ${annotation}\n`)
}

function dataOf(resource: Resource<AnyObject> | undefined): Record<string, string> {
  const data = (resource?.object as { data?: Record<string, string> } | undefined)?.data ?? {}
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}

/** The common name of the certificate that is in use. */
function servedName(resource: Resource<AnyObject> | undefined): string | undefined {
  const { 'tls.crt': certificate, 'tls.key': key } = dataOf(resource)
  if (certificate === undefined) return undefined
  assert.equal(key, certificate === one.certPem ? one.keyPem : two.keyPem)
  return new X509Certificate(certificate).subject.replace('CN=', '')
}

describe('a certificate directory', () => {
  const layouts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    certbot: {
      'fullchain.pem': one.certPem,
      'privkey.pem': one.keyPem,
      'chain.pem': '',
      README: '',
    },
    kubernetes: { 'tls.crt': one.certPem, 'tls.key': one.keyPem },
    lego: { 'a.crt': one.certPem, 'a.key': one.keyPem, 'a.issuer.crt': two.certPem, 'a.json': '' },
    'acme.sh': { 'fullchain.cer': one.certPem, 'a.key': one.keyPem, 'a.cer': '', 'ca.cer': '' },
    combined: { 'site.pem': `${one.keyPem}${one.certPem}` },
  }
  for (const [tool, files] of Object.entries(layouts)) {
    it(`of ${tool} is recognised, relative to the manifest`, () => {
      const dir = directory(
        Object.fromEntries(Object.entries(files).map(([n, t]) => [`tls/${n}`, t])),
      )
      const resource = secret(dir, 'gwproxy.dev/from-directory: ../tls')
      const { resources, diagnostics } = new SecretFiles().fill([resource], 0)
      assert.deepEqual(diagnostics, [])
      assert.equal(servedName(resources[0]), 'one.example')
      assert.equal(
        (resources[0]?.object as { type?: string } | undefined)?.type,
        'kubernetes.io/tls',
      )
    })
  }

  it('that is not clear is a problem that says so', () => {
    const dir = directory({ 'a.crt': '', 'a.key': '', 'b.crt': '', 'b.key': '' })
    const { resources, diagnostics } = new SecretFiles().fill(
      [secret(dir, `gwproxy.dev/from-directory: ${dir}`)],
      0,
    )
    assert.match(resources[0]?.fileProblem ?? '', /one pair of .*a\.crt, b\.crt/)
    assert.equal(diagnostics[0]?.origin.line, 6)
  })
})

describe('named files', () => {
  it('fill keys, single paths are combined PEM, and both forms may be wrong', () => {
    const dir = directory({
      'c.pem': one.certPem + one.keyPem,
      'x.crt': one.certPem,
      'x.key': one.keyPem,
    })
    const fill = (value: string) => {
      const [resource] = new SecretFiles().fill(
        [secret(dir, `gwproxy.dev/from-files: "${value}"`)],
        0,
      ).resources
      return resource
    }
    assert.equal(servedName(fill('../c.pem')), 'one.example')
    assert.equal(servedName(fill('tls.crt=../x.crt, tls.key=../x.key')), 'one.example')
    assert.match(fill('=x')?.fileProblem ?? '', /must be KEY=PATH/)
    assert.match(fill('a=x,a=y')?.fileProblem ?? '', /names a twice/)
    assert.match(fill('tls.crt=a\0b')?.fileProblem ?? '', /NUL/)
    assert.match(fill('tls.crt=../x.crt,tls.key=../none')?.fileProblem ?? '', /none does not exist/)
  })

  it('and directories may be credentials of systemd', () => {
    const dir = directory({ 'www.crt': one.certPem, 'www.key': one.keyPem })
    const variable = `\${CREDENTIALS_DIRECTORY}`
    const annotations = [
      `gwproxy.dev/from-files: "tls.crt=${variable}/www.crt,tls.key=${variable}/www.key"`,
      `gwproxy.dev/from-directory: "${variable}"`,
    ]
    for (const annotation of annotations) {
      const resource = secret(join(dir, 'manifests'), annotation)
      const [filled] = new SecretFiles(dir).fill([resource], 0).resources
      assert.equal(servedName(filled), 'one.example')
      const { resources, diagnostics } = new SecretFiles().fill([resource], 0)
      assert.equal(servedName(resources[0]), undefined)
      assert.match(diagnostics[0]?.message ?? '', /CREDENTIALS_DIRECTORY.* LoadCredential=/)
    }
  })

  it('give a ConfigMap its CA bundle', () => {
    const dir = directory({ 'ca.pem': one.certPem })
    const annotation = 'gwproxy.dev/from-files: ca.crt=../ca.pem'
    const resource = manifest(
      dir,
      `kind: ConfigMap\nmetadata: {name: ca, annotations: {${annotation}}}\n`,
    )
    const { resources } = new SecretFiles().fill([resource], 0)
    assert.deepEqual((resources[0]?.object as { data?: unknown } | undefined)?.data, {
      'ca.crt': one.certPem,
    })
  })
})

describe('a renewal', () => {
  it('never pairs the new key with the old chain, and settles within the retries', () => {
    const dir = directory({ 'tls.crt': one.certPem, 'tls.key': one.keyPem })
    const resource = secret(dir, `gwproxy.dev/from-directory: ${dir}`)
    const files = new SecretFiles()
    const first = files.fill([resource], 0)
    assert.equal(files.fill([resource], 0).resources[0], first.resources[0])
    write(join(dir, 'tls.key'), two.keyPem)
    const between = files.fill([resource], 1000)
    assert.equal(servedName(between.resources[0]), 'one.example')
    assert.deepEqual(between.diagnostics, [])
    assert.equal(between.retryInMs, 100)
    write(join(dir, 'tls.crt'), two.certPem)
    const done = files.fill([resource], 1100)
    assert.equal(servedName(done.resources[0]), 'two.example')
    assert.deepEqual([done.diagnostics, done.retryInMs], [[], undefined])
  })

  it('that stays mismatched keeps the old pair and is reported, without key material', () => {
    const dir = directory({ 'tls.crt': one.certPem, 'tls.key': one.keyPem })
    const resource = secret(dir, `gwproxy.dev/from-directory: ${dir}`)
    const files = new SecretFiles()
    files.fill([resource], 0)
    write(join(dir, 'tls.key'), two.keyPem)
    files.fill([resource], 1000)
    const late = files.fill([resource], 1500)
    assert.equal(servedName(late.resources[0]), 'one.example')
    assert.equal(late.retryInMs, undefined)
    assert.match(late.diagnostics[0]?.message ?? '', /does not belong to .*last good files stay/)
    assert.doesNotMatch(JSON.stringify(late.diagnostics), /BEGIN|MII/)
  })

  it('is seen through certbot links, at every link of the way', () => {
    const dir = directory({
      'archive/a/fullchain1.pem': one.certPem,
      'archive/a/privkey1.pem': one.keyPem,
      'archive/a/fullchain2.pem': two.certPem,
      'archive/a/privkey2.pem': two.keyPem,
    })
    const live = join(dir, 'live/a')
    mkdirSync(live, { recursive: true })
    const link = (name: string, version: number) => {
      symlinkSync(`../../archive/a/${name}${version}.pem`, join(live, 'next'))
      renameSync(join(live, 'next'), join(live, `${name}.pem`))
    }
    link('fullchain', 1)
    link('privkey', 1)
    const resource = secret(dir, `gwproxy.dev/from-directory: ${live}`)
    const files = new SecretFiles()
    assert.equal(servedName(files.fill([resource], 0).resources[0]), 'one.example')
    assert.ok(files.paths().includes(join(dir, 'archive/a/privkey1.pem')))
    const before = files.fingerprint()
    link('fullchain', 2)
    link('privkey', 2)
    assert.notEqual(files.fingerprint(), before)
    assert.equal(servedName(files.fill([resource], 0).resources[0]), 'two.example')
  })

  it('of files that are not there yet is awaited', () => {
    const dir = directory()
    const resource = secret(dir, `gwproxy.dev/from-directory: ${dir}/tls`)
    const files = new SecretFiles()
    assert.match(files.fill([resource], 0).resources[0]?.fileProblem ?? '', /does not exist/)
    const before = files.fingerprint()
    write(join(dir, 'tls/tls.crt'), one.certPem)
    write(join(dir, 'tls/tls.key'), one.keyPem)
    assert.notEqual(files.fingerprint(), before)
    assert.equal(servedName(files.fill([resource], 0).resources[0]), 'one.example')
  })

  it('is refused for encrypted and truncated files', () => {
    const half = one.certPem.slice(0, one.certPem.length / 2)
    const dir = directory({ 'tls.crt': half, 'tls.key': one.keyPem })
    const resource = secret(dir, `gwproxy.dev/from-directory: ${dir}`)
    const problem = () => new SecretFiles().fill([resource], 0).resources[0]?.fileProblem ?? ''
    assert.match(problem(), /tls\.crt holds no complete PEM certificates/)
    write(join(dir, 'tls.crt'), one.certPem)
    write(
      join(dir, 'tls.key'),
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
    )
    assert.match(problem(), /is encrypted/)
  })
})

describe('stringData', () => {
  it('goes over data, as the API server does', () => {
    const resource = manifest(
      '/tmp',
      'kind: Secret\nmetadata: {name: s}\ndata: {a: YQ==, b: YQ==}\nstringData: {b: text}\n',
    )
    const [merged] = new SecretFiles().fill([resource], 0).resources
    assert.deepEqual(dataOf(merged), { a: 'a', b: 'text' })
    assert.equal('stringData' in (merged?.object ?? {}), false)
  })
})
