/** What this process may use of the machine, and how it becomes one that keeps to its heap. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { type Budget, type Heaps, type Machine, planBudget } from './budget.ts'
import { type CgroupLimits, readCgroupLimits } from './cgroup.ts'

/** V8's flag for the whole heap, young generation included. */
const HEAP_FLAG = '--max-heap-size'
/** What the launcher gives a heap without a limit; within a limit V8 gives it a share. */
const YOUNG_FLAG = '--max-semi-space-size=8'
/** An operator's own word on the heap, with which ours could not be combined. */
const HEAP_FLAGS = /--max[-_](?:old[-_]space|heap|semi[-_]space)[-_]size/

export interface MachineLimits extends Machine {
  readonly cgroup: CgroupLimits
}

/** `root` stands for `/`, in tests. */
export function readMachine(root = '/'): MachineLimits {
  const cgroup = readCgroupLimits(root)
  return {
    processors: processors(root),
    cpus: cgroup.cpus,
    memoryBytes: cgroup.memory?.limitBytes,
    cgroup,
  }
}

/** Our mask, which has affinity and cpuset in it. Node's own count rounds a quota down. */
function processors(root: string): number {
  try {
    const status = readFileSync(`${root}/proc/self/status`, 'utf8')
    const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(status)?.[1] ?? ''
    const count = list.split(',').reduce((sum, range) => {
      const [first, last = first] = range.split('-').map(Number)
      return sum + (Number(last) - Number(first) + 1)
    }, 0)
    if (count >= 1) return count
  } catch {
    // Not Linux, or no /proc.
  }
  return availableParallelism()
}

/**
 * Flags for a process; none where nothing limits it, or where the operator has said something.
 * `ownMiB`: what this process may have been given by us.
 */
export function heapFlags(
  heaps: Heaps | undefined,
  role: 'main' | 'worker',
  ownMiB = heaps?.main,
): readonly string[] {
  if (heaps === undefined) return []
  const flag = (heapMiB: number): string => `${HEAP_FLAG}=${heapMiB}`
  const ours = ownMiB === undefined ? [YOUNG_FLAG] : [YOUNG_FLAG, flag(ownMiB)]
  const inherited = process.execArgv.filter((one) => !ours.includes(one))
  const isToldOtherwise = HEAP_FLAGS.test([...inherited, process.env['NODE_OPTIONS']].join(' '))
  return isToldOtherwise ? [] : [flag(heaps[role])]
}

/** Our own flags with which another process of ours is started that gets these as well. */
export function execArgvWith(flags: readonly string[]): readonly string[] {
  const own = process.execArgv
  return [...(flags.length === 0 ? own : own.filter((one) => one !== YOUNG_FLAG)), ...flags]
}

/** For the main process of an upgrade: by the limits as they are now, as it plans itself. */
export function successorHeapFlags(workers: 'auto' | number, own: Budget): readonly string[] {
  return heapFlags(planBudget(workers, readMachine()).heaps, 'main', own.heaps?.main)
}

/**
 * Starts the program anew in this very process with the heap that the budget gives it: V8 takes no
 * other limit once it runs. Returns when there is nothing to do: no limit, it is done already, or
 * what came with the process (sockets of systemd, a channel to a parent) would be lost on the way.
 */
export function becomeBounded({ heaps }: Budget): void {
  const isHandedOver = process.env['LISTEN_FDS'] !== undefined || process.connected
  const flags = heapFlags(heaps, 'main')
  if (isHandedOver || flags.length === 0 || flags.every((flag) => process.execArgv.includes(flag)))
    return
  const [script = '', ...args] = process.argv.slice(1)
  process.execve?.(
    process.execPath,
    [process.execPath, ...execArgvWith(flags), script, ...args],
    process.env,
  )
}
