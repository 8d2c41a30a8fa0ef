/** What survives: certificate renewals, restarts with --state-dir, and a user without rights. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { testCertificate } from '../support/certificates.ts'
import { ConfigBench, hasNames, namesIn, namespace } from '../support/config-passes.ts'

const GATEWAY = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: gwproxy
  listeners:
  - {name: https, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
---
apiVersion: v1
kind: Secret
metadata:
  name: cert
  annotations: {gwproxy.dev/from-directory: ../tls}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: site}
spec:
  parentRefs: [{name: web}]
  rules: [{backendRefs: [{name: app, port: 80}]}]
`

describe('certificate files', () => {
  it('are followed in place: awaited, renewed as a pair, reported while they do not fit', async () => {
    const [one, two] = [await testCertificate(['a.example']), await testCertificate(['a.example'])]
    await using bench = new ConfigBench()
    mkdirSync(bench.path('conf'))
    mkdirSync(bench.path('tls'))
    bench.write('conf/all.yaml', GATEWAY)
    bench.start({ roots: [bench.path('conf')] })
    assert.match(JSON.stringify(bench.last.diagnostics), /has no certificate and key yet/)

    bench.write('tls/tls.crt', one.certPem)
    bench.write('tls/tls.key', one.keyPem)
    const served = await bench.until(({ keys }) => keys.length > 0)
    assert.equal(served.keys[0]?.privateKeyPem.trim(), one.keyPem.trim())
    assert.doesNotMatch(JSON.stringify(served.objects), /BEGIN|LS0tL/)

    bench.replace('tls/tls.key', two.keyPem)
    const torn = await bench.until(({ diagnostics }) =>
      diagnostics.some(({ code }) => code === 'secret-files'),
    )
    assert.deepEqual(torn.manifest, served.manifest)
    bench.replace('tls/tls.crt', two.certPem)
    const renewed = await bench.until(({ keys }) => keys.length > 0)
    assert.equal(renewed.keys[0]?.privateKeyPem.trim(), two.keyPem.trim())
    assert.equal(renewed.manifest.generation, served.manifest.generation + 1)
    assert.ok(renewed.diagnostics.every(({ code }) => code !== 'secret-files'))
  })
})

describe('a restart with --state-dir', () => {
  it('serves the last good version of a file that was broken meanwhile', async () => {
    await using first = new ConfigBench()
    const stateDir = first.path('state')
    mkdirSync(first.path('conf'))
    const roots = [first.path('conf')]
    first.write('conf/a.yaml', namespace('a'))
    first.write('conf/b.yaml', namespace('b'))
    first.start({ roots, stateDir })
    first.write('conf/a.yaml', 'apiVersion: [')
    await using second = new ConfigBench()
    second.start({ roots, stateDir })
    assert.deepEqual(namesIn(second.last), ['a', 'b'])
    assert.equal(second.last.counts.stale, 1)
    await using amnesiac = new ConfigBench()
    amnesiac.start({ roots })
    assert.deepEqual(namesIn(amnesiac.last), ['b'])
  })

  it('keeps private files, and no Secret in them', async () => {
    await using bench = new ConfigBench()
    const stateDir = bench.path('state')
    mkdirSync(bench.path('conf'))
    const secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n'
    bench.write('conf/a.yaml', secret)
    bench.start({ roots: [bench.path('conf')], stateDir })
    const file = join(stateDir, 'objects.json')
    assert.equal(statSync(stateDir).mode & 0o777, 0o700)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.doesNotMatch(readFileSync(file, 'utf8'), /hunter2/)
    assert.doesNotMatch(JSON.stringify(bench.updates), /hunter2|aHVudGVyMg/)
  })

  it('starts afresh when the state is damaged', async () => {
    await using bench = new ConfigBench()
    const stateDir = bench.path('state')
    mkdirSync(stateDir)
    writeFileSync(join(stateDir, 'objects.json'), '{"version": 1, "obj')
    mkdirSync(bench.path('conf'))
    bench.write('conf/a.yaml', namespace('a'))
    bench.start({ roots: [bench.path('conf')], stateDir })
    assert.ok(hasNames('a')(bench.last))
  })
})

describe('a user without rights', () => {
  const isRoot = process.getuid?.() === 0

  it('is told its name and the first blocked directory', { skip: !isRoot }, async () => {
    await using bench = new ConfigBench()
    chmodSync(bench.dir, 0o755)
    mkdirSync(bench.path('conf/closed'), { recursive: true })
    bench.write('conf/closed/a.yaml', namespace('a'))
    bench.write('conf/b.yaml', namespace('b'))
    chmodSync(bench.path('conf/closed'), 0o700)
    const { stdout, stderr, status } = asNobody(bench.path('conf'))
    assert.equal(status, 0, stderr)
    const { names, messages } = JSON.parse(stdout) as { names: string[]; messages: string[] }
    assert.deepEqual(names, ['b'])
    const closed = bench.path('conf/closed')
    assert.match(messages[0] ?? '', new RegExp(`^user \\S+ may not read ${closed}$`))
  })
})

/** Loads everything first, since the user may not even read our own modules, then drops to nobody. */
function asNobody(root: string) {
  const src = resolve(import.meta.dirname, '../../src')
  const script = `
    import { Loader } from ${JSON.stringify(join(src, 'config/loader.ts'))}
    import { systemClock } from ${JSON.stringify(join(src, 'base/clock.ts'))}
    process.setgroups([]); process.setgid(65534); process.setuid(65534)
    const loader = new Loader({ roots: [${JSON.stringify(root)}], unknownFields: 'reject', clock: systemClock })
    const { resources, diagnostics } = loader.load()
    process.stdout.write(JSON.stringify({
      names: resources.map(({ key }) => key.name),
      messages: diagnostics.map(({ message }) => message),
    }))`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
}
