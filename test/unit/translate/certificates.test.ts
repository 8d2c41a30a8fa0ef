import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AnyResource, buildResourceSet } from '../../../src/api/resource-set.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { type Translation, translate } from '../../../src/translate/translate.ts'
import { testCertificate } from '../../support/certificates.ts'
import { loadTexts } from '../../golden/load.ts'

const { certPem, keyPem } = await testCertificate(['a.example.com'])
const other = await testCertificate(['b.example.com'])
const DAY_MS = 86_400_000

const GATEWAY = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: gwproxy
  listeners:
    - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
`

describe('certificates of listeners', () => {
  it('travel without their keys, which nothing else shows', () => {
    const translation = run(secret({ 'tls.crt': certPem, 'tls.key': keyPem }))
    assert.equal(translation.keys.length, 1)
    assert.match(translation.keys[0]?.privateKeyPem ?? '', /BEGIN PRIVATE KEY/)
    const { parts, statuses, diagnostics, manifest, pending } = translation
    const shown = JSON.stringify([[...parts], statuses, diagnostics, manifest, pending])
    assert.ok(shown.includes('BEGIN CERTIFICATE'))
    assert.ok(!shown.includes('PRIVATE KEY'))
    for (const line of keyPem.split('\n').slice(1, 3)) assert.ok(!shown.includes(line))
  })

  it('of a refused pair show nothing of the key either', () => {
    const { statuses, diagnostics, keys } = run(
      secret({ 'tls.crt': certPem, 'tls.key': other.keyPem }),
    )
    assert.deepEqual(keys, [])
    const shown = JSON.stringify([statuses, diagnostics])
    for (const line of other.keyPem.split('\n').slice(1, 3)) assert.ok(!shown.includes(line))
    assert.match(shown, /does not belong to the certificate/)
  })

  it('read stringData before data, as the API server does', () => {
    const both = `${secret({ 'tls.crt': certPem, 'tls.key': other.keyPem })}stringData:\n  tls.key: |\n${indent(keyPem)}`
    assert.equal(reasonOf(run(both)), 'True/ResolvedRefs')
  })

  it('name the missing key of the Secret', () => {
    const translation = run(secret({ 'tls.crt': certPem }))
    assert.equal(reasonOf(translation), 'False/InvalidCertificateRef')
    assert.ok(translation.diagnostics.some(({ message }) => message.includes('tls.key')))
  })

  it('tell why files could not be read, in the words of the reader', () => {
    const resources = loadTexts([GATEWAY, secret({ 'tls.crt': certPem, 'tls.key': keyPem })])
    const problem = 'user gwproxy cannot enter /etc/letsencrypt/live (EACCES)'
    const withProblem = resources.map(
      (resource): AnyResource =>
        resource.key.kind === 'Secret'
          ? ({ ...resource, fileProblem: problem } as AnyResource)
          : resource,
    )
    const translation = translate(buildResourceSet(withProblem), DEFAULT_OPTIONS)
    assert.equal(reasonOf(translation), 'False/InvalidCertificateRef')
    assert.ok(JSON.stringify(translation.statuses).includes(problem))
    // The reader has reported it where the Secret stands.
    assert.deepEqual(translation.diagnostics, [])
    assert.equal(translation.manifest.binds.length, 0)
  })

  it('warn before and after the end, and serve all the same', () => {
    const text = secret({ 'tls.crt': certPem, 'tls.key': keyPem })
    const expiry = Date.now() + 397 * DAY_MS
    const warnings = (now: number): readonly string[] => {
      const translation = run(text, now)
      assert.equal(translation.manifest.binds.length, 1)
      return translation.diagnostics.map(({ message }) => message)
    }
    assert.deepEqual(warnings(expiry - 30 * DAY_MS), [])
    assert.match(warnings(expiry - 3 * DAY_MS)[0] ?? '', /expires in 2 days|expires in 3 days/)
    assert.match(warnings(expiry + DAY_MS)[0] ?? '', /expired on 20/)
    assert.match(warnings(0)[0] ?? '', /not valid before/)
  })

  it('change no digest with the time of day or a comment', () => {
    const text = secret({ 'tls.crt': certPem, 'tls.key': keyPem })
    const digest = run(text, 1).manifest.digest
    assert.equal(run(`# a comment\n${text}`, Date.now()).manifest.digest, digest)
    assert.notEqual(
      run(secret({ 'tls.crt': other.certPem, 'tls.key': other.keyPem })).manifest.digest,
      digest,
    )
  })
})

function run(secretText: string, now = Date.now()): Translation {
  return translate(buildResourceSet(loadTexts([GATEWAY, secretText])), { ...DEFAULT_OPTIONS, now })
}

function secret(data: Readonly<Record<string, string>>): string {
  const lines = Object.entries(data).map(
    ([name, value]) => `  ${name}: ${Buffer.from(value).toString('base64')}\n`,
  )
  return `apiVersion: v1\nkind: Secret\nmetadata: {name: cert}\ntype: kubernetes.io/tls\ndata:\n${lines.join('')}`
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}

function reasonOf({ statuses }: Translation): string {
  const body = statuses.find(({ key }) => key.kind === 'Gateway')?.body
  assert.equal(body?.kind, 'gateway')
  const condition = body.listeners[0]?.conditions.find(({ type }) => type === 'ResolvedRefs')
  return `${condition?.status}/${condition?.reason}`
}
