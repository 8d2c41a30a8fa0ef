/**
 * Within a control group, as in a container or a systemd unit with limits: workers and heaps are
 * planned by it, and memory that runs out refuses newcomers before the kernel kills.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it, type TestContext } from 'node:test'
import type { UpgradeReport } from '../../src/control/admin/contract.ts'
import { type ControlGroup, type Limits, makeControlGroup } from '../support/control-group.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'
import { until } from '../support/until.ts'

const PORT = 8080
const MIB = 1024 * 1024
/** Every request is redirected. */
function manifest(statusCode: 301 | 302): string {
  const filter = { type: 'RequestRedirect', requestRedirect: { hostname: 'to.test', statusCode } }
  return yaml(
    gateway([httpListener('http', PORT)]),
    httpRoute('r', undefined, [{ filters: [filter] }]),
  )
}

/** undefined: the test is skipped, as no group can be made here. */
function groupFor(test: TestContext, limits: Limits): ControlGroup | undefined {
  const group = makeControlGroup(limits)
  if (typeof group !== 'string') return group
  test.skip(group)
  return undefined
}

function start(group: ControlGroup, options: Partial<Parameters<typeof startDaemon>[0]> = {}) {
  return startDaemon({
    files: { 'all.yaml': manifest(302) },
    ...options,
    launcher: [...group.launcher, LAUNCHER],
  })
}

function commandLine(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
}

it('--workers auto keeps to the quota', { timeout: 60_000 }, async (test) => {
  const group = groupFor(test, { cpus: 0.5 })
  if (group === undefined) return
  const daemon = await start(group, { workers: 'auto' })
  const line = await daemon.line(({ msg }) => msg === 'limited by the control group')
  assert.deepEqual([line['cpus'], line['workers']], [0.5, 0])
  const started = daemon.lines.filter(({ msg }) => msg === 'worker started')
  assert.deepEqual(
    started.map(({ pid }) => pid),
    [daemon.pid],
  )
  assert.equal(await daemon.stop(), 0)
})

it('heaps of workers and of the config thread fit the memory', {
  timeout: 60_000,
}, async (test) => {
  const group = groupFor(test, { memoryMiB: 600 })
  if (group === undefined) return
  const daemon = await start(group, { workers: 2 })
  const line = await daemon.line(({ msg }) => msg === 'limited by the control group')
  const heaps = line['heapMiB'] as { readonly worker: number }
  const worker = await daemon.line(({ msg }) => msg === 'worker started')
  assert.ok(commandLine(Number(worker['pid'])).includes(`--max-heap-size=${heaps.worker}`))
  assert.equal(await daemon.stop(), 0)
})

it('the main process, too, and the operator’s own word counts', {
  timeout: 60_000,
}, async (test) => {
  const group = groupFor(test, { memoryMiB: 256 })
  if (group === undefined) return
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-limits-'))
  const address = ownAddress()
  writeFileSync(
    join(directory, 'all.yaml'),
    yaml(gateway([httpListener('http', PORT)], { addresses: [{ value: address }] })),
  )
  const options = ['--admin', 'off', '--metrics', 'off', '--log-format', 'json']
  const [sh, ...first] = group.launcher
  for (const [NODE_OPTIONS, expected] of [
    ['', /^--max-heap-size=\d+$/],
    ['--max-old-space-size=100', /^--max-semi-space-size=8$/],
    ['--max-semi-space-size=2', /^$/],
  ] as const) {
    const child = spawn(sh, [...first, LAUNCHER, 'run', '--config', directory, ...options], {
      env: { ...process.env, NODE_OPTIONS },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    after(() => child.kill('SIGKILL'))
    let log = ''
    child.stdout.on('data', (text: Buffer) => {
      log += text.toString()
    })
    await until(() => log.includes('"ready"'))
    // Not only the flag: the process that the shell began is still the same.
    const flags = commandLine(child.pid ?? 0).filter((word) => word.startsWith('--max-'))
    assert.match(flags.join(), expected)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  }
  rmSync(directory, { recursive: true })
})

it('the main process of an upgrade, too, by the limit as it is then', {
  timeout: 60_000,
}, async (test) => {
  const group = groupFor(test, { memoryMiB: 700 })
  if (group === undefined) return
  const daemon = await start(group, { workers: 1 })
  const heaps: unknown[] = []
  for (const memoryMiB of [700, 600]) {
    group.limitMemory(memoryMiB)
    const { pid } = await daemon.admin.post<UpgradeReport>('/upgrade')
    const told = daemon.lines.findLast(({ msg }) => msg === 'limited by the control group')
    assert.ok(told !== undefined)
    const { main, worker } = told['heapMiB'] as { main: number; worker: number }
    assert.ok(commandLine(pid).includes(`--max-heap-size=${main}`), commandLine(pid).join(' '))
    const started = daemon.lines.findLast(({ msg }) => msg === 'worker started')
    assert.ok(commandLine(Number(started?.['pid'])).includes(`--max-heap-size=${worker}`))
    assert.ok(!readFileSync(`/proc/${pid}/environ`, 'latin1').includes('HEAP_FLAG'))
    heaps.push(main)
  }
  assert.equal(new Set(heaps).size, 2)
  assert.equal(await daemon.stop(), 0)
})

it('memory that runs out refuses newcomers only, and for as long', {
  timeout: 180_000,
}, async (test) => {
  const memoryMiB = 512
  const group = groupFor(test, { memoryMiB })
  if (group === undefined) return
  const daemon = await start(group)
  const live = net.connect(PORT, daemon.address)
  await once(live, 'connect')
  assert.equal(await answerOn(live), 302)

  const hog = Math.round(memoryMiB * 0.93 - group.workingSet())
  // What tail cannot print before the end of its line it keeps.
  const script = `(head -c ${hog * MIB} /dev/zero; read stays) | tail -n 1 > /dev/null`
  const [sh, ...first] = group.launcher
  const eater = spawn(sh, [...first, 'bash', '-c', script], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  after(() => eater.kill('SIGKILL'))
  await until(() => daemon.lines.some(({ msg }) => msg === 'overload: memory') || knock(daemon))
  assert.equal(await answerOn(live), 302, 'who is served goes on')
  assert.equal(await tryOnce(daemon), 'ECONNRESET')

  eater.stdin.end()
  await once(eater, 'exit')
  await daemon.line(({ msg }) => msg === 'overload (memory) is over')
  assert.equal(await tryOnce(daemon), 302)
  assert.equal(group.kills(), 0)
  live.destroy()
  assert.equal(await daemon.stop(), 0)
})

it('files that need more memory than there is stop nothing but themselves', {
  timeout: 180_000,
}, async (test) => {
  const group = groupFor(test, { memoryMiB: 200 })
  if (group === undefined) return
  const daemon = await start(group)
  daemon.write({ 'huge.yaml': hugeDocument() })
  await until(
    () => daemon.lines.some(({ msg }) => /config thread died: .*memory limit/.test(String(msg))),
    () => 'the config thread lives',
  )
  assert.equal(await tryOnce(daemon), 302)
  daemon.write({ 'huge.yaml': undefined, 'all.yaml': manifest(301) })
  await daemon.line(({ generation }) => generation === 2)
  assert.equal(await tryOnce(daemon), 301)
  assert.equal(group.kills(), 0)
  assert.equal(await daemon.stop(), 0)
})

/**
 * Small as a text, a gigabyte as a tree: the heap is full at once. Where it fills slowly, with objects
 * that stay, V8 collects it again and again first, for ten seconds of CPU.
 */
function hugeDocument(): string {
  return `x: &a [${'[],'.repeat(1_000_000)}]\n`
}

/** The daemon says that it refuses when it has refused somebody. Gives false, for `until`. */
function knock({ address }: Daemon): false {
  net
    .connect(PORT, address)
    .on('error', () => undefined)
    .end()
  return false
}

/** The status of an answer on an open connection. */
async function answerOn(socket: net.Socket): Promise<number> {
  socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
  const [head] = (await once(socket, 'data')) as [Buffer]
  return Number(/^HTTP\/1.1 (\d+)/.exec(head.toString())?.[1])
}

/** The status, or the errno of a connection that was refused. */
function tryOnce({ address }: Daemon): Promise<number | string> {
  const socket = net.connect(PORT, address)
  const failed = once(socket, 'error').then(([error]) => String((error as { code: string }).code))
  return Promise.race([answerOn(socket), failed]).finally(() => socket.destroy())
}
