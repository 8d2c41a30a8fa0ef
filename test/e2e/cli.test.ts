/** The command line as a user meets it: help, formats, exit codes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parseAllDocuments } from 'yaml'
import { type CommandResult, command, shell } from '../support/command.ts'
import { startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'

const ROOT = resolve(import.meta.dirname, '../..')

function gwproxy(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<CommandResult> {
  return command(LAUNCHER, args, { env: { NO_COLOR: '1', ...env } })
}

describe('help and usage', () => {
  for (const name of ['run', 'check', 'status', 'schema']) {
    it(`gwproxy help ${name} has examples`, async () => {
      const { code, stdout } = await gwproxy(['help', name])
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`Examples?:\\n +gwproxy ${name}`))
    })
  }

  it('wrong usage ends with 2 and says what was expected', async () => {
    const cases = [
      ['run', '--workers', 'many'],
      ['run', '--admin', 'somewhere'],
      ['run', '--no-such-flag'],
      ['run', '--trusted-proxy', '10.0.0.0/8,proxy.test'],
      ['run', '--trusted-proxy', '10.0.0.0/33'],
      ['run', '--forwarded-for-depth', '0'],
      ['run', '--address-pool', 'many'],
      ['run', '--service-dns', '{nam}.internal'],
      ['run', '--service-dns', 'web'],
      ['run', '--poll-interval', '0'],
      ['no-such-command'],
      ['schema', 'NoSuchKind'],
      ['cert', 'self-signed', '--out', '/nonexistent', '--days', '0', 'a.test'],
    ]
    for (const args of cases) {
      const { code, stderr } = await gwproxy(args)
      assert.equal(code, 2, args.join(' '))
      assert.notEqual(stderr, '')
    }
  })

  it('a variable stands in for its flag', async () => {
    const { code, stderr } = await gwproxy(['run'], { GWPROXY_WORKERS: 'many' })
    assert.equal(code, 2)
    assert.match(stderr, /GWPROXY_WORKERS/)
  })

  it('a command without a daemon ends with 1 and says so', async () => {
    const { code, stderr } = await gwproxy(['status', '--admin', 'unix:/nonexistent/admin.sock'])
    assert.equal(code, 1)
    assert.match(stderr, /no gwproxy answers at unix:\/nonexistent\/admin\.sock/)
  })
})

describe('version', () => {
  it('tells the build and what it runs on, as text and JSON', async () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const { stdout } = await gwproxy(['version'])
    const facts = JSON.parse((await gwproxy(['version', '-o', 'json'])).stdout)
    assert.equal(facts.gwproxy, manifest.version)
    assert.match(facts.build, /\+[0-9a-z]+$/)
    assert.ok(stdout.startsWith(`gwproxy ${facts.build} `), stdout)
    assert.ok(facts.build.startsWith(`${manifest.version}+`), facts.build)
  })
})

describe('schema', () => {
  it('accepts our example routes and refuses a wrong type', async () => {
    const { stdout } = await gwproxy(['schema', 'HTTPRoute'])
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(
      JSON.parse(stdout),
    )
    const text = readFileSync(join(ROOT, 'config-examples/https/shop.yaml'), 'utf8')
    const route = parseAllDocuments(text)[0]?.toJS()
    assert.equal(validate(route), true, JSON.stringify(validate.errors))
    route.spec.rules[0].matches[0].path.value = 7
    assert.equal(validate(route), false)
  })
})

describe('cert self-signed', () => {
  const out = mkdtempSync(join(tmpdir(), 'gwproxy-cert-'))
  after(() => rmSync(out, { recursive: true, force: true }))

  it('writes a chain that openssl verifies, and a key that only its owner reads', async () => {
    const made = await gwproxy([
      'cert',
      'self-signed',
      '--out',
      out,
      'a.test',
      '*.a.test',
      '127.0.0.1',
    ])
    assert.equal(made.code, 0, made.stderr)
    const verified = await command('openssl', [
      ...['verify', '-CAfile', join(out, 'ca.crt'), '-verify_hostname', 'x.a.test'],
      join(out, 'fullchain.pem'),
    ])
    assert.equal(verified.code, 0, verified.stderr)
    assert.equal(statSync(join(out, 'privkey.pem')).mode & 0o777, 0o600)
    assert.equal((await gwproxy(['cert', 'self-signed', '--out', out, 'a.test'])).code, 2)
  })

  it('makes what a client shows', async () => {
    const own = join(out, 'alice')
    const made = await gwproxy(['cert', 'self-signed', '--client', '--out', own, 'alice'])
    assert.equal(made.code, 0, made.stderr)
    const verified = await command('openssl', [
      ...['verify', '-CAfile', join(own, 'ca.crt'), '-purpose', 'sslclient'],
      join(own, 'fullchain.pem'),
    ])
    assert.equal(verified.code, 0, verified.stderr)
  })
})

describe('status, reload and drain', () => {
  it('show and steer a running daemon', async () => {
    const daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', 8080)]),
          httpRoute('r', undefined, [
            { filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }] },
          ]),
        ),
      },
    })
    const admin = ['--admin', `unix:${join(daemon.directory, 'admin.sock')}`]

    const shown = await gwproxy(['status', ...admin])
    assert.equal(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, /Gateway default\/gw +Accepted Programmed/)
    assert.match(shown.stdout, /listener http \(1 route\) +Accepted Programmed ResolvedRefs/)
    assert.match(shown.stdout, /HTTPRoute default\/r[\s\S]* on gw +Accepted ResolvedRefs/)

    const documents = parseAllDocuments((await gwproxy(['status', '-o', 'yaml', ...admin])).stdout)
    const gatewayObject = documents.map((one) => one.toJS()).find(({ kind }) => kind === 'Gateway')
    assert.equal(gatewayObject.status.listeners[0].attachedRoutes, 1)
    for (const condition of gatewayObject.status.conditions) {
      assert.match(condition.lastTransitionTime, /^\d{4}-\d\d-\d\dT[\d:]+Z$/)
      assert.equal(condition.observedGeneration, gatewayObject.metadata.generation)
    }

    const ready = await gwproxy(['status', '--ready', ...admin])
    assert.equal(ready.stdout, 'ready\n')

    // `head` has gone before anything is written.
    const piped = await shell(`${LAUNCHER} status ${admin.join(' ')} | true`)
    assert.equal(piped.stderr, '')

    const reloaded = await gwproxy(['reload', '-o', 'json', ...admin])
    assert.equal(JSON.parse(reloaded.stdout).applied, true)
    daemon.write({ 'broken.yaml': 'kind: [' })
    const broken = await gwproxy(['reload', ...admin])
    assert.equal(broken.code, 1)
    assert.match(broken.stdout, /broken\.yaml:1:\d+: error: /)

    assert.equal((await gwproxy(['drain', ...admin])).code, 0)
    assert.equal(await daemon.exited, 0)
  })

  it('say what is not served, and why', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as net.AddressInfo
    const daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', port)], { addresses: [{ value: '127.0.0.1' }] }),
        ),
      },
    })
    const admin = ['--admin', `unix:${join(daemon.directory, 'admin.sock')}`]
    const why = `tcp/127.0.0.1:${port}: Cannot listen on 127.0.0.1:${port} (EADDRINUSE)`
    const shown = await gwproxy(['status', ...admin])
    assert.equal(shown.code, 1)
    assert.ok(shown.stdout.includes(`\nerror: ${why}`), shown.stdout)
    const ready = await gwproxy(['status', '--ready', ...admin])
    assert.equal(ready.code, 0, 'what it can serve it serves')
    assert.ok(ready.stdout.startsWith(`degraded\n  ${why}`), ready.stdout)
    taken.close()
    assert.equal(await daemon.stop(), 0)
  })
})
