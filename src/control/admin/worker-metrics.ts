/** The workers' own state: processes, event loops, endpoints as each of them sees them. */
import type { WorkerView } from '../supervisor.ts'
import type { AddCounter, AddGauge } from './metric-families.ts'

export interface WorkersSource {
  readonly workers: readonly WorkerView[]
  readonly up: number
  readonly restarts: number
}

const QUANTILES = { p50: '0.5', p99: '0.99', max: '1' } as const

/** `droppedLines`: of the main process. */
export function addWorkers(
  gauge: AddGauge,
  counter: AddCounter,
  source: WorkersSource,
  droppedLines: () => number,
): void {
  gauge('gwproxy_workers', 'Workers that are up.', [], (set) => set(source.up))
  gauge('gwproxy_connections_active', 'Open connections.', ['worker'], (set) => {
    for (const { slot, stats } of source.workers) {
      set(stats.connections, { worker: String(slot) })
    }
  })
  gauge('gwproxy_exchanges_active', 'Running HTTP exchanges.', ['worker'], (set) => {
    for (const { slot, stats } of source.workers) {
      set(stats.exchanges, { worker: String(slot) })
    }
  })
  gauge('gwproxy_runtimes', 'Compiled configurations alive.', ['worker'], (set) => {
    for (const { slot, stats } of source.workers) {
      set(stats.runtimes, { worker: String(slot) })
    }
  })
  gauge(
    'gwproxy_endpoint_healthy',
    '1 while the endpoint is not ejected.',
    ['worker', 'upstream', 'endpoint'],
    (set) => {
      for (const { slot, endpoints } of source.workers) {
        for (const { upstream, endpoint, healthy } of endpoints) {
          set(healthy ? 1 : 0, { worker: String(slot), upstream, endpoint })
        }
      }
    },
  )
  gauge(
    'gwproxy_event_loop_delay_seconds',
    'How much later than asked the event loop came to a timer, over the last second.',
    ['worker', 'quantile'],
    (set) => {
      for (const { slot, stats } of source.workers) {
        for (const name of ['p50', 'p99', 'max'] as const) {
          const labels = { worker: String(slot), quantile: QUANTILES[name] }
          set(stats.loopDelayMs[name] / 1000, labels)
        }
      }
    },
  )
  gauge('gwproxy_worker_resident_memory_bytes', 'Memory of the process.', ['worker'], (set) => {
    for (const { slot, stats } of source.workers) set(stats.residentBytes, { worker: String(slot) })
  })
  counter('gwproxy_worker_cpu_seconds_total', 'Processor time.', ['worker'], (add) => {
    for (const { slot, stats } of source.workers) add(stats.cpuSeconds, { worker: String(slot) })
  })
  counter(
    'gwproxy_worker_restarts_total',
    'Worker processes that ended and were started again.',
    [],
    (add) => add(source.restarts),
  )
  counter(
    'gwproxy_log_lines_dropped_total',
    'Log lines that were lost since whoever reads them did not keep up.',
    ['worker'],
    (add) => {
      add(droppedLines(), { worker: 'main' })
      for (const { slot, stats } of source.workers)
        add(stats.droppedLines, { worker: String(slot) })
    },
  )
}
