/**
 * What the control groups of this process allow (cgroups(7)): processor time and memory, of both
 * versions, read once at the start. A group's limit holds for all below it, so that the tightest
 * from our own up to the top counts. Affinity and cpuset are not looked at: the kernel has put them
 * together in the process's own mask.
 */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { MemoryLimit } from '../ipc/messages.ts'

export interface CgroupLimits {
  /** Processors' worth of time, such as 1.5; undefined: no limit. */
  readonly cpus: number | undefined
  /** Of the group whose limit is the tightest. */
  readonly memory: MemoryLimit | undefined
}

interface Hierarchy {
  readonly version: 1 | 2
  readonly controllers: readonly string[]
  /** Directories from our own group up to the topmost that can be seen. */
  readonly groups: readonly string[]
}

/** `root` stands for `/`, in tests. Without control groups, or without a way to read them: no limits. */
export function readCgroupLimits(root = '/'): CgroupLimits {
  const hierarchies = hierarchiesOf(root)
  const cpus = hierarchies.flatMap(cpuLimits)
  const memory = hierarchies.flatMap(memoryLimits)
  return {
    cpus: cpus.length === 0 ? undefined : Math.min(...cpus),
    memory: memory.toSorted((a, b) => a.limitBytes - b.limitBytes)[0],
  }
}

function cpuLimits({ version, controllers, groups }: Hierarchy): readonly number[] {
  if (version === 1 && !controllers.includes('cpu')) return []
  return groups.flatMap((group) => {
    const [quota, period] =
      version === 2
        ? (read(join(group, 'cpu.max')) ?? '').split(' ').map(Number)
        : ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) => numberIn(join(group, name)))
    // `max`, -1 or nothing at all: no limit.
    const cpus = Number(quota) / Number(period)
    return Number.isFinite(cpus) && cpus > 0 ? cpus : []
  })
}

function memoryLimits({ version, controllers, groups }: Hierarchy): readonly MemoryLimit[] {
  if (version === 1 && !controllers.includes('memory')) return []
  // Above memory.high the kernel slows a process down until it is of no use.
  const names = version === 2 ? ['memory.max', 'memory.high'] : ['memory.limit_in_bytes']
  const usage = version === 2 ? 'memory.current' : 'memory.usage_in_bytes'
  const cacheField = version === 2 ? 'inactive_file' : 'total_inactive_file'
  return groups.flatMap((group) =>
    names.flatMap((name) => {
      const limitBytes = numberIn(join(group, name))
      // Version 1 says "no limit" by the largest number of pages.
      if (!(limitBytes > 0 && limitBytes < Number.MAX_SAFE_INTEGER)) return []
      const usagePath = join(group, usage)
      return [{ limitBytes, usagePath, statPath: join(group, 'memory.stat'), cacheField }]
    }),
  )
}

/** From /proc/self/cgroup (where we are) and /proc/self/mountinfo (where that can be read). */
function hierarchiesOf(root: string): readonly Hierarchy[] {
  const mounts = (read(join(root, 'proc/self/mountinfo')) ?? '').split('\n').flatMap(mountOf)
  const places = (read(join(root, 'proc/self/cgroup')) ?? '').split('\n')
  return places.flatMap((line) => {
    const [, id, controllerList, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? []
    if (id === undefined || path === undefined) return []
    const controllers = (controllerList ?? '').split(',').filter((name) => name !== '')
    const version = controllers.length === 0 ? 2 : 1
    const mount = mounts.find(
      (one) => one.version === version && controllers.every((name) => one.options.includes(name)),
    )
    if (mount === undefined) return []
    const groups = groupsOf(path, mount).map((group) => join(root, group))
    return [{ version, controllers, groups }]
  })
}

interface Mount {
  readonly version: 1 | 2
  /** The group that is seen at `point`. */
  readonly root: string
  readonly point: string
  readonly options: readonly string[]
}

/** `36 35 98:0 /root /point rw,noatime shared:1 - cgroup2 cgroup2 rw,nsdelegate` (proc_pid_mountinfo(5)) */
function mountOf(line: string): readonly Mount[] {
  const [own = '', rest = ''] = line.split(' - ')
  const [, , , root, point] = own.split(' ')
  const [type, , options] = rest.split(' ')
  if (root === undefined || point === undefined) return []
  if (type !== 'cgroup' && type !== 'cgroup2') return []
  return [
    {
      version: type === 'cgroup2' ? 2 : 1,
      root: unescapeOctal(root),
      point: unescapeOctal(point),
      options: (options ?? '').split(','),
    },
  ]
}

function groupsOf(path: string, { root, point }: Mount): readonly string[] {
  const below = relative(root, path)
  // Of another namespace's tree: what is mounted is all that can be seen.
  if (below === '' || below.startsWith('..')) return [point]
  const names = below.split('/')
  return [...names.keys(), names.length]
    .map((depth) => join(point, ...names.slice(0, depth)))
    .reverse()
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  )
}

/** NaN: there is no such number. */
function numberIn(path: string): number {
  return Number(read(path)?.trim() || Number.NaN)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd()
  } catch {
    return undefined
  }
}
