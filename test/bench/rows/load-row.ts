/** Rows that put a load on a running proxy: rate, CPU per operation, how busy the proxy was. */
import type { Peer } from '../peers/peer.ts'
import { InvalidRun, type Load, type Target } from '../loads.ts'
import { coreSeconds, cpuSeconds, PROXY_CORE, Proc } from '../process.ts'
import { accepts, PORTS, type Service, type Site } from '../site.ts'
import type { Column, Figures, Goal, Row, Subject } from './row.ts'

export interface LoadRow {
  readonly name: string
  readonly title: string
  readonly service: Service
  readonly rivals: readonly string[]
  readonly goals: readonly Goal[]
  /** How many operations the rate and the CPU are of, and what they are called. */
  readonly unit: { readonly ops: number; readonly rate: string; readonly cpu: string }
  /** Shows the load's p50 and p99. */
  readonly hasLatency?: boolean
  /** In how many workers the proxy shares its core; 1 by default. */
  readonly workers?: number
  /** The proxy's configuration changes in the middle of each sample. */
  readonly changes?: boolean
  /** A further figure of the load, shown but not compared. */
  readonly fact?: { readonly column: Column; of(load: Load): number }
  /** Bytes of payload that an operation brings at least. */
  readonly bytesPerOp?: number
  load(site: Site, target: Target, seconds: number): Promise<Load>
  /** Throws unless the proxy answers as the backend would. */
  probe?(site: Site, target: Target): Promise<void>
  /** Where the backend is asked without a proxy. */
  readonly direct?: (site: Site) => Target
  missing?(site: Site): string | undefined
}

export function loadRow(spec: LoadRow): Row {
  const { direct } = spec
  return {
    name: spec.name,
    title: spec.title,
    columns: columnsOf(spec),
    rivals: spec.rivals,
    goals: spec.goals,
    open: (peer, site) => openLoaded(spec, peer, site),
    ...(direct && { direct: async (site) => directly(spec, site, direct(site)) }),
    ...(spec.missing && { missing: spec.missing }),
  }
}

function columnsOf({ unit, hasLatency, fact }: LoadRow): Column[] {
  return [
    { key: 'rate', label: unit.rate, better: 'more', digits: 3 },
    { key: 'cpu', label: unit.cpu, better: 'less', digits: 3 },
    { key: 'busy', label: 'busy', better: 'neither', digits: 2 },
    ...(hasLatency
      ? ([
          { key: 'p50', label: 'p50 us', better: 'less', digits: 3 },
          { key: 'p99', label: 'p99 us', better: 'less', digits: 3 },
        ] as const)
      : []),
    ...(fact === undefined ? [] : [fact.column]),
  ]
}

async function openLoaded(spec: LoadRow, peer: Peer, site: Site): Promise<Subject> {
  const target = { address: site.newAddress(), port: PORTS[spec.service] }
  const { address } = target
  const { service, workers = 1 } = spec
  const request = { site, service, address, workers, directory: site.newDirectory(peer.name) }
  const proxy = new Proc(PROXY_CORE, peer.launch(request))
  await proxy.until(() => accepts(address, target.port))
  await spec.probe?.(site, target)
  return {
    warm: async (seconds) => void (await spec.load(site, target, seconds)),
    sample: async (seconds) => {
      const before = cpuSeconds(proxy.pid)
      const coreBefore = coreSeconds(PROXY_CORE)
      const loading = spec.load(site, target, seconds)
      if (spec.changes) setTimeout(() => peer.change?.(request), seconds * 500)
      const load = await loading
      const cpu = cpuSeconds(proxy.pid) - before
      if (proxy.isEnded) throw new InvalidRun(`${peer.name} ended:\n${proxy.output}`)
      const others = Math.max(0, coreSeconds(PROXY_CORE) - coreBefore - cpu)
      return {
        ...figures(spec, load, cpu),
        busy: cpu / load.seconds,
        others: others / load.seconds,
      }
    },
    close: () => proxy.stop(),
  }
}

function directly(spec: LoadRow, site: Site, target: Target): Subject {
  return {
    warm: async (seconds) => void (await spec.load(site, target, seconds)),
    sample: async (seconds) => figures(spec, await spec.load(site, target, seconds), 0),
    close: () => Promise.resolve(),
  }
}

function figures(
  { unit, hasLatency, fact, bytesPerOp = 0 }: LoadRow,
  load: Load,
  cpu: number,
): Figures {
  // What was under way when the time was up counts as bytes, not as an operation.
  if (load.bytes < load.ops * bytesPerOp) {
    throw new InvalidRun(`${load.bytes} bytes in ${load.ops} operations of ${bytesPerOp}`)
  }
  return {
    rate: load.ops / unit.ops / load.seconds,
    // Microseconds where an operation is one thing, seconds where it is a mass of bytes.
    cpu: (cpu / (load.ops / unit.ops)) * (unit.ops === 1 ? 1e6 : 1),
    ...(hasLatency && { p50: load.p50Us, p99: load.p99Us }),
    ...(fact && { [fact.column.key]: fact.of(load) }),
  }
}
