/**
 * One worker: speaks the protocol of ipc/messages with control, over whatever link. Accepts from
 * the sockets that control hands over, compiles what control publishes, and drains. It lives in
 * its own process (worker-process.ts) or in control's (`--workers 0`).
 */
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { assertNever } from '../base/assert-never.ts'
import type { Digest } from '../base/brand.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { errnoOf, messageOf } from '../base/errors.ts'
import { BUILD } from '../ipc/build.ts'
import type { NativeUdpHandle } from '../ipc/datagram-handle.ts'
import type { ControlLink, SocketHandle } from '../ipc/link.ts'
import type {
  ControlMessage,
  EndpointHealth,
  WorkerMessage,
  WorkerSettings,
} from '../ipc/messages.ts'
import type { BindKey } from '../model/identity.ts'
import type { Manifest } from '../model/snapshot.ts'
import type { BindResult } from '../model/status.ts'
import type { AccessLog } from '../observe/access-log.ts'
import type { AccessLogSettings, LogTarget } from '../observe/access-log-settings.ts'
import { createAccessLog, NO_ACCESS_LOG } from '../observe/access-log-writer.ts'
import { type LineSink, openLineSink } from '../observe/line-sink.ts'
import { createLogger, type Logger } from '../observe/log.ts'
import { tee, TrafficMeter } from '../observe/traffic-meter.ts'
import { Bind } from './bind.ts'
import type { ConnectionContext } from './connection.ts'
import { ConnectionSet } from './connection-set.ts'
import { Drain } from './drain.ts'
import { createIoBackend, findIoSupport, type IoSupport } from './io/choose.ts'
import type { HttpHub } from './http/contract.ts'
import { memoryShare } from './memory-share.ts'
import { Overload } from './overload.ts'
import { PartStore } from './part-store.ts'
import { Runtime, type SlotsByPlace, goneSlots } from './runtime.ts'
import { TimerWheel } from './timer-wheel.ts'
import { TrustedProxies } from './trusted-proxies.ts'
import type { TlsDomains } from './tls/contract.ts'
import { UdpBinds } from './udp/udp-binds.ts'
import { Vitals } from './vitals.ts'
import type { EndpointCounts, UpstreamRegistry } from './upstream/contract.ts'

const HEARTBEAT_MS = 1000
/** For what a file takes: a disk that stalls is not waited for. */
const FLUSH_MS = 500

/** The parts of the data plane that a worker is composed of (compose.ts has the real ones). */
export interface WorkerParts {
  createRegistry(
    clock: Clock,
    onNameFailed: (name: string) => void,
    keyOf: (keyId: Digest) => string,
    counts: EndpointCounts,
  ): UpstreamRegistry
  createTlsDomains(warn: (message: string) => void): TlsDomains
  createHttpHub(services: HttpServices): HttpHub
}

/** What the HTTP layer is built from. */
export interface HttpServices {
  readonly settings: WorkerSettings
  readonly registry: UpstreamRegistry
  readonly accessLog: AccessLog
  readonly clock: Clock
  readonly log: Logger
}

export interface WorkerOptions {
  readonly link: ControlLink
  readonly parts: WorkerParts
  /** Standard output: access lines and the log, unless they have files. */
  readonly sink: LineSink
  /** The log's, where the process has one already. */
  readonly logSink?: LineSink
  readonly clock?: Clock
  /** Replaces the access log over `sink`; for tests. */
  readonly accessLog?: AccessLog
  /** The worker's work is over: drained, or control went away. */
  onStopped?(): void
}

/** Says hello; everything else is answers to control's messages. */
export async function startWorker(options: WorkerOptions): Promise<void> {
  const { link } = options
  let worker: Worker | undefined
  let gone = false
  link.onClose(() => {
    gone = true
    worker?.controlGone()
  })
  const ioSupport = await findIoSupport()
  if (gone) return options.onStopped?.()
  link.onMessage((message, socket) => {
    if (message.type !== 'settings') worker?.receive(message, socket)
    else if (worker === undefined) {
      worker = new Worker(options, message.settings, ioSupport)
      worker.start()
    }
  })
  link.send({ type: 'hello', build: BUILD, pid: process.pid, heldParts: [] })
}

class Worker {
  readonly #options: WorkerOptions
  readonly #log: Logger
  readonly #store = new PartStore()
  readonly #binds = new Map<BindKey, Bind>()
  readonly #udpBinds: UdpBinds
  readonly #connections = new ConnectionSet()
  readonly #overload: Overload
  readonly #registry: UpstreamRegistry
  readonly #tlsDomains: TlsDomains
  readonly #httpHub: HttpHub
  readonly #wheel: TimerWheel
  readonly #traffic = new TrafficMeter()
  /** Of its own, where a log goes to a file. */
  readonly #ownSinks: LineSink[] = []
  readonly #vitals = new Vitals()
  readonly #context: ConnectionContext
  readonly #published: Manifest[] = []
  #compiling = false
  #runtime: Runtime | undefined
  #runtimes = 0
  #heartbeat: NodeJS.Timeout | undefined
  /** What control knows. */
  #endpoints: readonly EndpointHealth[] = []
  #drain: Drain | undefined

  constructor(options: WorkerOptions, settings: WorkerSettings, ioSupport: IoSupport) {
    const { link, parts, clock = systemClock } = options
    this.#options = options
    const sink = options.logSink ?? this.#open(settings.log)
    this.#log = createLogger({ level: settings.logLevel, format: settings.logFormat, sink })
    this.#tlsDomains = parts.createTlsDomains((message) => this.#log.warn({}, message))
    const accessLog = tee(options.accessLog ?? this.#lines(settings.accessLog), this.#traffic)
    this.#overload = new Overload({
      maxConnections: settings.maxConnections,
      connections: () => this.#connections.size,
      onRefused: (reason) => this.#traffic.count('connections_refused_total', [reason]),
      memoryShare: () => memoryShare(settings.memory),
      log: this.#log,
    })
    this.#registry = parts.createRegistry(
      clock,
      (name) => link.send({ type: 'name-failed', name }),
      (keyId) => this.#store.key(keyId),
      this.#endpointCounts(),
    )
    this.#httpHub = parts.createHttpHub({
      settings,
      registry: this.#registry,
      accessLog,
      clock,
      log: this.#log,
    })
    this.#wheel = new TimerWheel(clock)
    const { io: mode, limits } = settings
    const io = createIoBackend(mode, ioSupport, this.#wheel, limits.helloBytes, this.#log)
    this.#log.info({ io: io.name }, 'socket backend')
    this.#context = {
      clock,
      wheel: this.#wheel,
      io,
      limits,
      trusted: new TrustedProxies(settings.trustedProxies, settings.forwardedDepth),
      httpHub: this.#httpHub,
      accessLog,
      connections: this.#connections,
      nextId: connectionIds(),
      onDefect: (error) => this.#log.error({ err: error }, 'a defect ended a connection'),
    }
    // A share of its own: datagrams need no handshake, and must not crowd out what does.
    this.#udpBinds = new UdpBinds(this.#context, Math.ceil(settings.maxConnections / 4), () =>
      link.send({ type: 'binds-changed' }),
    )
  }

  start(): void {
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS)
    // With --workers 0 the process lives by what control does.
    this.#heartbeat.unref()
  }

  receive(message: ControlMessage, socket: SocketHandle | undefined): void {
    switch (message.type) {
      case 'settings':
        return
      case 'socket':
        this.#adopt(message.bind, socket)
        return
      case 'socket-failed':
        this.#bindFor(message.result.bind).fail(message.result.error)
        return
      case 'own-udp':
        this.#udpBinds.own(message.bind)
        return
      case 'datagrams':
        // Of that kind, as the message says.
        this.#udpBinds.adopt(
          message.bind,
          message.address,
          socket as NativeUdpHandle,
          message.isKept,
        )
        return
      case 'lend-udp':
        this.#lendUdp(message.turn)
        return
      case 'publish':
        this.#store.add(message.parts, message.keys)
        this.#published.push(message.manifest)
        for (const bind of this.#binds.values()) bind.isFresh = false
        this.#udpBinds.published()
        return void this.#compilePublished()
      case 'names':
        this.#registry.updateNames(message.names)
        return
      case 'names-gone':
        this.#registry.forgetNames(message.names)
        return
      case 'ticket-roots':
        this.#tlsDomains.setTicketRoots(message.roots)
        return
      case 'drain':
        this.#startDrain(message.deadlineMs)
        if (message.hasSuccessor === true) this.#release()
        return
      case 'reopen-logs':
        this.#reopenLogs()
        return
      default:
        assertNever(message)
        return
    }
  }

  /** Finish what runs, then stop: a new control has workers of its own. */
  controlGone(): void {
    this.#startDrain(this.#context.limits.drainMs)
  }

  /** Control has opened it once: what became of it since must not keep traffic waiting. */
  #open(target: LogTarget): LineSink {
    const { sink } = this.#options
    if (target === 'stdout') return sink
    const { path } = target
    try {
      const own = openLineSink(path)
      this.#ownSinks.push(own)
      return own
    } catch (error) {
      const log = createLogger({ level: 'error', format: 'json', sink })
      log.error({ path, errno: errnoOf(error) }, 'the file cannot be opened: its lines come here')
      return sink
    }
  }

  #lines(settings: AccessLogSettings | undefined): AccessLog {
    return settings === undefined
      ? NO_ACCESS_LOG
      : createAccessLog(this.#open(settings.target), settings)
  }

  #reopenLogs(): void {
    for (const sink of this.#ownSinks) {
      const error = sink.reopen()
      if (error !== undefined) this.#log.error({ errno: errnoOf(error) }, messageOf(error))
    }
  }

  #endpointCounts(): EndpointCounts {
    const connects = 'upstream_connects_total'
    return {
      connected: (endpoint) => this.#traffic.count(connects, [endpoint, 'ok']),
      connectFailed: (endpoint) => this.#traffic.count(connects, [endpoint, 'failed']),
      ejected: (endpoint) => this.#traffic.count('upstream_ejections_total', [endpoint]),
    }
  }

  #adopt(key: BindKey, socket: SocketHandle | undefined): void {
    if (socket === undefined) return
    if (this.#drain === undefined) this.#bindFor(key).adopt(socket)
    else socket.close()
  }

  #bindFor(key: BindKey): Bind {
    const existing = this.#binds.get(key)
    if (existing !== undefined) return existing
    const bind = new Bind(key, this.#context, this.#overload)
    this.#binds.set(key, bind)
    return bind
  }

  /** One after the other, each answered: ack or nack. */
  async #compilePublished(): Promise<void> {
    if (this.#compiling) return
    this.#compiling = true
    for (let next = this.#published.shift(); next !== undefined; next = this.#published.shift()) {
      this.#options.link.send(await this.#compile(next))
    }
    this.#compiling = false
  }

  async #compile(manifest: Manifest): Promise<WorkerMessage> {
    const { generation } = manifest
    const startedAt = this.#context.clock.monotonic()
    this.#runtimes++
    const old = this.#runtime
    try {
      this.#runtime = await Runtime.compile(manifest, {
        store: this.#store,
        registry: this.#registry,
        tlsDomains: this.#tlsDomains,
        httpHub: this.#httpHub,
        before: old,
        slots: this.#slots(),
        ownsUdp: (key) => this.#udpBinds.owns(key),
      })
    } catch (error) {
      this.#runtimes--
      this.#log.error({ generation, err: error }, 'a configuration was refused')
      return { type: 'nack', generation, message: messageOf(error) }
    }
    const binds = this.#install(this.#runtime)
    const udpBinds = await this.#udpBinds.install(this.#runtime.udpBinds)
    const durationMs = Math.round(this.#context.clock.monotonic() - startedAt)
    this.#log.debug({ generation, durationMs }, 'installed')
    this.#store.keepOnly([manifest, ...this.#published])
    if (old !== undefined) {
      await old.release()
      this.#runtimes--
    }
    return { type: 'ack', generation, binds: [...binds, ...udpBinds] }
  }

  /**
   * The swap: new tables in, what is gone out. Slots whose place, listener or trust domain is gone
   * are retired.
   */
  #install(runtime: Runtime): BindResult[] {
    const before = this.#slots()
    for (const [key, compiled] of runtime.binds) this.#bindFor(key).install(compiled, before)
    for (const [key, bind] of this.#binds) {
      // A socket that came after this publish belongs to the next one.
      if (runtime.binds.has(key) || bind.isFresh) continue
      bind.remove()
      this.#binds.delete(key)
    }
    for (const slot of goneSlots(before, this.#slots())) slot.retire()
    return [...runtime.binds.keys()].map((key) => this.#bindFor(key).result)
  }

  #slots(): SlotsByPlace {
    return new Map([...this.#binds.values()].flatMap(({ slots }) => [...slots]))
  }

  #beat(): void {
    this.#overload.check()
    const endpoints = this.#registry.health()
    const traffic = this.#traffic.take()
    const isNews = !isDeepStrictEqual(this.#endpoints, endpoints)
    this.#endpoints = endpoints
    this.#options.link.send({
      type: 'heartbeat',
      stats: {
        connections: this.#connections.size,
        exchanges: this.#httpHub.activeExchanges,
        runtimes: this.#runtimes,
        droppedLines: [this.#options.sink, ...this.#ownSinks].reduce(
          (sum, { dropped }) => sum + dropped,
          0,
        ),
        ...this.#vitals.read(),
      },
      ...(isNews && { endpoints }),
      ...(traffic !== undefined && { traffic }),
    })
  }

  #lendUdp(turn: number): void {
    const { link } = this.#options
    this.#udpBinds.lend((bind, address, handle) =>
      link.send({ type: 'udp-lent', turn, bind, address }, handle),
    )
    link.send({ type: 'all-udp-lent', turn })
  }

  #startDrain(deadlineMs: number): void {
    if (this.#drain !== undefined) return
    for (const bind of this.#binds.values()) bind.close()
    this.#udpBinds.drain()
    this.#drain = new Drain(this.#connections, this.#httpHub, deadlineMs, () => this.#stopped())
  }

  /** TCP sockets were closed with the binds. */
  #release(): void {
    this.#udpBinds.release()
    this.#options.link.send({ type: 'released' })
  }

  #stopped(): void {
    clearInterval(this.#heartbeat)
    this.#wheel.stop()
    this.#context.io.close?.()
    this.#vitals.stop()
    void this.#runtime?.release()
    // What was counted since the last beat.
    this.#beat()
    const { link, onStopped } = this.#options
    void Promise.all(this.#ownSinks.map((sink) => sink.close(FLUSH_MS))).then(() => {
      link.send({ type: 'drained' })
      onStopped?.()
    })
  }
}

/** Unique over workers and restarts, short, and cheap: a random prefix and a counter. */
function connectionIds(): () => string {
  const prefix = randomBytes(4).toString('hex')
  let count = 0
  return () => `${prefix}-${(++count).toString(36)}`
}
