/**
 * The systemd unit: systemd finds no fault in it, and its command line, run as it stands but for
 * the paths, keeps the promises of Type=notify-reload, WatchdogSec=, ExecReload= and a stop.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { testCertificate } from '../support/certificates.ts'
import { command, curl } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, tlsListener, yaml } from '../support/manifests.ts'
import { until, untilStill } from '../support/until.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PORT = 8080
const PACKAGING = join(ROOT, 'packaging/systemd')
const UNIT = readFileSync(join(PACKAGING, 'gwproxy.service'), 'utf8')

function isMissing(...programs: readonly string[]): string | false {
  const missing = programs.find((program) => spawnSync(program, ['--version']).error !== undefined)
  return missing === undefined ? false : `there is no ${missing} here`
}

/** The words of a setting's value. */
function setting(name: string): readonly string[] {
  return (new RegExp(`^${name}=(.*)$`, 'm').exec(UNIT)?.[1] ?? '').split(' ')
}

describe('the systemd unit', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-systemd-'))
  after(() => rmSync(scratch, { recursive: true, force: true }))

  it('is without fault', { skip: isMissing('systemd-analyze') }, async () => {
    const units = ['gwproxy.service', 'gwproxy.socket'].map((name) => join(scratch, name))
    for (const unit of units) {
      const text = readFileSync(join(PACKAGING, basename(unit)), 'utf8')
      writeFileSync(unit, text.replaceAll('/usr/local/bin/gwproxy', LAUNCHER))
    }
    const { stderr } = await command('systemd-analyze', ['verify', ...units])
    // Other units of the machine may have faults of their own, and before version 253 systemd passes
    // over the better type.
    const faults = stderr.split('\n').filter((line) => /gwproxy/.test(line))
    assert.deepEqual(
      faults.filter((line) => !/service type, ignoring: notify-reload/.test(line)),
      [],
    )
  })

  it('gives away little', { skip: isMissing('systemd-analyze') }, async () => {
    const { stdout } = await command('systemd-analyze', [
      ...['security', '--offline=true', '--no-pager'],
      join(PACKAGING, 'gwproxy.service'),
    ])
    const exposure = /Overall exposure level for gwproxy.service: ([0-9.]+)/.exec(stdout)?.[1]
    // 1.6 by the weights of version 252; others weigh differently.
    assert.ok(Number(exposure) <= 2, stdout)
  })

  it('stops later than a drain may take', () => {
    const start = setting('ExecStart')
    const drain = Number.parseInt(start[start.indexOf('--drain-timeout') + 1] ?? '', 10)
    assert.ok(Number.parseInt(setting('TimeoutStopSec')[0] ?? '', 10) > drain + 1)
  })
})

describe('under systemd', { skip: isMissing('python3', 'systemd-notify') }, () => {
  it('READY when the listeners serve, reload by exit code, STOPPING at the drain', {
    timeout: 30_000,
  }, async () => {
    const home = mkdtempSync(join(tmpdir(), 'gwproxy-notify-'))
    const [, ...start] = setting('ExecStart')
    assert.deepEqual(start.slice(0, 3), ['run', '--config', '/etc/gwproxy'])
    const address = ownAddress()
    const systemd = await startServiceManager(join(home, 'notify'), address)
    const daemon = await startDaemon({
      workers: 2,
      args: start.slice(3),
      env: { NOTIFY_SOCKET: join(home, 'notify'), STATE_DIRECTORY: join(home, 'state') },
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', PORT)], { addresses: [{ value: address }] }),
        ),
      },
    })
    const ready = await systemd.next('READY=1')
    assert.equal(ready.serves, true)
    assert.ok(ready.message.includes('STATUS=serving generation 1: 1 object of 1 file'))
    assert.notEqual(readdirSync(join(home, 'state')).length, 0)

    assert.equal((await reload(daemon)).code, 0)
    const reloading = await systemd.next('RELOADING=1')
    assert.match(reloading.message.join(' '), /MONOTONIC_USEC=[0-9]+/)
    await systemd.next('READY=1')
    daemon.write({ 'broken.yaml': 'kind: [' })
    const broken = await reload(daemon)
    assert.equal(broken.code, 1, 'systemctl reload fails')
    assert.match(broken.stdout, /broken\.yaml:1:/)
    await systemd.next('STATUS=serving generation 1: 1 object of 2 files, 1 error')

    assert.equal(await daemon.stop(), 0)
    await systemd.next('STOPPING=1')
    systemd.stop()
    rmSync(home, { recursive: true })
  })

  it('the watchdog is fed while the main process and its workers show life', {
    timeout: 120_000,
  }, async () => {
    const home = mkdtempSync(join(tmpdir(), 'gwproxy-watchdog-'))
    const address = ownAddress()
    const systemd = await startServiceManager(join(home, 'notify'), address)
    const daemon = await startDaemon({
      workers: 1,
      env: { NOTIFY_SOCKET: join(home, 'notify'), WATCHDOG_USEC: '2000000' },
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', PORT)], { addresses: [{ value: address }] }),
        ),
      },
    })
    await systemd.next('WATCHDOG=1')
    const worker = await daemon.line(({ msg }) => msg === 'worker started')
    process.kill(Number(worker['pid']), 'SIGSTOP')
    await daemon.line(({ msg }) => /watchdog is not fed: a worker is silent/.test(String(msg)))
    await daemon.line(({ msg, pid }) => msg === 'worker started' && pid !== worker['pid'])
    const replaced = Date.now()
    while ((await systemd.next('WATCHDOG=1')).at < replaced);

    daemon.signal('SIGSTOP')
    // Words that are on their way arrive; others would come twice a second.
    await untilStill(() => systemd.received, 3000)
    daemon.signal('SIGCONT')
    const woken = Date.now()
    while ((await systemd.next('WATCHDOG=1')).at < woken);
    assert.equal(await daemon.stop(), 0)
    systemd.stop()
    rmSync(home, { recursive: true })
  })
})

it('finds what systemd has prepared for it', { timeout: 60_000 }, async () => {
  const home = mkdtempSync(join(tmpdir(), 'gwproxy-prepared-'))
  const credentials = join(home, 'credentials')
  mkdirSync(credentials)
  const { certPem, keyPem } = await testCertificate(['app.test'])
  writeFileSync(join(credentials, 'www.crt'), certPem)
  writeFileSync(join(credentials, 'www.key'), keyPem)
  const prepared = {
    CREDENTIALS_DIRECTORY: credentials,
    LOGS_DIRECTORY: home,
    STATE_DIRECTORY: join(home, 'state'),
  }
  const annotations = { 'gwproxy.dev/from-directory': `\${CREDENTIALS_DIRECTORY}` }
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'www', annotations },
    type: 'kubernetes.io/tls',
  }
  const listener = tlsListener('https', PORT, undefined, ['www'], 'HTTPS')
  const daemon = await startDaemon({
    env: prepared,
    files: { 'all.yaml': yaml(gateway([listener]), secret) },
  })
  const answer = await curl([
    ...['-k', '-o', '/dev/null', '-w', '%{http_code}'],
    ...['--resolve', `app.test:${PORT}:${daemon.address}`, `https://app.test:${PORT}/`],
  ])
  assert.equal(answer.stdout, '404')
  const log = join(home, 'access.log')
  await until(() => existsSync(log) && readFileSync(log, 'utf8').includes('"log":"exchange"'))
  assert.ok(existsSync(prepared.STATE_DIRECTORY))

  const checked = await command(LAUNCHER, ['check', daemon.configDir], { env: prepared })
  assert.equal(checked.code, 0, checked.stdout)
  const outside = await command(LAUNCHER, ['check', daemon.configDir])
  assert.match(outside.stdout, /CREDENTIALS_DIRECTORY.* is not set here/)
  assert.equal(await daemon.stop(), 0)
  rmSync(home, { recursive: true })
})

describe('the hook for certbot', () => {
  it('opens the files of one certificate to the group', async () => {
    const home = mkdtempSync(join(tmpdir(), 'gwproxy-certbot-'))
    const mode = (path: string): number => statSync(join(home, path)).mode & 0o070
    for (const name of ['www', 'other']) {
      for (const place of ['live', 'archive'])
        mkdirSync(join(home, place, name), { recursive: true })
      writeFileSync(join(home, 'archive', name, 'privkey1.pem'), '', { mode: 0o600 })
      symlinkSync(`../../archive/${name}/privkey1.pem`, join(home, 'live', name, 'privkey.pem'))
    }
    for (const place of ['live', 'archive']) chmodSync(join(home, place), 0o700)
    const { code, stderr } = await command(join(PACKAGING, 'certbot-deploy-hook'), [], {
      env: {
        GWPROXY_GROUP: String(process.getgid?.() ?? 0),
        RENEWED_LINEAGE: join(home, 'live/www'),
      },
    })
    assert.equal(code, 0, stderr)
    assert.equal(mode('live'), 0o010)
    assert.equal(mode('archive'), 0o010)
    assert.equal(mode('live/www/privkey.pem'), 0o040)
    assert.equal(mode('live/other/privkey.pem'), 0)
    rmSync(home, { recursive: true })
  })
})

function reload(daemon: Daemon) {
  const [, ...words] = setting('ExecReload')
  return command(LAUNCHER, [...words, '--admin', `unix:${join(daemon.directory, 'admin.sock')}`])
}

interface Received {
  readonly message: readonly string[]
  /** Whether the listener accepted connections at that moment. */
  readonly serves: boolean
  /** Milliseconds since the epoch. */
  readonly at: number
}

interface ServiceManager {
  /** Messages so far. */
  readonly received: number
  /** The next message that holds the assignment. */
  next(assignment: string): Promise<Received>
  stop(): void
}

async function startServiceManager(socket: string, host: string): Promise<ServiceManager> {
  const script = join(ROOT, 'test/support/notify-socket.py')
  const child = spawn('python3', [script, socket, host, String(PORT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  after(() => child.kill())
  const reader = createInterface(child.stdout)
  let received = 0
  reader.on('line', () => {
    received += 1
  })
  const lines = reader[Symbol.asyncIterator]()
  await lines.next()
  return {
    get received() {
      return received
    },
    next: async (assignment) => {
      for (;;) {
        const { done, value } = await lines.next()
        if (done === true) assert.fail(`no ${assignment}`)
        const received = JSON.parse(value) as Received
        if (received.message.includes(assignment)) return received
      }
    },
    stop: () => void child.kill(),
  }
}
