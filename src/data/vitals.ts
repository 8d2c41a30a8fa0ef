/** How a worker's process feels: the delay of its event loop, its memory, its processor time. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { WorkerStats } from '../ipc/messages.ts'

const RESOLUTION_MS = 20
const NS_IN_MS = 1e6

export class Vitals {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  constructor() {
    this.#delay.enable()
  }

  /** The delay since the last call, the rest as it is now. */
  read(): Pick<WorkerStats, 'loopDelayMs' | 'residentBytes' | 'cpuSeconds'> {
    const late = (ns: number): number => Math.max(0, ns / NS_IN_MS - RESOLUTION_MS)
    const loopDelayMs = {
      p50: late(this.#delay.percentile(50)),
      p99: late(this.#delay.percentile(99)),
      max: late(this.#delay.max),
    }
    this.#delay.reset()
    const { user, system } = process.cpuUsage()
    return {
      loopDelayMs,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
    }
  }

  stop(): void {
    this.#delay.disable()
  }
}
