/**
 * How many processes there are and how much memory each heap may take, so that all of them fit what
 * the machine or the container gives. Pure; figures are MiB.
 */

export interface Machine {
  /** Processors that the process may run on. */
  readonly processors: number
  /** Processors' worth of time by the control group; undefined: all of it. */
  readonly cpus: number | undefined
  /** undefined: no limit but the machine's own, which V8 knows. */
  readonly memoryBytes: number | undefined
}

export interface Budget {
  /** Worker processes; 0: the data plane runs in the main process. */
  readonly workers: number
  /** undefined: as V8 chooses. */
  readonly heaps: Heaps | undefined
  /**
   * Set when the limit leaves less than 32 MiB for a unit of weight, whether the heaps still fit it
   * or not: the least that would do.
   */
  readonly wantedMiB: number | undefined
}

/** MiB of each isolate's heap. */
export interface Heaps {
  readonly main: number
  readonly configThread: number
  readonly worker: number
}

/** The rest is the kernel's: its buffers of our sockets count, too. */
const OWN_SHARE = 0.8
/** Of a process beside its heap: code, stacks, TLS, buffers. Measured: 35 to 50. */
const PROCESS_MIB = 40
/** Below this V8 does little else than collect. */
const LEAST_HEAP_MIB = 32
/** A worker of its own is worth at least this heap. */
const LEAST_WORKER_HEAP_MIB = 64
/** More than V8 takes by itself is no gain. */
const MOST_HEAP_MIB = 4096
/** The config thread holds the objects of all files, a data plane the snapshot compiled. */
const WEIGHTS = { control: 1, configThread: 2, dataPlane: 2 }

const MIB = 1024 * 1024

export function planBudget(workers: 'auto' | number, machine: Machine): Budget {
  const count = workers === 'auto' ? automaticWorkers(machine) : workers
  const { memoryBytes } = machine
  if (memoryBytes === undefined) return { workers: count, heaps: undefined, wantedMiB: undefined }
  const part = partOf(memoryBytes / MIB, count)
  const least = (LEAST_HEAP_MIB * weightOf(count) + ownMiB(count)) / OWN_SHARE
  return {
    workers: count,
    heaps: {
      main: bounded(part * (WEIGHTS.control + (count === 0 ? WEIGHTS.dataPlane : 0))),
      configThread: bounded(part * WEIGHTS.configThread),
      worker: bounded(part * WEIGHTS.dataPlane),
    },
    wantedMiB: part < LEAST_HEAP_MIB ? Math.ceil(least) : undefined,
  }
}

/** A worker for each processor, rounded up as Go and the JVM do, while memory lasts; none on one. */
function automaticWorkers({ processors, cpus = processors, memoryBytes }: Machine): number {
  let count = Math.min(processors, Math.ceil(cpus))
  if (memoryBytes !== undefined) {
    const fits = (workers: number): boolean =>
      partOf(memoryBytes / MIB, workers) * WEIGHTS.dataPlane >= LEAST_WORKER_HEAP_MIB
    while (count > 1 && !fits(count)) count -= 1
  }
  return count <= 1 ? 0 : count
}

/** What one unit of weight is worth. */
function partOf(limitMiB: number, workers: number): number {
  return (limitMiB * OWN_SHARE - ownMiB(workers)) / weightOf(workers)
}

function ownMiB(workers: number): number {
  return PROCESS_MIB * (1 + workers)
}

function weightOf(workers: number): number {
  return WEIGHTS.control + WEIGHTS.configThread + WEIGHTS.dataPlane * Math.max(1, workers)
}

function bounded(heapMiB: number): number {
  return Math.floor(Math.min(MOST_HEAP_MIB, Math.max(LEAST_HEAP_MIB, heapMiB)))
}
