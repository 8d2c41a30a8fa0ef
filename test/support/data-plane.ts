/**
 * A worker over a memory link, with control played by the test: sockets on port 0, snapshots
 * written by hand. Everything between the sockets is the real data plane.
 */
import { bindTcp } from '../../src/control/bind-tcp.ts'
import { digestOf } from '../../src/base/digest.ts'
import type { Digest } from '../../src/base/brand.ts'
import { WORKER_PARTS } from '../../src/data/compose.ts'
import { startWorker } from '../../src/data/worker.ts'
import { createMemoryLink } from '../../src/ipc/memory-link.ts'
import {
  type ControlMessage,
  DEFAULT_LIMITS,
  type IoMode,
  type Limits,
  type WorkerMessage,
  type WorkerStats,
} from '../../src/ipc/messages.ts'
import { DEFAULT_ACCESS_LOG } from '../../src/observe/access-log-settings.ts'
import { type BindKey, bindKey, type ListenerKey } from '../../src/model/identity.ts'
import type {
  BindPart,
  Chain,
  ChainAction,
  ChainTable,
  Manifest,
  Part,
} from '../../src/model/snapshot.ts'
import type { KeyMaterial } from '../../src/model/tls.ts'
import type {
  Endpoint,
  NamedEndpoint,
  UpstreamProtocol,
  WeightedUpstream,
} from '../../src/model/upstream.ts'
import { freeUdpPort } from './udp-peers.ts'
import type { ConnectionRecord, ExchangeRecord } from '../../src/observe/access-log.ts'
import { type LineSink, openLineSink } from '../../src/observe/line-sink.ts'

export interface PlaneOptions {
  readonly limits?: Partial<Limits>
  readonly maxConnections?: number
  readonly trustedProxies?: readonly string[]
  readonly io?: IoMode
}

/** What a test publishes for one bind. */
export interface BindSpec {
  readonly ingress: BindPart['ingress']
  readonly proxyProtocol?: BindPart['proxyProtocol']
  readonly chains: readonly Chain[]
  readonly localAddresses?: readonly string[]
  /** Further tables, for other local addresses. */
  readonly more?: readonly Pick<ChainTable, 'localAddresses' | 'chains'>[]
}

interface OpenBind {
  readonly bind: BindKey
  readonly address: string
  readonly port: number
}

export class DataPlane {
  readonly lines: ConnectionRecord[] = []
  readonly exchanges: ExchangeRecord[] = []
  readonly messages: WorkerMessage[] = []
  readonly #link = createMemoryLink()
  readonly #binds = new Map<string, OpenBind>()
  readonly #parts = new Map<Digest, Part>()
  readonly #waiters: (() => void)[] = []
  #generation = 0

  static async start(options: PlaneOptions = {}): Promise<DataPlane> {
    const plane = new DataPlane()
    const { worker, control } = plane.#link
    worker.onMessage((message) => plane.#received(message))
    await startWorker({
      link: control,
      parts: WORKER_PARTS,
      sink: nullSink(),
      accessLog: {
        connection: (record) => plane.#line(record),
        exchange: (record) => plane.exchanges.push(record),
      },
    })
    worker.send({
      type: 'settings',
      settings: {
        trustedProxies: options.trustedProxies ?? [],
        accessLog: DEFAULT_ACCESS_LOG,
        log: 'stdout',
        logLevel: 'silent',
        logFormat: 'json',
        io: options.io ?? ioOfTests(),
        maxConnections: options.maxConnections ?? 10_000,
        limits: { ...DEFAULT_LIMITS, ...options.limits },
        sessionSecret: '',
      },
    })
    return plane
  }

  /** Adds an upstream part; gives the reference for an action's backends. */
  upstream(
    name: string,
    endpoints: readonly (Endpoint | NamedEndpoint)[],
    weight = 1,
    protocol: UpstreamProtocol = 'tcp',
  ): WeightedUpstream {
    const part: Part = { kind: 'upstream', name, protocol, endpoints }
    const digest = digestOf(part)
    this.#parts.set(digest, part)
    return { weight, target: { kind: 'upstream', upstream: digest }, filters: [] }
  }

  part(part: Part): Digest {
    const digest = digestOf(part)
    this.#parts.set(digest, part)
    return digest
  }

  /** Opens a socket for `name` (once) and hands it to the worker. */
  open(name: string, address = '127.0.0.1'): number {
    const attempt = bindTcp(address, 0)
    if (attempt.kind !== 'bound') throw new Error(`cannot bind ${address}`)
    const { handle, port } = attempt
    const bind = bindKey('tcp', address, port)
    this.#binds.set(name, { bind, address, port })
    this.#link.worker.send({ type: 'socket', bind }, handle)
    return port
  }

  /** Gives the worker a UDP bind on a port that is free (once for each name). */
  async openUdp(name: string, address = '127.0.0.1'): Promise<number> {
    const port = await freeUdpPort()
    const bind = bindKey('udp', address, port)
    this.#binds.set(name, { bind, address, port })
    this.giveUdp(name)
    return port
  }

  /** Makes the worker its owner, also after a publish without it. */
  giveUdp(name: string): void {
    const bind = this.#binds.get(name)?.bind
    if (bind === undefined) throw new Error(`no bind ${name}`)
    this.#link.worker.send({ type: 'own-udp', bind })
  }

  /** Publishes these binds, by the names given to `open`; resolves with the worker's answer. */
  async publish(
    binds: Readonly<Record<string, BindSpec>>,
    keys: readonly KeyMaterial[] = [],
  ): Promise<WorkerMessage> {
    const generation = ++this.#generation
    const digests = Object.entries(binds).map(([name, spec]) => this.part(this.#bind(name, spec)))
    const manifest: Manifest = {
      generation,
      digest: digestOf(digests),
      binds: digests,
      parts: new Set(this.#parts.keys()),
    }
    this.#link.worker.send({ type: 'publish', manifest, parts: [...this.#parts], keys })
    return this.#message(
      (message) =>
        (message.type === 'ack' || message.type === 'nack') && message.generation === generation,
    )
  }

  send(message: ControlMessage): void {
    this.#link.worker.send(message)
  }

  /**
   * The first access line that fits, also a future one. `from`: how many there were before. Among many
   * connections an address alone tells too little: the system gives a port again after a second.
   */
  async line(
    fits: (record: ConnectionRecord) => boolean = () => true,
    from = 0,
  ): Promise<ConnectionRecord> {
    for (;;) {
      const found = this.lines.slice(from).find(fits)
      if (found !== undefined) return found
      await this.#news()
    }
  }

  async lineCount(count: number): Promise<void> {
    while (this.lines.length < count) await this.#news()
  }

  /** The stats of the next heartbeat. */
  async stats(): Promise<WorkerStats> {
    return (await this.beat()).stats
  }

  /** The next heartbeat. */
  async beat(): Promise<Extract<WorkerMessage, { type: 'heartbeat' }>> {
    const seen = this.messages.length
    const message = await this.#message(({ type }) => type === 'heartbeat', seen)
    if (message.type !== 'heartbeat') throw new Error('unreachable')
    return message
  }

  /** Cuts everything; resolves when the worker has drained. */
  async stop(): Promise<void> {
    this.#link.worker.send({ type: 'drain', deadlineMs: 0 })
    await this.#message(({ type }) => type === 'drained')
  }

  async drained(): Promise<void> {
    await this.#message(({ type }) => type === 'drained')
  }

  #bind(name: string, spec: BindSpec): BindPart {
    const open = this.#binds.get(name)
    if (open === undefined) throw new Error(`no socket ${name}`)
    return {
      kind: 'bind',
      key: open.bind,
      transport: spec.ingress === 'udp' ? 'udp' : 'tcp',
      address: open.address,
      port: open.port,
      ingress: spec.ingress,
      ...(spec.proxyProtocol === undefined ? {} : { proxyProtocol: spec.proxyProtocol }),
      tables: [
        { localAddresses: spec.localAddresses ?? ['*'], chains: spec.chains, listeners: [] },
        ...(spec.more ?? []).map((table) => ({ ...table, listeners: [] })),
      ],
    }
  }

  async #message(fits: (message: WorkerMessage) => boolean, from = 0): Promise<WorkerMessage> {
    for (;;) {
      const found = this.messages.slice(from).find(fits)
      if (found !== undefined) return found
      await this.#news()
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #received(message: WorkerMessage): void {
    this.messages.push(message)
    this.#wake()
  }

  #line(record: ConnectionRecord): void {
    this.lines.push(record)
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve()
  }
}

/** A chain of one listener, for tests. */
export function chain(hostname: string, action: ChainAction, listener = 'tls'): Chain {
  return { hostname, listener: `Gateway/default/web/${listener}` as ListenerKey, action }
}

export function passthrough(...backends: readonly WeightedUpstream[]): ChainAction {
  return { kind: 'tls-passthrough', route: ROUTE, id: 'TLSRoute/default/r/0', backends }
}

export function tcpForward(...backends: readonly WeightedUpstream[]): ChainAction {
  return { kind: 'tcp-forward', route: ROUTE, id: 'TCPRoute/default/r/0', backends }
}

export function udpForward(...backends: readonly WeightedUpstream[]): ChainAction {
  const id = 'UDPRoute/default/r/0'
  return { kind: 'udp-forward', route: UDP_ROUTE, name: 'named', id, backends }
}

export function ip(port: number, address = '127.0.0.1'): Endpoint {
  return { kind: 'ip', address, port }
}

const ROUTE = { kind: 'TLSRoute', namespace: 'default', name: 'r' }
const UDP_ROUTE = { kind: 'UDPRoute', namespace: 'default', name: 'r' }

/** `GWPROXY_IO=streams node test/run.ts e2e/l4` runs them on that backend. */
function ioOfTests(): IoMode {
  const mode = process.env['GWPROXY_IO'] ?? 'auto'
  if (mode === 'auto' || mode === 'native' || mode === 'raw' || mode === 'streams') return mode
  throw new Error(`GWPROXY_IO=${mode}`)
}

function nullSink(): LineSink {
  return openLineSink('/dev/null')
}
