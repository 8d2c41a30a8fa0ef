/** `gwproxy explain` on the command line: from the running daemon, and from files. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import type { ExplainReport } from '../../src/model/explanation.ts'
import { testCertificate } from '../support/certificates.ts'
import { type CommandResult, command } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import * as m from '../support/manifests.ts'

const SECRET = 'Basic aHVudGVyMg=='

const explain = (...args: readonly string[]): Promise<CommandResult> =>
  command(LAUNCHER, ['explain', ...args])

describe('explain', () => {
  let app: Backend
  let daemon: Daemon

  before(async () => {
    app = await startHttpBackend('app')
    daemon = await startDaemon({ files: { 'all.yaml': await manifests(app) }, workers: 2 })
  })

  after(async () => {
    await daemon?.stop()
    await app?.close()
  })

  const admin = () => `unix:${join(daemon.directory, 'admin.sock')}`

  it('shows what wins and why others lose, from the daemon and from files', async () => {
    const url = 'https://one.test:8443/x/1'
    const [served, filed] = await Promise.all([
      explain(url, '--admin', admin()),
      explain(url, '--config', daemon.configDir),
    ])
    assert.match(served.stdout, /^The running daemon, generation 1:\n/)
    assert.match(filed.stdout, /^The files of \/.*config:\n/)
    for (const { code, stdout, stderr } of [served, filed]) {
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /^bind +tcp\/127\.\d+\.\d+\.\d+:8443$/m)
      assert.match(stdout, /^listener +Gateway\/default\/gw\/one$/m)
      assert.match(stdout, /^certificate +default\/cert$/m)
      assert.match(stdout, /^route +HTTPRoute\/default\/web$/m)
      assert.match(stdout, /^match +one\.test, prefix \/x$/m)
      assert.match(stdout, /^filter +request-header-modifier: sets authorization$/m)
      assert.match(stdout, /^backend +Service\/default\/app:80 weight 1: 127\.0\.0\.1:\d+$/m)
      assert.match(stdout, /^answer +forward$/m)
      assert.match(stdout, /^not +HTTPRoute\/default\/web\/0 .* {2}header authorization differs$/m)
      assert.match(
        stdout,
        /^not +Gateway\/default\/gw\/two \(two\.test\) +does not match the name$/m,
      )
    }
  })

  it('shows the PROXY protocol on both sides', async () => {
    const front = m.gateway([{ name: 'db', protocol: 'TCP', port: 5432 }])
    const [to, ...slices] = m.service('db', 5432, [{ address: '127.0.0.1', port: 5432 }])
    const annotated = (object: m.Manifest, annotations: object): m.Manifest => {
      const { name } = object['metadata'] as { readonly name: string }
      return { ...object, metadata: { name, annotations } }
    }
    const text = m.yaml(
      annotated(front, { 'gwproxy.dev/accept-proxy-protocol': 'required' }),
      annotated(to ?? {}, { 'gwproxy.dev/send-proxy-protocol': 'v2' }),
      ...slices,
      m.tcpRoute('db', [m.backendRef('db', 5432)]),
    )
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-explain-'))
    writeFileSync(join(directory, 'all.yaml'), text.replaceAll('{address}', '127.0.0.1'))
    const { stdout } = await explain('tcp://127.0.0.1:5432', '--config', directory)
    assert.match(stdout, /^PROXY protocol +required, from trusted proxies$/m)
    assert.match(stdout, /^ {2}PROXY protocol +v2$/m)
    rmSync(directory, { recursive: true })
  })

  it('tells no values, whoever asks', async () => {
    for (const source of [
      ['--admin', admin()],
      ['--config', daemon.configDir],
    ]) {
      const { stdout } = await explain('https://one.test:8443/x', ...source, '-o', 'json')
      assert.match(stdout, /authorization/)
      assert.doesNotMatch(stdout, /aHVudGVyMg|PRIVATE|BEGIN/)
    }
  })

  it('ends with 1 when the request is refused', async () => {
    const cases: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
      [['https://one.test:8443/x', '-H', 'Host: two.test'], /belongs to Gateway\/default\/gw\/two/],
      [['tls://no.test:8443'], /^answer +closed: no-chain$/m],
      [['https://one.test:8443/nothing', '-X', 'POST'], /^answer +404 Not Found: no-route$/m],
    ]
    await Promise.all(
      cases.map(async ([args, expected]) => {
        const { code, stdout } = await explain(...args, '--config', daemon.configDir)
        assert.equal(code, 1)
        assert.match(stdout, expected)
      }),
    )
    const absent = await explain('http://one.test:81', '--admin', admin())
    const { address } = daemon
    const message = `gwproxy: no listener has port 81; there are: tcp/${address}:8080, tcp/${address}:8443\n`
    assert.deepEqual([absent.code, absent.stderr], [1, message])
  })

  it('the daemon answers from what it serves, not from what lies in its files', async () => {
    const ask = () => explain('http://one.test:8080/gone', '--admin', admin(), '-o', 'json')
    const before = JSON.parse((await ask()).stdout) as ExplainReport
    assert.equal(before.explanations[0]?.route, 'HTTPRoute/default/gone')
    const { generation } = await daemon.apply({
      'more.yaml': m.yaml(
        m.httpRoute('new', undefined, [
          { matches: [{ path: { type: 'Exact', value: '/gone' } }], backendRefs: [to('app')] },
        ]),
      ),
    })
    await daemon.apply({ 'more.yaml': 'kind: [' })
    const { generation: explained, explanations } = JSON.parse(
      (await ask()).stdout,
    ) as ExplainReport
    assert.deepEqual([explained, explanations[0]?.route], [generation, 'HTTPRoute/default/new'])
    await daemon.apply({ 'more.yaml': undefined })
  })

  it('the daemon knows which endpoints are ejected', async () => {
    const url = `http://one.test:8080/gone`
    const question = { url }
    const deadline = performance.now() + 30_000
    for (;;) {
      await command('curl', ['-sS', `http://${daemon.address}:8080/gone`])
      const { explanations } = await daemon.admin.post<ExplainReport>('/explain', question)
      const [endpoint] = explanations[0]?.backends?.[0]?.endpoints ?? []
      assert.equal(endpoint?.endpoint, '127.0.0.1:1')
      if (endpoint.health === 'ejected') break
      assert.ok(performance.now() < deadline, JSON.stringify(endpoint))
    }
    const { stdout } = await explain(url, '--admin', admin())
    assert.match(stdout, /^backend .* 127\.0\.0\.1:1 \(ejected, \d+ s left\)$/m)
  })

  it('the daemon knows which sockets are not open', async () => {
    const other = createServer().listen(8081, daemon.address)
    await once(other, 'listening')
    await daemon.apply({
      'taken.yaml': m.yaml(
        m.gateway([m.httpListener('taken', 8081)], { name: 'taken' }),
        m.httpRoute('taken', undefined, [{ backendRefs: [to('app')] }], { gateway: 'taken' }),
      ),
    })
    const { code, stdout } = await explain('http://one.test:8081', '--admin', admin())
    assert.equal(code, 1)
    assert.match(stdout, /^answer +not listening: .*8081/m)
    other.close()
    await once(other, 'close')
    await daemon.apply({ 'taken.yaml': undefined })
  })

  it('refuses wrong usage', async () => {
    const none = join(daemon.directory, 'none')
    const cases: readonly (readonly [args: readonly string[], code: number, message: RegExp])[] = [
      [['ftp://x'], 2, /expected https/],
      [['tcp://x'], 2, /tcp:\/\/ needs a port/],
      [['http://x', '-H', 'none'], 2, /-H none: expected/],
      [['http://x', '--address', 'x'], 2, /--address x: expected an IP address/],
      [['http://x', '--config', none], 2, /no such file/],
      [['http://x', '--config', '.', '--admin', admin()], 2, /exclude each other/],
      [['http://x', '--service-dns', '{name}'], 2, /--service-dns .* name them with --config/],
      [['http://x', '--admin', `unix:${none}`], 1, /no gwproxy answers at .*; .* with --config/],
    ]
    await Promise.all(
      cases.map(async ([args, expected, message]) => {
        const { code, stdout, stderr } = await explain(...args)
        assert.deepEqual([code, stdout], [expected, ''], args.join(' '))
        assert.match(stderr, message)
      }),
    )
  })

  it('a variable of the daemon does not choose who answers', async () => {
    const env = { GWPROXY_CONFIG: daemon.configDir, GWPROXY_ADMIN: admin() }
    const { stdout } = await command(LAUNCHER, ['explain', 'http://one.test:8080/gone'], { env })
    assert.match(stdout, /^The running daemon/)
  })
})

function to(name: string): m.Manifest {
  return m.backendRef(name)
}

async function manifests(app: Backend): Promise<string> {
  const authorization = { name: 'authorization', value: SECRET }
  const filter = {
    type: 'RequestHeaderModifier',
    requestHeaderModifier: { set: [authorization] },
  }
  const x = { type: 'PathPrefix', value: '/x' }
  return m.yaml(
    m.gateway([
      m.httpListener('any', 8080),
      m.tlsListener('one', 8443, 'one.test', ['cert'], 'HTTPS'),
      m.tlsListener('two', 8443, 'two.test', ['cert'], 'HTTPS'),
    ]),
    m.httpRoute('web', undefined, [
      { matches: [{ path: x, headers: [authorization] }], backendRefs: [to('app')] },
      { matches: [{ path: x }], filters: [filter], backendRefs: [to('app')] },
    ]),
    m.httpRoute('gone', undefined, [
      { matches: [{ path: { type: 'PathPrefix', value: '/gone' } }], backendRefs: [to('gone')] },
    ]),
    ...m.service('app', 80, [app]),
    ...m.service('gone', 80, [{ address: '127.0.0.1', port: 1 }]),
    m.tlsSecret('cert', await testCertificate(['one.test', 'two.test'])),
  )
}
