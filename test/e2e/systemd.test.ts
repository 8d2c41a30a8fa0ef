/**
 * The systemd unit: systemd finds no fault in it, and its command line, run as it stands but for
 * the paths, keeps the promises of Type=notify, ExecReload and a stop.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { command } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { gateway, httpListener, yaml } from '../support/manifests.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const LAUNCHER = join(ROOT, 'bin/gwproxy')
const PORT = 8080
const UNIT = readFileSync(join(ROOT, 'packaging/systemd/gwproxy.service'), 'utf8')

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
    const unit = join(scratch, 'gwproxy.service')
    writeFileSync(unit, UNIT.replaceAll('/usr/local/bin/gwproxy', LAUNCHER))
    const { stderr } = await command('systemd-analyze', ['verify', unit])
    // Other units of the machine may have faults of their own.
    assert.doesNotMatch(stderr, /gwproxy/)
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
      args: start.slice(3).map((word) => word.replace('/var/lib/gwproxy', join(home, 'state'))),
      env: { NOTIFY_SOCKET: join(home, 'notify') },
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', PORT)], { addresses: [{ value: address }] }),
        ),
      },
    })
    const ready = await systemd.next('READY=1')
    assert.equal(ready.serves, true)
    assert.match(ready.message.join(' '), /STATUS=serving generation 1/)

    assert.equal((await reload(daemon)).code, 0)
    await systemd.next('RELOADING=1')
    daemon.write({ 'broken.yaml': 'kind: [' })
    const broken = await reload(daemon)
    assert.equal(broken.code, 1, 'systemctl reload fails')
    assert.match(broken.stdout, /broken\.yaml:1:/)

    assert.equal(await daemon.stop(), 0)
    await systemd.next('STOPPING=1')
    systemd.stop()
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
}

interface ServiceManager {
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
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  await lines.next()
  return {
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
