/**
 * What the daemon tells of itself, in Prometheus' text format. Read at each scrape from the live
 * objects, so nothing is kept in step by hand. Names follow the operations guide 7.1; no label holds
 * anything that a client chose.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Digest } from '../../base/brand.ts'
import type { KeptPart } from '../../model/snapshot.ts'
import type { ControlPlane } from '../control-plane.ts'
import type { LiveReport } from './contract.ts'
import { Family, inTurns, madeOnce } from './exposition.ts'
import { stateExposition } from './gateway-api-metrics.ts'
import { type AddGauge, counters, gauges } from './metric-families.ts'
import { addTraffic } from './traffic-metrics.ts'
import { addWorkers } from './worker-metrics.ts'

export interface Metrics {
  /** The exposition, text format 0.0.4. */
  text(): Promise<string>
}

export interface MetricsSources {
  readonly plane: ControlPlane
  readonly report: () => LiveReport
  /** Log lines that the main process has lost. */
  readonly droppedLines: () => number
  readonly build: string
}

export function createMetrics({ plane, report, droppedLines, build }: MetricsSources): Metrics {
  const register = new Registry()
  collectDefaultMetrics({ register })
  const gauge = gauges(register)
  const counter = counters(register)
  gauge('gwproxy_build_info', 'Always 1; the labels name the build.', ['version', 'node'], (set) =>
    set(1, { version: build, node: process.versions.node }),
  )
  gauge('gwproxy_ready', '1 when /readyz answers 200.', [], (set) => {
    const { state } = plane.ready
    set(state === 'ready' || state === 'degraded' ? 1 : 0)
  })
  counter(
    'gwproxy_config_reloads_total',
    'Configurations that were published: served whole by every worker, or refused in part.',
    ['result'],
    (add) => {
      add(plane.reloads.applied, { result: 'applied' })
      add(plane.reloads.refused, { result: 'refused' })
    },
  )
  addConfig(gauge, plane)
  addWorkers(gauge, counter, plane.supervisor, droppedLines)
  addTraffic(register, plane.supervisor.traffic)
  const states = madeOnce(stateExposition)
  const certificates = madeOnce(certificateExposition)
  return {
    text: async () => {
      const { target } = plane.publisher
      const texts = [
        (await register.metrics()).trimEnd(),
        await certificates(target?.parts ?? NO_PARTS),
        await states(report()),
      ]
      return `${texts.join('\n')}\n`
    },
  }
}

const NO_PARTS: ReadonlyMap<Digest, KeptPart> = new Map()

async function certificateExposition(parts: ReadonlyMap<Digest, KeptPart>): Promise<string> {
  const name = 'gwproxy_certificate_not_after_seconds'
  const family = new Family(name, 'When the certificate expires, seconds since the epoch.')
  // Several listeners of one Secret have one part; parts of one Secret follow each other at a renewal.
  await inTurns(parts.values(), (part) => {
    if (part.kind !== 'certificate') return
    family.addItem([[{ secret: part.source, key_type: part.keyType }, part.notAfter / 1000]])
  })
  return family.text
}

function addConfig(gauge: AddGauge, plane: ControlPlane): void {
  gauge('gwproxy_config_generation', 'Generation that every worker answered last.', [], (set) =>
    set(plane.publisher.settlement?.generation ?? 0),
  )
  gauge(
    'gwproxy_config_last_reload_successful',
    '1 when the newest configuration has no problem of severity error and is served whole.',
    [],
    (set) => set(plane.isClean ? 1 : 0),
  )
  gauge(
    'gwproxy_config_last_reload_success_timestamp_seconds',
    'When a configuration was last applied whole.',
    [],
    (set) => set(plane.cleanAt / 1000),
  )
  gauge('gwproxy_config_objects', 'Objects by kind.', ['kind'], (set) => {
    const counts = new Map<string, number>()
    for (const { key } of plane.config.update?.objects ?? []) {
      counts.set(key.kind, (counts.get(key.kind) ?? 0) + 1)
    }
    for (const [kind, count] of counts) set(count, { kind })
  })
  gauge('gwproxy_config_stale_objects', 'Objects served from their last good version.', [], (set) =>
    set(plane.config.update?.counts.stale ?? 0),
  )
  gauge('gwproxy_config_problems', 'Problems of the files.', ['severity'], (set) => {
    const problems = plane.config.update?.diagnostics ?? []
    for (const severity of ['error', 'warning'] as const) {
      set(problems.filter((one) => one.severity === severity).length, { severity })
    }
  })
  gauge('gwproxy_bind_open', '1 when the bind is open in every worker.', ['bind'], (set) => {
    for (const { bind, error } of plane.publisher.settlement?.results ?? []) {
      set(error === undefined ? 1 : 0, { bind })
    }
  })
}
