/**
 * A control group of the test's own, where the machine lets one be made (root, and a writable
 * hierarchy of version 2 or 1); removed with the test file.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { until } from './until.ts'

const ROOT = '/sys/fs/cgroup'
const MIB = 1024 * 1024

export interface Limits {
  /** Processors' worth of time. */
  readonly cpus?: number
  readonly memoryMiB?: number
}

export interface ControlGroup {
  /** The beginning of a command line that runs the rest of it within. */
  readonly launcher: readonly [string, ...string[]]
  /** Another limit from now on. */
  limitMemory(memoryMiB: number): void
  /** MiB in use, without page cache that nobody misses. */
  workingSet(): number
  /** How often the kernel has killed for want of memory. */
  kills(): number
}

let count = 0

/** A sentence instead: why there is none. */
export function makeControlGroup(limits: Limits): ControlGroup | string {
  const isVersion2 = existsSync(join(ROOT, 'cgroup.controllers'))
  count += 1
  const name = `gwproxy-test-${process.pid}-${count}`
  const memoryFile = isVersion2 ? 'memory.max' : 'memory.limit_in_bytes'
  const directories: string[] = []
  const make = (controller: string, files: Readonly<Record<string, string>>): void => {
    const directory = join(ROOT, isVersion2 ? '' : controller, name)
    if (!directories.includes(directory)) {
      mkdirSync(directory)
      directories.push(directory)
    }
    for (const [file, value] of Object.entries(files)) writeFileSync(join(directory, file), value)
  }
  const remove = async (): Promise<void> => {
    for (const directory of directories) {
      const isEmpty = (): boolean => readFileSync(join(directory, 'cgroup.procs'), 'utf8') === ''
      await until(isEmpty, () => `${directory} is in use`)
      rmdirSync(directory)
    }
  }
  try {
    if (limits.cpus !== undefined) {
      const quota = String(Math.round(limits.cpus * 100_000))
      if (isVersion2) make('cpu', { 'cpu.max': `${quota} 100000` })
      else make('cpu', { 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': quota })
    }
    if (limits.memoryMiB !== undefined) {
      make('memory', { [memoryFile]: String(limits.memoryMiB * MIB) })
    }
  } catch (error) {
    for (const directory of directories) rmdirSync(directory)
    return `no control group can be made here: ${String(error)}`
  }
  after(remove)
  const directory = directories.at(-1) ?? ''
  const join_ = directories.map((directory) => `echo $$ > ${directory}/cgroup.procs`).join(' && ')
  return {
    launcher: ['sh', '-c', `${join_} && exec "$0" "$@"`],
    limitMemory: (memoryMiB) => {
      writeFileSync(join(directory, memoryFile), String(memoryMiB * MIB))
    },
    workingSet: () => {
      const usage = isVersion2 ? 'memory.current' : 'memory.usage_in_bytes'
      const cache = /^(?:total_)?inactive_file (\d+)$/gm
      const stat = readFileSync(join(directory, 'memory.stat'), 'utf8')
      const cached = Number([...stat.matchAll(cache)].at(-1)?.[1])
      return (Number(readFileSync(join(directory, usage), 'utf8')) - cached) / MIB
    },
    kills: () => {
      const file = isVersion2 ? 'memory.events' : 'memory.oom_control'
      return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(directory, file), 'utf8'))?.[1])
    },
  }
}
