/** As PID 1 of a container without an init: signals arrive, orphans are reaped, the end is told. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { AdminClient } from '../../src/control/admin/client.ts'
import { bindTcp } from '../../src/control/bind-tcp.ts'
import { curl } from '../support/command.ts'
import { ownAddress } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, yaml } from '../support/manifests.ts'
import { until } from '../support/until.ts'

const PORT = 8080
/** A process namespace; whoever is not root gets one within a user namespace. */
const NAMESPACE = [
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ...['--pid', '--fork', '--kill-child', '--mount-proc'],
]
const NO_NAMESPACE =
  spawnSync('unshare', [...NAMESPACE, 'true']).status === 0
    ? false
    : 'no process namespace can be made here'

interface Container {
  readonly process: ChildProcess
  /** PID 1, by its number outside. */
  readonly init: number
  readonly address: string
  readonly directory: string
  log(): string
}

async function start(
  passed?: (address: string) => number,
  env: Readonly<Record<string, string>> = {},
): Promise<Container> {
  const address = ownAddress()
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-init-'))
  after(() => rmSync(directory, { recursive: true }))
  writeFileSync(
    join(directory, 'all.yaml'),
    yaml(gateway([httpListener('http', PORT)], { addresses: [{ value: address }] })),
  )
  const admin = `unix:${join(directory, 'admin.sock')}`
  const options = ['--admin', admin, '--metrics', 'off', '--log-format', 'json', '--workers', '1']
  const fd = passed?.(address)
  const child = spawn(
    'unshare',
    [...NAMESPACE, LAUNCHER, 'run', '--config', directory, ...options],
    {
      stdio: ['ignore', 'pipe', 'inherit', ...(fd === undefined ? [] : [fd])],
      env: {
        ...process.env,
        ...(fd !== undefined && { LISTEN_FDS: '1', LISTEN_PID: '1' }),
        ...env,
      },
    },
  )
  after(() => child.kill('SIGKILL'))
  let log = ''
  child.stdout?.on('data', (text: Buffer) => {
    log += text.toString()
  })
  await until(() => log.includes('"msg":"ready"'))
  const [init = 0] = childrenOf(child.pid ?? 0)
  return { process: child, init, address, directory, log: () => log }
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

async function status(address: string): Promise<string> {
  const { stdout } = await curl([
    ...['-o', '/dev/null', '-w', '%{http_code}', '--max-time', '60'],
    `http://${address}:${PORT}/`,
  ])
  return stdout
}

describe('as PID 1', { skip: NO_NAMESPACE }, () => {
  it('passes signals on and ends as the daemon does', { timeout: 60_000 }, async () => {
    const { process: container, init, log } = await start()
    process.kill(init, 'SIGHUP')
    await until(() => log().includes('"msg":"reloaded"'))
    process.kill(init, 'SIGUSR1')
    process.kill(init, 'SIGTERM')
    assert.deepEqual(await once(container, 'exit'), [0, null])
    assert.ok(log().includes('drained; ending'))
  })

  it('tells when the daemon was killed', { timeout: 60_000 }, async () => {
    const { process: container, init } = await start()
    const [daemon = 0] = childrenOf(init)
    process.kill(daemon, 'SIGKILL')
    assert.deepEqual(await once(container, 'exit'), [137, null])
  })

  it('reaps what others leave behind', { timeout: 60_000 }, async () => {
    const { process: container, init, directory } = await start()
    const within = ['--target', String(init), '--pid', '--mount']
    if (process.getuid?.() !== 0) within.push('--user', '--preserve-credentials')
    // Its parent is gone at once, so that PID 1 has it; it ends when somebody writes to the pipe.
    const pipe = join(directory, 'pipe')
    const script = `mkfifo ${pipe} && (read end < ${pipe} &)`
    assert.equal(
      spawnSync('nsenter', [...within, 'sh', '-c', script], { stdio: 'ignore' }).status,
      0,
    )
    await until(() => childrenOf(init).length === 2)
    writeFileSync(pipe, '\n')
    await until(
      () => childrenOf(init).length === 1,
      () => 'a zombie stays',
    )
    process.kill(init, 'SIGTERM')
    assert.deepEqual(await once(container, 'exit'), [0, null])
  })

  it('takes the sockets that were passed to it', { timeout: 60_000 }, async () => {
    const {
      process: container,
      init,
      address,
    } = await start((own) => {
      const bound = bindTcp(own, PORT)
      assert.ok(bound.kind === 'bound')
      after(() => bound.handle.close())
      return (bound.handle as unknown as { readonly fd: number }).fd
    })
    assert.equal(await status(address), '404')
    process.kill(init, 'SIGTERM')
    assert.deepEqual(await once(container, 'exit'), [0, null])
  })

  it('stays over an upgrade, also where a service manager is told', {
    timeout: 60_000,
  }, async () => {
    for (const env of [{}, { NOTIFY_SOCKET: '/nowhere' }]) {
      const { process: container, init, address, directory, log } = await start(undefined, env)
      const admin = new AdminClient({ kind: 'unix', path: join(directory, 'admin.sock') })
      await admin.post('/upgrade')
      await until(() => log().includes('staying for those who know this pid'))
      assert.equal(await status(address), '404')
      process.kill(init, 'SIGTERM')
      assert.deepEqual(await once(container, 'exit'), [0, null])
      assert.ok(log().includes('drained; ending'))
    }
  })
})
