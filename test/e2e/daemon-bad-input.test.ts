/**
 * Issue "first light", point 10: each mistake gives one clear message (what, where, what to do) and
 * loses nothing else. One daemon with a good route; each case adds its mistake and takes it away.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import * as net from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import type { ReloadReport, StatusReport } from '../../src/control/admin/contract.ts'
import type { Diagnostic } from '../../src/model/diagnostic.ts'
import type { Condition } from '../../src/model/status.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

describe('bad input', () => {
  let backend: Backend
  let daemon: Daemon
  let caFile = ''

  before(async () => {
    backend = await startHttpBackend('good')
    daemon = await startDaemon({
      files: {
        'good.yaml': yaml(
          gateway([
            httpListener('http', 8080),
            tlsListener('https', 8443, 'good.test', ['good'], 'HTTPS'),
          ]),
          tlsSecret('good', await testCertificate(['good.test'])),
          httpRoute('good', ['good.test'], [{ backendRefs: [backendRef('good')] }]),
          ...service('good', 80, [backend]),
        ),
      },
    })
    caFile = join(daemon.directory, 'ca.crt')
    writeFileSync(caFile, (await testAuthority()).certPem)
  })

  after(async () => {
    assert.equal(await daemon.stop(), 0)
    await backend.close()
  })

  afterEach(async () => {
    rmSync(join(daemon.configDir, 'bad.yaml'), { force: true })
    await daemon.reload()
  })

  /** The good route serves, with and without TLS. */
  async function assertGoodServes(): Promise<void> {
    const plain = await curl(['-H', 'Host: good.test', `http://${daemon.address}:8080/`])
    assert.match(plain.stdout, /"backend": "good"/, plain.stderr)
    const secure = await curl([
      ...['--cacert', caFile, '--resolve', `good.test:8443:${daemon.address}`],
      'https://good.test:8443/',
    ])
    assert.match(secure.stdout, /"backend": "good"/, secure.stderr)
  }

  async function problemsOf(bad: string): Promise<readonly Diagnostic[]> {
    const report = await daemon.apply({ 'bad.yaml': bad })
    await assertGoodServes()
    return report.problems.filter(({ origin }) => origin.file.endsWith('bad.yaml'))
  }

  function text(problem: Diagnostic | undefined): string {
    return `${problem?.message}\n${problem?.help ?? ''}`
  }

  it('unparsable YAML: the line and column', async () => {
    const [problem, ...rest] = await problemsOf('kind: Gateway\nspec: [1,\n  2\n: }\n')
    assert.deepEqual(rest, [])
    assert.equal(problem?.code, 'yaml-syntax')
    assert.ok((problem?.origin.line ?? 0) >= 2)
  })

  it('a wrong type: the field and what was expected', async () => {
    const bad = gateway([{ ...httpListener('x', 8081), port: 'eighty' }], { name: 'bad' })
    const [problem, ...rest] = await problemsOf(yaml(bad))
    assert.deepEqual(rest, [])
    assert.equal(problem?.path, 'spec.listeners[0].port')
    assert.match(text(problem), /number/)
  })

  it('a missing reference: the name that is not there', async () => {
    const bad = httpRoute('bad', ['bad.test'], [{ backendRefs: [backendRef('nowhere')] }])
    const problems = await problemsOf(yaml(bad))
    assert.equal(problems.length, 1)
    assert.match(text(problems[0]), /default\/nowhere/)
    const { stdout } = await curl([
      '-H',
      'Host: bad.test',
      '-w',
      '%{http_code}',
      `http://${daemon.address}:8080/`,
    ])
    assert.match(stdout, /500$/)
  })

  it('a key that does not belong to the certificate', async () => {
    const [one, other] = [await testCertificate(['bad.test']), await testCertificate(['bad.test'])]
    const bad = tlsSecret('bad', { certPem: one.certPem, keyPem: other.keyPem })
    const listener = tlsListener('bad', 8444, 'bad.test', ['bad'], 'HTTPS')
    const problems = await problemsOf(yaml(gateway([listener], { name: 'bad' }), bad))
    const certificate = problems.filter(({ code }) => code === 'certificate')
    assert.equal(certificate.length, 1, JSON.stringify(problems))
    assert.match(text(certificate[0]), /key/i)
    assert.doesNotMatch(JSON.stringify(problems), /PRIVATE KEY/)
  })

  it('an expired certificate is served with a warning', async () => {
    const expired = await testCertificate(['expired.test'], {
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2021-01-01'),
    })
    const listener = tlsListener('bad', 8444, 'expired.test', ['bad'], 'HTTPS')
    const problems = await problemsOf(
      yaml(gateway([listener], { name: 'bad' }), tlsSecret('bad', expired)),
    )
    const certificate = problems.filter(({ code }) => code === 'certificate')
    assert.equal(certificate[0]?.severity, 'warning', JSON.stringify(problems))
    assert.match(text(certificate[0]), /expired/i)
    const { stderr } = await curl([
      '-v',
      '-k',
      '--resolve',
      `expired.test:8444:${daemon.address}`,
      'https://expired.test:8444/',
    ])
    assert.match(stderr, /expire date: Jan {2}1 00:00:00 2021/)
  })

  it('a port in use: the port, and it serves when the holder leaves', async () => {
    const holder = net.createServer().listen(8555, daemon.address)
    await once(holder, 'listening')
    const report = await daemon.apply({
      'bad.yaml': yaml(gateway([httpListener('busy', 8555)], { name: 'bad' })),
    })
    await assertGoodServes()
    assertBindFailure(report, /EADDRINUSE|in use/, /8555/)
    holder.close()
    await once(holder, 'close')
    const again = await daemon.reload()
    assert.deepEqual(again.failedBinds, [])
  })

  it('an address that is not ours', async () => {
    const report = await daemon.apply({
      'bad.yaml': yaml(
        gateway([httpListener('far', 8556)], { name: 'bad', addresses: [{ value: '192.0.2.1' }] }),
      ),
    })
    await assertGoodServes()
    assertBindFailure(report, /EADDRNOTAVAIL|not an address of this machine/i, /192\.0\.2\.1/)
  })

  it('an address that is not ours, on a port that another Gateway has on the wildcard', async () => {
    const port = await freePort()
    const everywhere = gateway([httpListener('all', port)], {
      name: 'everywhere',
      addresses: [{ value: '0.0.0.0' }],
    })
    const far = gateway([httpListener('far', port)], {
      name: 'bad',
      addresses: [{ value: daemon.address }, { value: '192.0.2.1' }],
    })
    const report = await daemon.apply({ 'bad.yaml': yaml(everywhere, far) })
    await assertGoodServes()
    assertBindFailure(report, /EADDRNOTAVAIL/, /192\.0\.2\.1/)
    assert.deepEqual(await programmedOf('bad'), ['False', 'AddressNotUsable'])
    assert.deepEqual(await programmedOf('everywhere'), ['True', 'Programmed'])
  })

  async function programmedOf(name: string): Promise<readonly (string | undefined)[]> {
    const { objects } = await daemon.admin.get<StatusReport>('/status')
    const found = objects.find(({ object }) => object.metadata['name'] === name)
    const { conditions = [] } = (found?.object['status'] ?? {}) as { conditions?: Condition[] }
    const programmed = conditions.find(({ type }) => type === 'Programmed')
    return [programmed?.status, programmed?.reason]
  }

  function assertBindFailure(report: ReloadReport, ...texts: RegExp[]): void {
    assert.equal(report.failedBinds.length, 1)
    const failure = JSON.stringify(report.failedBinds[0])
    for (const expected of texts) assert.match(failure, expected)
  }

  it('an upstream that is down: 503 and a line that names it', async () => {
    const gone = net.createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address() as net.AddressInfo
    gone.close()
    await once(gone, 'close')
    const bad = httpRoute('bad', ['down.test'], [{ backendRefs: [backendRef('down')] }])
    assert.deepEqual(
      await problemsOf(yaml(bad, ...service('down', 80, [{ address: '127.0.0.1', port }]))),
      [],
    )
    const { stdout } = await curl([
      '-H',
      'Host: down.test',
      '-w',
      '%{http_code}',
      `http://${daemon.address}:8080/down`,
    ])
    assert.match(stdout, /503$/)
    const line = await daemon.line((entry) => entry['path'] === '/down')
    assert.equal(line['reason'], 'connect-refused')
    assert.equal(line['upstream_host'], `127.0.0.1:${port}`)
  })

  it('plain HTTP on a TLS port is closed with one clear line', async () => {
    const { code } = await curl([`http://${daemon.address}:8443/plain`])
    assert.notEqual(code, 0)
    const line = await daemon.line((entry) => entry['reason'] === 'not-tls')
    assert.match(String(line['connection_termination_details']), /plain HTTP/i)
    await assertGoodServes()
  })
})

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '0.0.0.0')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('a configuration directory that does not exist', () => {
  it('is named, awaited, and served when it appears', async () => {
    const daemon = await startDaemon({ files: {}, args: ['--config', '/nonexistent/gwproxy'] })
    const problem = await daemon.line((line) =>
      JSON.stringify(line).includes('/nonexistent/gwproxy'),
    )
    assert.match(JSON.stringify(problem), /does not exist/)
    assert.equal(await daemon.stop(), 0)
  })
})
