/** On one core the threads of a gwproxy share it: those that load and collect must not crowd out traffic. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { startDaemon } from '../support/daemon.ts'
import { gateway, httpListener, yaml } from '../support/manifests.ts'

const LAUNCHER = resolve(import.meta.dirname, '../../bin/gwproxy')
const files = { 'all.yaml': yaml(gateway([httpListener('http', 8080)])) }

it('the config thread lets the others go first, and no other thread does', async () => {
  const daemon = await startDaemon({ files })
  const polite = threadsOf(daemon.pid).filter(({ nice }) => nice > ownNice())
  assert.deepEqual(
    polite.map(({ name }) => name),
    ['gwproxy-config'],
  )
  assert.equal(await daemon.stop(), 0)
})

it('V8 has one thread of its own, unless the operator says otherwise', async () => {
  for (const [NODE_OPTIONS, expected] of [
    ['', ['--v8-pool-size=1']],
    ['--v8-pool-size=2', []],
  ] as const) {
    const daemon = await startDaemon({
      files,
      env: { NODE_OPTIONS },
      launcher: ['taskset', '-c', firstCore(), LAUNCHER],
    })
    const flags = commandLine(daemon.pid).filter((word) => word.startsWith('--v8-'))
    assert.deepEqual(flags, expected)
    assert.equal(await daemon.stop(), 0)
  }
})

interface Thread {
  readonly name: string
  readonly nice: number
}

function threadsOf(pid: number): readonly Thread[] {
  const directory = `/proc/${pid}/task`
  return readdirSync(directory).map((thread) => threadAt(join(directory, thread)))
}

/** The name stands in parentheses and may hold anything; 19 is nice (proc_pid_stat(5)). */
function threadAt(path: string): Thread {
  const stat = readFileSync(join(path, 'stat'), 'latin1')
  const name = readFileSync(join(path, 'comm'), 'utf8').trim()
  return { name, nice: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19 - 3]) }
}

function ownNice(): number {
  return threadAt('/proc/self').nice
}

function commandLine(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
}

/** One that we may use. */
function firstCore(): string {
  const status = readFileSync('/proc/self/status', 'utf8')
  return /^Cpus_allowed_list:\s*(\d+)/m.exec(status)?.[1] ?? '0'
}
