/**
 * The shipped units under a real systemd as PID 1 of namespaces of its own: start, credentials,
 * sandbox, reload, restart with sockets that outlive it, upgrade, watchdog, stop.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { testCertificate } from '../support/certificates.ts'
import { command, type CommandResult } from '../support/command.ts'
import { gateway, httpListener, httpRoute, tlsListener, yaml } from '../support/manifests.ts'
import { until } from '../support/until.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PACKAGING = join(ROOT, 'packaging/systemd')
const BOOT = join(ROOT, 'test/support/systemd-boot.sh')
const CREDENTIALS = '/etc/gwproxy/credentials'
const CAP_NET_BIND_SERVICE = 1n << 10n

/** What systemd wants to have on its way up, and nothing that changes a machine. */
const TARGETS = ['basic', 'sysinit', 'sockets', 'shutdown', 'multi-user', 'network-online']
const DROP_IN = [
  '[Service]',
  `LoadCredential=tls.crt:${CREDENTIALS}/tls.crt`,
  `LoadCredential=tls.key:${CREDENTIALS}/tls.key`,
  // Without a journal.
  'StandardOutput=append:/run/gwproxy.log',
  'StandardError=inherit',
  // 30 s are long for a test.
  'WatchdogSec=5s',
].join('\n')

const NOT_HERE = whyNot()

describe('a real systemd', { skip: NOT_HERE, timeout: 300_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'gwproxy-boot-'))
  let machine: ChildProcess
  let init = 0

  before(async () => {
    mkdirSync(join(home, 'units/gwproxy.service.d'), { recursive: true })
    mkdirSync(join(home, 'config/credentials'), { recursive: true })
    for (const name of ['gwproxy.service', 'gwproxy.socket']) {
      cpSync(join(PACKAGING, name), join(home, 'units', name))
    }
    writeFileSync(join(home, 'units/gwproxy.service.d/test.conf'), DROP_IN)
    for (const name of TARGETS) {
      writeFileSync(join(home, `units/${name}.target`), '[Unit]\nDefaultDependencies=no\n')
    }
    const { certPem, keyPem } = await testCertificate(['app.test'])
    writeFileSync(join(home, 'config/credentials/tls.crt'), certPem)
    writeFileSync(join(home, 'config/credentials/tls.key'), keyPem)
    writeFileSync(join(home, 'config/all.yaml'), manifest())
    machine = spawn(BOOT, [ROOT, join(home, 'units'), join(home, 'config')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await until(() => {
      init = Number(spawnSync('pgrep', ['-P', String(machine.pid)]).stdout.toString()) || 0
      return init !== 0 && existsSync(`/proc/${init}/root/run/systemd/private`)
    })
  })

  after(async () => {
    machine.kill('SIGKILL')
    await once(machine, 'exit')
    await until(() => removeGroups(`gwproxy-boot-${machine.pid}`))
    rmSync(home, { recursive: true })
  })

  const within = (program: string, ...args: readonly string[]): Promise<CommandResult> =>
    command('nsenter', ['--target', String(init), '--all', program, ...args])
  const systemctl = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await within('systemctl', ...args)
    assert.equal(code, 0, `systemctl ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  const property = (name: string): Promise<string> =>
    systemctl('show', '--value', '--property', name, 'gwproxy.service')
  const ask = async (url: string): Promise<string> => {
    const options = ['-sk', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '30']
    const to = ['--resolve', 'app.test:443:127.0.0.1']
    return (await within('curl', ...options, ...to, url)).stdout
  }
  const log = (): string => readFileSync(`/proc/${init}/root/run/gwproxy.log`, 'utf8')
  const edit = (name: string, text: string): void =>
    writeFileSync(`/proc/${init}/root/etc/gwproxy/${name}`, text)

  it('starts it, ready when it serves, with a certificate from its credentials', async () => {
    await systemctl('start', 'gwproxy.service')
    assert.match(await property('StatusText'), /^serving generation 1: 3 objects of 1 file$/)
    assert.equal(await ask('http://127.0.0.1/'), '302')
    assert.equal(await ask('https://app.test/'), '302')
  })

  it('keeps it in its sandbox', async () => {
    const pid = await property('MainPID')
    const status = (await within('cat', `/proc/${pid}/status`)).stdout
    const user = (await within('id', '-u', 'gwproxy')).stdout.trim()
    assert.equal(/^Uid:\s+(\d+)/m.exec(status)?.[1], user)
    for (const set of ['CapEff', 'CapBnd', 'CapAmb']) {
      const mask = BigInt(`0x${new RegExp(`^${set}:\\s+(\\w+)`, 'm').exec(status)?.[1]}`)
      assert.equal(mask, CAP_NET_BIND_SERVICE, set)
    }
    assert.match(status, /^NoNewPrivs:\s+1$/m)
    assert.match(status, /^Seccomp:\s+2$/m)
  })

  it('reloads it, and says when something in the files is wrong', async () => {
    await systemctl('reload', 'gwproxy.service')
    edit('broken.yaml', 'kind: [')
    const { code } = await within('systemctl', 'reload', 'gwproxy.service')
    assert.equal(code, 1)
    assert.match(await property('StatusText'), /1 error/)
    assert.equal(await ask('http://127.0.0.1/'), '302')
    edit('broken.yaml', '')
    await systemctl('reload', 'gwproxy.service')
  })

  it('keeps its sockets over restarts, so that nobody is refused', async () => {
    await systemctl('stop', 'gwproxy.service')
    await systemctl('start', 'gwproxy.socket', 'gwproxy.service')
    const answers: string[] = []
    let isOver = false
    const asking = (async () => {
      while (!isOver) answers.push(await ask('http://127.0.0.1/'))
    })()
    for (let round = 0; round < 2; round += 1) await systemctl('restart', 'gwproxy.service')
    isOver = true
    await asking
    assert.deepEqual([...new Set(answers)], ['302'], answers.join())
    assert.equal(await property('NRestarts'), '0')
  })

  it('follows the main process over upgrades', async () => {
    let isOver = false
    const answers: string[] = []
    const asking = (async () => {
      while (!isOver) answers.push(await ask('http://127.0.0.1/'))
    })()
    const pids = [await property('MainPID')]
    for (const generation of [2, 3]) {
      const upgraded = await within('gwproxy', 'upgrade', '--admin', 'unix:/run/gwproxy/admin.sock')
      assert.equal(upgraded.code, 0, upgraded.stderr)
      const pid = /\(pid (\d+)\)/.exec(upgraded.stdout)?.[1]
      assert.equal(await property('MainPID'), pid, `${generation}: ${upgraded.stdout}`)
      pids.push(pid ?? '')
    }
    assert.equal(new Set(pids).size, 3)
    // Nobody stays in place: systemd knows the new one.
    const isThere = async (pid: string): Promise<boolean> =>
      (await within('kill', '-0', pid)).code === 0
    for (const pid of pids.slice(0, 2)) await untilAsync(async () => !(await isThere(pid)))

    const fed = (): Promise<string> => property('WatchdogTimestampMonotonic')
    for (const _ of [1, 2, 3]) {
      const before = await fed()
      await untilAsync(async () => (await fed()) !== before)
    }
    await systemctl('reload', 'gwproxy.service')
    const state = ['MainPID', 'ActiveState', 'SubState', 'NRestarts'].map(property)
    assert.deepEqual(await Promise.all(state), [pids[2], 'active', 'running', '0'])
    const before = log().length
    await systemctl('restart', 'gwproxy.service')
    isOver = true
    await asking
    // One that systemd did not take for its own child was killed at once.
    assert.match(log().slice(before), /"draining".*"drained; ending"/s)
    assert.deepEqual([...new Set(answers)], ['302'], answers.join())
    assert.ok(!pids.includes(await property('MainPID')))
    assert.deepEqual([await property('Result'), await property('NRestarts')], ['success', '0'])
  })

  it('starts it anew when it stands still', async () => {
    const before = await property('MainPID')
    await within('kill', '-STOP', before)
    const waiting = ask('http://127.0.0.1/')
    await untilAsync(async () => (await property('NRestarts')) === '1')
    await untilAsync(async () => (await property('SubState')) === 'running')
    assert.notEqual(await property('MainPID'), before)
    assert.equal(await waiting, '302')
    assert.match(log(), /"msg":"ready"/)
  })

  it('stops it in peace', async () => {
    await systemctl('stop', 'gwproxy.socket', 'gwproxy.service')
    assert.equal(await property('Result'), 'success')
    assert.equal(await property('ExecMainStatus'), '0')
  })
})

function manifest(): string {
  const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: 'to.test' } }
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 'www',
      annotations: { 'gwproxy.dev/from-directory': `\${CREDENTIALS_DIRECTORY}` },
    },
    type: 'kubernetes.io/tls',
  }
  const listeners = [
    httpListener('http', 80),
    tlsListener('https', 443, undefined, ['www'], 'HTTPS'),
  ]
  const { apiVersion, kind, metadata, spec } = gateway(listeners, { addresses: [] })
  const wildcard = { apiVersion, kind, metadata, spec }
  return yaml(wildcard, secret, httpRoute('r', undefined, [{ filters: [redirect] }]))
}

async function untilAsync(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000
  while (!(await holds())) assert.ok(performance.now() < end, 'never held')
}

/** A group goes when those below it have, and its processes. False: not yet. */
function removeGroups(name: string): boolean {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
  const hierarchy = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1] ?? ''
  const remove = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) remove(join(directory, entry.name))
    }
    rmdirSync(directory)
  }
  try {
    remove(join(hierarchy, name))
    return true
  } catch {
    return false
  }
}

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'namespaces with mounts of their own need root'
  if (!existsSync('/lib/systemd/systemd')) return 'there is no systemd here'
  if (!/^\S+ \S+ cgroup2 rw/m.test(readFileSync('/proc/self/mounts', 'utf8'))) {
    return 'there are no control groups of version 2 here'
  }
  const namespaces = ['--pid', '--fork', '--mount', '--net', '--cgroup', '--uts', '--ipc']
  const mount = 'mount -t tmpfs own /mnt'
  return spawnSync('unshare', [...namespaces, 'sh', '-c', mount]).status === 0
    ? false
    : 'no namespaces can be made here'
}
