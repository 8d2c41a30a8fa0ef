/** Rows that start a process for every sample: memory of idle connections, time to the first one. */
import { InvalidRun, parseGenerator, type Target } from '../loads.ts'
import type { Peer } from '../peers/peer.ts'
import { LOAD_CORE, PROXY_CORE, Proc, pause, pssKib } from '../process.ts'
import { accepts, PORTS, type Service, type Site } from '../site.ts'
import type { Figures, Row, Subject } from './row.ts'

const IDLE = 5000
/** For collectors and allocators to settle. */
const SETTLE_MS = 1500

export const FRESH_ROWS: readonly Row[] = [
  {
    name: 'idle-memory',
    title: `${IDLE} idle passthrough connections`,
    columns: [
      { key: 'kib', label: 'KiB/conn', better: 'less', digits: 3 },
      { key: 'base', label: 'base MiB', better: 'neither', digits: 3 },
    ],
    rivals: ['haproxy', 'nginx'],
    goals: [{ column: 'kib', atMost: 4, text: '<= 4 KiB' }],
    maxRounds: 3,
    open: (peer, site) => Promise.resolve(fresh(() => idleMemory(peer, site))),
  },
  {
    name: 'start',
    title: 'start to the first accepted connection, from an installed package',
    columns: [{ key: 'ms', label: 'ms', better: 'less', digits: 3 }],
    rivals: ['haproxy', 'nginx', 'caddy'],
    goals: [{ column: 'ms', atMost: 300, text: '<= 300 ms' }],
    open: (peer, site) => {
      const packed = peer.packed?.(site) ?? peer
      return Promise.resolve(fresh(() => startTime(packed, site)))
    },
  },
]

/** Nothing runs between the samples. */
export function fresh(sample: () => Promise<Figures>): Subject {
  return { warm: () => Promise.resolve(), sample, close: () => Promise.resolve() }
}

interface Started {
  readonly proxy: Proc
  readonly target: Target
  readonly ms: number
}

async function start(peer: Peer, site: Site, service: Service): Promise<Started> {
  const target = { address: site.newAddress(), port: PORTS[service] }
  const { address } = target
  const launch = peer.launch({ site, service, address, directory: site.newDirectory(peer.name) })
  const begin = performance.now()
  const proxy = new Proc(PROXY_CORE, launch)
  await proxy.until(() => accepts(address, target.port))
  return { proxy, target, ms: performance.now() - begin }
}

async function startTime(peer: Peer, site: Site): Promise<Figures> {
  const { proxy, ms } = await start(peer, site, 'http')
  await proxy.stop()
  return { ms }
}

async function idleMemory(peer: Peer, site: Site): Promise<Figures> {
  const { proxy, target } = await start(peer, site, 'passthrough')
  try {
    const few = await hold(site, target, 100)
    await few.finish()
    await pause(SETTLE_MS)
    const before = pssKib(proxy.pid)
    const many = await hold(site, target, IDLE)
    await pause(SETTLE_MS)
    const after = pssKib(proxy.pid)
    await many.finish()
    return { kib: (after - before) / IDLE, base: before / 1024 }
  } finally {
    await proxy.stop()
  }
}

/** Resolves when all stand; they end with the process's input. */
async function hold(site: Site, { address, port }: Target, count: number): Promise<Proc> {
  const proc = new Proc(LOAD_CORE, {
    command: [
      site.generator.path,
      'idle',
      ...['--to', `${address}:${port}`, '--parallel', String(count), '--seconds', '30'],
      ...['--from', site.clientsFrom, '--from-count', String(site.clients)],
    ],
  })
  await proc.until(() => proc.output.includes('\n'), 35_000)
  const held = parseGenerator(proc.output)
  if (typeof held === 'string' || held.errors > 0) throw new InvalidRun(`idle: ${proc.output}`)
  return proc
}
