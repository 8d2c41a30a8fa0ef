/**
 * What control itself knows, in Prometheus' text format. Read at each scrape from the live objects,
 * so nothing is kept in step by hand. Names follow the operations guide 7.1; no label holds
 * anything that a client chose.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { ControlPlane } from '../control-plane.ts'

export interface Metrics {
  /** The exposition, text format 0.0.4. */
  text(): Promise<string>
}

export function createMetrics(plane: ControlPlane, build: string): Metrics {
  const register = new Registry()
  collectDefaultMetrics({ register })
  const gauge = gauges(register)

  gauge('build_info', 'Always 1; the labels name the build.', ['version', 'node'], (set) =>
    set(1, { version: build, node: process.versions.node }),
  )
  gauge('ready', '1 when /readyz answers 200.', [], (set) => {
    const { state } = plane.ready
    set(state === 'ready' || state === 'degraded' ? 1 : 0)
  })
  addConfig(gauge, plane)
  addWorkers(gauge, plane)
  addCounters(register, plane)
  return { text: () => register.metrics() }
}

function addCounters(register: Registry, plane: ControlPlane): void {
  new Counter({
    name: 'gwproxy_worker_restarts_total',
    help: 'Worker processes that ended and were started again.',
    registers: [register],
    collect() {
      this.reset()
      this.inc(plane.supervisor.restarts)
    },
  })
  new Counter({
    name: 'gwproxy_log_lines_dropped_total',
    help: 'Log lines that were lost since whoever reads them did not keep up.',
    labelNames: ['worker'],
    registers: [register],
    collect() {
      this.reset()
      for (const { slot, stats } of plane.supervisor.workers) {
        this.inc({ worker: String(slot) }, stats.droppedLines)
      }
    },
  })
}

function addConfig(gauge: AddGauge, plane: ControlPlane): void {
  gauge('config_generation', 'Generation that every worker answered last.', [], (set) =>
    set(plane.publisher.settlement?.generation ?? 0),
  )
  gauge(
    'config_last_reload_successful',
    '1 when the newest configuration has no problem of severity error and is served whole.',
    [],
    (set) => set(plane.isClean ? 1 : 0),
  )
  gauge(
    'config_last_reload_success_timestamp_seconds',
    'When a configuration was last applied whole.',
    [],
    (set) => set(plane.cleanAt / 1000),
  )
  gauge('config_objects', 'Objects by kind.', ['kind'], (set) => {
    const counts = new Map<string, number>()
    for (const { key } of plane.config.update?.objects ?? []) {
      counts.set(key.kind, (counts.get(key.kind) ?? 0) + 1)
    }
    for (const [kind, count] of counts) set(count, { kind })
  })
  gauge('config_stale_objects', 'Objects served from their last good version.', [], (set) =>
    set(plane.config.update?.counts.stale ?? 0),
  )
  gauge('config_problems', 'Problems of the files.', ['severity'], (set) => {
    const problems = plane.config.update?.diagnostics ?? []
    for (const severity of ['error', 'warning'] as const) {
      set(problems.filter((one) => one.severity === severity).length, { severity })
    }
  })
  gauge('bind_open', '1 when the bind is open in every worker.', ['bind'], (set) => {
    for (const { bind, error } of plane.publisher.settlement?.results ?? []) {
      set(error === undefined ? 1 : 0, { bind })
    }
  })
  gauge(
    'certificate_not_after_seconds',
    'When the certificate expires, seconds since the epoch.',
    ['secret', 'key_type'],
    (set) => {
      for (const part of plane.publisher.target?.parts.values() ?? []) {
        if (part.kind !== 'certificate') continue
        set(part.notAfter / 1000, { secret: part.source, key_type: part.keyType })
      }
    },
  )
}

function addWorkers(gauge: AddGauge, plane: ControlPlane): void {
  gauge('workers', 'Workers that are up.', [], (set) => set(plane.supervisor.up))
  gauge('connections_active', 'Open connections.', ['worker'], (set) => {
    for (const { slot, stats } of plane.supervisor.workers) {
      set(stats.connections, { worker: String(slot) })
    }
  })
  gauge('exchanges_active', 'Running HTTP exchanges.', ['worker'], (set) => {
    for (const { slot, stats } of plane.supervisor.workers) {
      set(stats.exchanges, { worker: String(slot) })
    }
  })
  gauge('runtimes', 'Compiled configurations alive.', ['worker'], (set) => {
    for (const { slot, stats } of plane.supervisor.workers) {
      set(stats.runtimes, { worker: String(slot) })
    }
  })
  gauge(
    'endpoint_healthy',
    '1 while the endpoint is not ejected.',
    ['worker', 'upstream', 'endpoint'],
    (set) => {
      for (const { slot, endpoints } of plane.supervisor.workers) {
        for (const { upstream, endpoint, healthy } of endpoints) {
          set(healthy ? 1 : 0, { worker: String(slot), upstream, endpoint })
        }
      }
    },
  )
}

type SetValue = (value: number, labels?: Readonly<Record<string, string>>) => void
type AddGauge = (
  name: string,
  help: string,
  labelNames: readonly string[],
  collect: (set: SetValue) => void,
) => void

/** Gauges that are computed anew at each scrape, so that labels of what is gone go as well. */
function gauges(register: Registry): AddGauge {
  return (name, help, labelNames, collect) => {
    new Gauge({
      name: `gwproxy_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [register],
      collect() {
        this.reset()
        collect((value, labels) => {
          if (labels === undefined) this.set(value)
          else this.set(labels, value)
        })
      },
    })
  }
}
