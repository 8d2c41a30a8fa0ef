/** An upgrade: what goes over, what stays, and that whatever fails leaves the old process as it was. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import tls from 'node:tls'
import { once } from 'node:events'
import { spawnSync } from 'node:child_process'
import { AdminClient } from '../../src/control/admin/client.ts'
import type { UpgradeReport } from '../../src/control/admin/contract.ts'
import { bindTcp } from '../../src/control/bind-tcp.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { command, curl } from '../support/command.ts'
import { type Daemon, type DaemonOptions, ownAddress, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsRoute,
  tlsSecret,
  udpListener,
  udpRoute,
  udpService,
  yaml,
} from '../support/manifests.ts'
import { isGone } from '../support/processes.ts'
import { startTlsEchoOrigin, type TlsOrigin } from '../support/tls-origin.ts'
import { UdpBackend, UdpClient } from '../support/udp-peers.ts'
import { UdpQuestions } from '../support/udp-questions.ts'
import { until } from '../support/until.ts'

const HTTP = 8080
const TLS = 8443
const DNS = 5353
const LIMIT = { timeout: 60_000 }

const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-upgrade-'))
const env = { NODE_COMPILE_CACHE: join(scratch, 'compiled') }
after(() => rmSync(scratch, { recursive: true, force: true }))

const ROUTE = httpRoute('r', undefined, [
  { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'to.test' } }] },
])
const PLAIN = { 'all.yaml': yaml(gateway([httpListener('http', HTTP)]), ROUTE) }

function dnsFiles({ port }: UdpBackend) {
  return {
    'all.yaml': yaml(
      gateway([httpListener('http', HTTP), udpListener('dns', DNS)]),
      ROUTE,
      udpRoute('dns', [backendRef('dns', 53)]),
      ...udpService('dns', 53, port),
    ),
  }
}

function start(options: Partial<DaemonOptions> = {}): Promise<Daemon> {
  return startDaemon({ files: PLAIN, ...options, env: { ...env, ...options.env } })
}

function upgrade({ admin }: Daemon): Promise<UpgradeReport> {
  return admin.post<UpgradeReport>('/upgrade')
}

async function status(address: string, port = HTTP): Promise<string> {
  const { stdout } = await curl([
    ...['-o', '/dev/null', '-w', '%{http_code}', '--max-time', '30'],
    `http://${address}:${port}/`,
  ])
  return stdout
}

/** It serves as ever, and can still be asked. */
async function assertUnchanged(daemon: Daemon): Promise<void> {
  assert.equal(await status(daemon.address), '302')
  assert.deepEqual(await daemon.admin.get('/readyz'), { state: 'ready', reasons: [] })
  const { failedBinds } = await daemon.reload()
  assert.deepEqual(failedBinds, [])
}

/** A launcher that can be replaced, as an installation is. */
function replaceable(): { readonly path: string; put(script: string): void } {
  const path = join(mkdtempSync(join(scratch, 'bin-')), 'gwproxy')
  symlinkSync(LAUNCHER, path)
  return {
    path,
    put: (script) => {
      rmSync(path)
      writeFileSync(path, `#!/bin/sh\n${script}\n`)
      chmodSync(path, 0o755)
    },
  }
}

/** What speaks for itself over the channel and waits. */
function speaking(message: unknown): string {
  const script = join(scratch, `speaks-${Math.random()}.mjs`)
  writeFileSync(script, `process.send(${JSON.stringify(message)}); process.on('message', () => {})`)
  return `exec '${process.execPath}' '${script}'`
}

for (const workers of [0, 2]) {
  describe(`an upgrade with --workers ${workers}`, () => {
    let origin: TlsOrigin
    let ca: string
    let daemon: Daemon

    before(async () => {
      const passed = await testCertificate(['pass.test'])
      origin = await startTlsEchoOrigin({ cert: passed.certPem, key: passed.keyPem })
      ca = (await testAuthority()).certPem
      daemon = await start({
        workers,
        args: ['--drain-timeout', '1500ms', '--status-dir', join(scratch, `status-${workers}`)],
        files: {
          'all.yaml': yaml(
            gateway([
              httpListener('http', HTTP),
              tlsListener('pass', TLS, 'pass.test', 'passthrough'),
              tlsListener('web', TLS, 'web.test', ['web'], 'HTTPS'),
            ]),
            ROUTE,
            tlsSecret('web', await testCertificate(['web.test'])),
            tlsRoute('pass', ['pass.test'], [backendRef('echo')], { sectionName: 'pass' }),
            ...service('echo', 80, [{ address: '127.0.0.1', port: origin.port }]),
          ),
        },
      })
    })
    after(async () => {
      assert.equal(await daemon.stop(), 0)
      origin.close()
    })

    it('keeps long connections until the deadline; they end with a reason', LIMIT, async () => {
      const held = tls.connect({
        ...{ host: daemon.address, port: TLS, servername: 'pass.test', ca },
      })
      held.on('error', () => undefined)
      await once(held, 'data')
      const { pid } = await upgrade(daemon)
      await daemon.line(({ msg }) => msg === 'draining')
      held.write('still here')
      assert.equal(String((await once(held, 'data'))[0]), 'still here')
      // A reset, which is an error before.
      await new Promise((resolve) => held.once('close', resolve))
      const line = await daemon.line(({ reason }) => reason === 'drain-deadline')
      assert.equal(line['requested_server_name'], 'pass.test')
      await daemon.line(({ msg }) => /staying for those who know this pid/.test(String(msg)))
      assert.notEqual(pid, daemon.pid)
      assert.equal(await status(daemon.address), '302')
    })

    it('hands on TLS sessions', LIMIT, async () => {
      const session = await handshake(daemon.address, ca)
      await upgrade(daemon)
      assert.equal((await handshake(daemon.address, ca, session.ticket)).resumed, true)
      const ready = () => daemon.admin.get('/readyz')
      assert.deepEqual(await ready(), { state: 'ready', reasons: [] })
    })

    it('leaves the pid in place: it passes on what it is told', LIMIT, async () => {
      const { pid } = await upgrade(daemon)
      const before = daemon.lines.length
      daemon.signal('SIGHUP')
      await until(() => daemon.lines.slice(before).some(({ msg }) => msg === 'reloaded'))
      assert.equal(isGone(pid), false)
    })
  })

  it(`an upgrade with --workers ${workers} loses no datagram`, LIMIT, async (t) => {
    const dns = await UdpBackend.start('dns')
    const daemon = await start({ workers, files: dnsFiles(dns) })
    const questions = new UdpQuestions(daemon.address, DNS)
    await upgrade(daemon)
    // What was inherited is handed on, too.
    await upgrade(daemon)
    t.diagnostic(`${await questions.answered()} questions, all answered`)
    // The first keeps its old flows for a while: told twice, all end at once.
    daemon.signal('SIGTERM')
    await until(() => daemon.lines.filter(({ msg }) => msg === 'draining').length === 3)
    daemon.signal('SIGTERM')
    await daemon.exited
    await dns.close()
  })
}

async function handshake(host: string, ca: string, session?: Buffer) {
  const socket = tls.connect({
    ...{ host, port: TLS, servername: 'web.test', ca },
    ...(session !== undefined && { session }),
  })
  const ticket = once(socket, 'session') as Promise<[Buffer]>
  await once(socket, 'secureConnect')
  const resumed = socket.isSessionReused()
  const result = { resumed, ticket: resumed ? Buffer.of() : (await ticket)[0] }
  socket.destroy()
  return result
}

describe('what came from systemd', () => {
  it('stays kept over generations', LIMIT, async () => {
    const address = ownAddress()
    const bound = bindTcp(address, HTTP)
    assert.ok(bound.kind === 'bound')
    after(() => bound.handle.close())
    const manifest = (...ports: readonly number[]) => ({
      'all.yaml': yaml(
        gateway(
          ports.map((port) => httpListener(`http-${port}`, port)),
          { addresses: [{ value: address }] },
        ),
        ROUTE,
      ),
    })
    const daemon = await start({ passed: [bound.handle.fd], files: manifest(HTTP, HTTP + 1) })
    for (const generation of [2, 3]) {
      await upgrade(daemon)
      assert.equal(await status(address), '302', String(generation))
      // Its listener goes and returns: the test holds the address, so that nobody could bind it.
      assert.deepEqual((await daemon.apply(manifest(HTTP + 1))).failedBinds, [])
      assert.deepEqual((await daemon.apply(manifest(HTTP, HTTP + 1))).failedBinds, [])
      assert.equal(await status(address), '302', String(generation))
    }
    assert.equal(await daemon.stop(), 0)
  })

  it('is told of the new main process, and the old one ends', {
    ...LIMIT,
    skip: ['python3', 'systemd-notify'].some((one) => spawnSync(one, ['--version']).error),
  }, async () => {
    const words = join(mkdtempSync(join(scratch, 'notify-')), 'words')
    const path = mkdtempSync(join(scratch, 'path-'))
    // Stands for systemd-notify: what is said, in the order in which it is said.
    writeFileSync(join(path, 'systemd-notify'), `#!/bin/sh\necho "$*" >> '${words}'\n`)
    chmodSync(join(path, 'systemd-notify'), 0o755)
    const daemon = await start({
      env: { NOTIFY_SOCKET: '/nowhere', PATH: `${path}:${process.env['PATH'] ?? ''}` },
    })
    const { pid } = await upgrade(daemon)
    assert.equal(await daemon.exited, 0)
    assert.equal(isGone(pid), false)
    const said = (await command('cat', [words])).stdout.trimEnd().split('\n')
    assert.match(said.at(-1) ?? '', new RegExp(`^--pid=${pid} READY=1 STATUS=serving`))
    const handed = said.findIndex((line) => line.startsWith(`--pid=${pid} `))
    assert.ok(said.slice(handed).every((line) => line.startsWith(`--pid=${pid} `)))
    assert.ok(!said.some((line) => line.includes('STOPPING')))
    process.kill(pid, 'SIGTERM')
    await until(() => isGone(pid))
  })
})

describe('an upgrade that fails', () => {
  const launcher = replaceable()
  let daemon: Daemon
  let dns: UdpBackend
  let files: Readonly<Record<string, string>>
  before(async () => {
    dns = await UdpBackend.start('dns')
    files = dnsFiles(dns)
    daemon = await start({ launcher: [launcher.path], files })
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    await dns.close()
  })

  const scripts: readonly (readonly [string, () => string, RegExp])[] = [
    ['does not start', () => 'echo no Node here >&2; exit 70', /ended with code 70 before/],
    ['is killed', () => 'kill -9 $$', /was ended by SIGKILL before/],
    [
      'speaks another protocol',
      () => speaking({ type: 'hello', protocol: 99, build: '9.9.9', pid: 1 }),
      /gwproxy 9\.9\.9 hands over by protocol 99, gwproxy [0-9a-z.+]+ by protocol \d: .* only a restart/,
    ],
    ['gives up', () => speaking({ type: 'failed', message: 'no luck' }), /no luck/],
    [
      'is told another protocol',
      () => `GWPROXY_HAND_OVER=99 exec '${LAUNCHER}' "$@"`,
      /by protocol 99/,
    ],
    [
      'has an option that it refuses',
      () => `exec '${LAUNCHER}' "$@" --state-dir /proc/nowhere`,
      /cannot write|state/,
    ],
    [
      'cannot open the admin interface',
      () => `exec '${LAUNCHER}' "$@" --admin unix:/proc/nowhere/admin.sock`,
      /proc\/nowhere/,
    ],
  ]
  for (const [name, script, reason] of scripts) {
    it(`because the new process ${name}, changes nothing`, LIMIT, async () => {
      launcher.put(script())
      await assert.rejects(upgrade(daemon), reason)
      await daemon.line(({ msg }) => /not upgraded, going on as before/.test(String(msg)))
      await assertUnchanged(daemon)
      // It had lent its sockets.
      const client = await UdpClient.open()
      assert.equal((await client.ask('who', DNS, daemon.address)).text, 'dns:who')
      client.close()
    })
  }

  it('because the program is gone, changes nothing', LIMIT, async () => {
    rmSync(launcher.path)
    await assert.rejects(upgrade(daemon), /ENOENT/)
    await assertUnchanged(daemon)
    symlinkSync(LAUNCHER, launcher.path)
  })

  it(
    'because files are broken, keeps their last good version, until they are mended',
    LIMIT,
    async () => {
      const { problems } = await daemon.apply({ 'all.yaml': 'kind: [' })
      assert.equal(problems.length, 1)
      await assert.rejects(upgrade(daemon), /last good version.*mend their files first/)
      assert.equal(await status(daemon.address), '302')
      await daemon.apply(files)
      const { pid } = await upgrade(daemon)
      assert.notEqual(pid, daemon.pid)
      await assertUnchanged(daemon)
    },
  )

  it('because another is under way, leaves that one alone', LIMIT, async () => {
    const both = await Promise.allSettled([upgrade(daemon), upgrade(daemon)])
    assert.deepEqual(both.map(({ status: end }) => end).sort(), ['fulfilled', 'rejected'])
    const lost = both.find((one) => one.status === 'rejected')
    assert.match(String(lost?.reason), /an upgrade is under way/)
    await assertUnchanged(daemon)
  })
})

describe('the end of one of the two', () => {
  async function underWay(daemon: Daemon) {
    const before = daemon.lines.length
    const asked = upgrade(daemon).catch((error: unknown) => String(error))
    const isStart = ({ msg }: { msg?: unknown }) => String(msg).startsWith('upgrading:')
    await until(() => daemon.lines.slice(before).some(isStart))
    const started = daemon.lines.slice(before).find(isStart)
    return { asked, successor: Number(started?.['pid']) }
  }

  it('the new process, told to end before it serves, ends alone', LIMIT, async () => {
    const daemon = await start()
    const { asked, successor } = await underWay(daemon)
    process.kill(successor, 'SIGTERM')
    assert.match(String(await asked), /before it could take over/)
    await assertUnchanged(daemon)
    assert.equal(await daemon.stop(), 0)
  })

  it('the old process, told to end meanwhile, takes the new one along', LIMIT, async () => {
    const daemon = await start()
    const { asked, successor } = await underWay(daemon)
    assert.equal(await daemon.stop(), 0)
    assert.match(String(await asked), /told to end|socket hang up|no gwproxy answers/)
    await until(() => isGone(successor))
  })

  it('a new process that crashes later is the end of the pid, too', LIMIT, async () => {
    const daemon = await start()
    const { pid } = await upgrade(daemon)
    process.kill(pid, 'SIGKILL')
    assert.equal(await daemon.exited, 70)
  })

  it('the pid killed, whoever serves ends', LIMIT, async () => {
    const daemon = await start()
    await upgrade(daemon)
    const { pid } = await upgrade(daemon)
    daemon.signal('SIGKILL')
    await daemon.exited
    await until(() => isGone(pid))
  })

  it(
    'told right behind an upgrade, it waits for what the process before has under way',
    LIMIT,
    async () => {
      const origin = await startTlsEchoOrigin(await certificateOf('pass.test'))
      const daemon = await start({ files: passthroughTo(origin.port) })
      await upgrade(daemon)
      // Until then it may accept as well.
      await daemon.line(({ msg }) => /staying for those who know this pid/.test(String(msg)))
      const held = await holdTls(daemon.address)
      const { pid } = await upgrade(daemon)
      const exited = daemon.stop()
      await daemon.line(({ msg }) => msg === 'drained; waiting for the process that handed over')
      held.write('still here')
      assert.equal(String((await once(held, 'data'))[0]), 'still here')
      held.end()
      const line = await daemon.line(({ requested_server_name: name }) => name === 'pass.test')
      assert.equal(line['reason'], 'completed')
      assert.equal(await exited, 0)
      await until(() => isGone(pid))
      origin.close()
    },
  )

  it('told twice, all end at once', LIMIT, async () => {
    const origin = await startTlsEchoOrigin(await certificateOf('pass.test'))
    const daemon = await start({ files: passthroughTo(origin.port) })
    const { pid } = await upgrade(daemon)
    await holdTls(daemon.address)
    daemon.signal('SIGTERM')
    await until(() => daemon.lines.filter(({ msg }) => msg === 'draining').length === 2)
    daemon.signal('SIGTERM')
    await daemon.exited
    await until(() => isGone(pid))
    origin.close()
  })
})

function passthroughTo(port: number): Readonly<Record<string, string>> {
  return {
    'all.yaml': yaml(
      gateway([tlsListener('pass', TLS, 'pass.test', 'passthrough')]),
      tlsRoute('pass', ['pass.test'], [backendRef('echo')], { sectionName: 'pass' }),
      ...service('echo', 80, [{ address: '127.0.0.1', port }]),
    ),
  }
}

/** A connection to the echo origin that has had its greeting. */
async function holdTls(host: string): Promise<tls.TLSSocket> {
  const { certPem: ca } = await testAuthority()
  const held = tls.connect({ host, port: TLS, servername: 'pass.test', ca })
  held.on('error', () => undefined)
  await once(held, 'data')
  return held
}

async function certificateOf(name: string): Promise<{ cert: string; key: string }> {
  const { certPem, keyPem } = await testCertificate([name])
  return { cert: certPem, key: keyPem }
}

describe('gwproxy upgrade', () => {
  it('says which build serves, and why not', LIMIT, async () => {
    const launcher = replaceable()
    const daemon = await start({ launcher: [launcher.path] })
    const ask = () =>
      command(LAUNCHER, ['upgrade', '--admin', `unix:${join(daemon.directory, 'admin.sock')}`])
    const done = await ask()
    assert.match(
      done.stdout,
      /^gwproxy [0-9a-z.+]+ \(pid \d+\) serves after \d+ ms; .* drains\.\n$/,
    )
    assert.equal(done.code, 0)
    launcher.put('exit 3')
    const failed = await ask()
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /the new process ended with code 3/)
    assert.equal(await daemon.stop(), 0)
    const gone = new AdminClient({ kind: 'unix', path: join(daemon.directory, 'admin.sock') })
    await assert.rejects(gone.post('/upgrade'), /no gwproxy answers/)
  })
})
