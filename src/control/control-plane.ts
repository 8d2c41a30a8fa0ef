/**
 * The control plane put together: configuration in, workers fed, statuses out. Each update goes
 * the same way: publish, wait for every live worker's answer, publish statuses, one log line.
 */
import type { Clock } from '../base/clock.ts'
import { GwProxyError } from '../base/errors.ts'
import type { NativeTcpHandle } from '../ipc/bound-handle.ts'
import type { ConfigUpdate, WorkerSettings } from '../ipc/messages.ts'
import type { BindKey } from '../model/identity.ts'
import type { TicketRoots } from '../model/tls.ts'
import type { Logger } from '../observe/log.ts'
import type { ReadyReport, ReloadReport } from './admin/contract.ts'
import { ConfigLog } from './config-log.ts'
import { Names } from './dns.ts'
import type { InheritedSockets } from './inherited-sockets.ts'
import type { LookUp } from './name-resolver.ts'
import type { PassedSockets } from './passed-sockets.ts'
import { changedParts, Publisher, type Settlement } from './publisher.ts'
import { readinessOf } from './readiness.ts'
import { Sockets } from './sockets.ts'
import type { StatusStore } from './status-store.ts'
import { type StartedWorker, Supervisor } from './supervisor.ts'
import { TICKET_ROTATION_MS, TicketRootKeeper } from './ticket-root.ts'
import type { LentDatagrams } from './udp-loan.ts'

export interface ControlPlaneOptions {
  /** Places for workers; 1 with `--workers 0`. */
  readonly workers: number
  readonly build: string
  readonly startWorker: () => StartedWorker
  readonly passed: PassedSockets
  /** Present in a process that takes over from another. */
  readonly inheritance?: { readonly sockets: InheritedSockets; readonly ticketRoots: TicketRoots }
  readonly settings: WorkerSettings
  readonly statusStore: StatusStore
  readonly lookUp: LookUp
  readonly log: Logger
  readonly clock: Clock
}

/** How often binds that failed are tried again. */
const BIND_RETRY_MS = 5000

export class ControlPlane {
  readonly #options: ControlPlaneOptions
  readonly #sockets: Sockets
  readonly #publisher: Publisher
  readonly #supervisor: Supervisor
  readonly #names: Names
  readonly #configLog: ConfigLog
  readonly #tickets: TicketRootKeeper
  readonly #timers: NodeJS.Timeout[] = []
  #update: ConfigUpdate | undefined
  #cleanAt = 0
  readonly #reloads = { applied: 0, refused: 0 }
  #settlement: Settlement | undefined
  #waiting: ((settlement: Settlement) => void)[] = []
  #configFailure: string | undefined
  #draining = false
  /** The process before this one, if any, has let go of its sockets. */
  readonly #inherited = Promise.withResolvers<void>()

  constructor(options: ControlPlaneOptions) {
    const { lookUp, log, passed, inheritance } = options
    this.#options = options
    if (inheritance === undefined) this.#inherited.resolve()
    this.#sockets = new Sockets(
      (address, port, context) =>
        inheritance?.sockets.take(address, port) ?? passed.bind(address, port, context),
    )
    this.#tickets = new TicketRootKeeper(inheritance?.ticketRoots)
    this.#configLog = new ConfigLog(log)
    this.#publisher = new Publisher({
      sockets: this.#sockets,
      send: (slot, outgoing) => this.#supervisor.send(slot, outgoing),
      onSettled: (settlement) => this.#settled(settlement),
      datagramsOf: (bind) => [
        ...passed.datagramsOf(bind),
        ...(inheritance?.sockets.takeDatagrams(bind.key) ?? []),
      ],
      awaitsUdp: inheritance !== undefined,
    })
    this.#names = new Names({
      lookUp,
      onNames: (names) => this.#supervisor.broadcast({ type: 'names', names }),
      onGone: (names) => this.#supervisor.broadcast({ type: 'names-gone', names }),
    })
    this.#supervisor = new Supervisor({
      count: options.workers,
      build: options.build,
      start: options.startWorker,
      settings: options.settings,
      greeting: () => [
        { type: 'ticket-roots', roots: this.#tickets.roots },
        { type: 'names', names: this.#names.answers },
      ],
      publisher: this.#publisher,
      sockets: this.#sockets,
      onNameFailed: (name) => this.#names.failed(name),
      log,
      clock: options.clock,
    })
  }

  start(): void {
    this.#supervisor.start()
    this.#timers.push(
      setInterval(() => this.#publisher.retrySockets(), BIND_RETRY_MS),
      setInterval(() => {
        const roots = this.#tickets.rotate()
        this.#supervisor.broadcast({ type: 'ticket-roots', roots })
      }, TICKET_ROTATION_MS),
    )
  }

  /**
   * A pass of the config thread. Resolves when every live worker has answered it; rejects when the
   * update is incomplete, which is our defect: what serves goes on serving.
   */
  async apply(update: ConfigUpdate): Promise<ReloadReport> {
    const started = this.#options.clock.monotonic()
    this.#configFailure = undefined
    this.#update = update
    this.#configLog.problems(update.diagnostics)
    const { target } = this.#publisher
    const changed = target && changedParts(update, target)
    this.#publisher.update(update)
    // The publisher has what workers are sent: the list of it would be kept for nothing.
    this.#update = { ...update, parts: [], keys: [] }
    // Whoever asks for a reload may have freed a port just now.
    this.#publisher.retrySockets()
    // Of 10,000 parts an edit changes a few, and mostly no upstream.
    if (changed?.some((part) => part?.kind === 'upstream') !== false) {
      this.#names.watch(namesOf(this.#publisher))
    }
    const settlement = this.#publisher.settlement
    // The same digest: nothing was published, the statuses alone may be new.
    if (settlement !== undefined) this.#settled(settlement)
    const settled = await this.#nextSettlement()
    return {
      generation: settled.generation,
      applied: isWhole(settled),
      durationMs: update.durationMs + this.#options.clock.monotonic() - started,
      problems: update.diagnostics,
      failedBinds: settled.results.filter(({ error }) => error !== undefined),
      refusals: settled.refusals,
    }
  }

  /** What to say about the newest update while workers still owe their answers. */
  unanswered(): ReloadReport {
    return {
      generation: this.#publisher.target?.manifest.generation ?? 0,
      applied: false,
      durationMs: this.#update?.durationMs ?? 0,
      problems: this.#update?.diagnostics ?? [],
      failedBinds: [],
      refusals: ['not every worker has answered', ...this.#supervisor.problems],
    }
  }

  /** The config thread cannot go on; what serves goes on serving. */
  configFailed(message: string): void {
    this.#configFailure = message
    this.#options.log.error({}, `the configuration cannot be followed: ${message}`)
  }

  get ready(): ReadyReport {
    return readinessOf({
      draining: this.#draining,
      settlement: this.#settlement,
      configFailure: this.#configFailure,
      workersUp: this.#supervisor.up,
      workerProblems: this.#supervisor.problems,
    })
  }

  /** Read-only views for the admin interface and metrics. */
  get publisher(): Pick<Publisher, 'target' | 'served' | 'settlement'> {
    return this.#publisher
  }

  /** The newest answer of all workers. */
  get settlement(): Settlement | undefined {
    return this.#settlement
  }

  /** Those on which every worker accepts. */
  get servedBinds(): ReadonlySet<BindKey> {
    const results = this.#settlement?.results ?? []
    return new Set(results.flatMap(({ bind, error }) => (error === undefined ? bind : [])))
  }

  get names(): Pick<Names, 'addressesOf'> {
    return this.#names
  }

  get supervisor(): Pick<Supervisor, 'workers' | 'up' | 'restarts' | 'traffic' | 'isFresh'> {
    return this.#supervisor
  }

  get config(): { readonly update: ConfigUpdate | undefined } {
    return { update: this.#update }
  }

  /** The newest files are without errors and served whole. */
  get isClean(): boolean {
    const { settlement } = this.#publisher
    return (
      this.#configFailure === undefined &&
      settlement !== undefined &&
      isWhole(settlement) &&
      this.#update?.diagnostics.every(({ severity }) => severity !== 'error') === true
    )
  }

  /** Configurations that every worker serves whole, and those that some worker or bind refused. */
  get reloads(): { readonly applied: number; readonly refused: number } {
    return this.#reloads
  }

  /** When that was last so; milliseconds since the epoch, 0: never. */
  get cleanAt(): number {
    return this.#cleanAt
  }

  reopenLogs(): void {
    this.#supervisor.broadcast({ type: 'reopen-logs' })
  }

  /** For a process that takes over. What came with ours is `passed`'s. */
  get estate(): {
    readonly sockets: ReadonlyMap<BindKey, NativeTcpHandle>
    readonly ticketRoots: TicketRoots
  } {
    return { sockets: this.#sockets.handles, ticketRoots: this.#tickets.roots }
  }

  /**
   * For the same: UDP sockets of workers, which go on reading. Not before the workers have them all:
   * those of the process before this one are ours only when it has let go, a moment after we serve.
   * @throws GwProxyError GWP_UPGRADE_FAILED: they have not, or do not answer, within `limitMs`
   */
  async lendUdp(limitMs: number): Promise<readonly LentDatagrams[]> {
    const { clock } = this.#options
    const dueAt = clock.monotonic() + limitMs
    await this.#settledWithin(limitMs)
    return await this.#supervisor.lendUdp(Math.max(0, dueAt - clock.monotonic()))
  }

  /** The process before this one has let go of its sockets. Resolves when our workers have them. */
  predecessorReleased(): Promise<void> {
    const sockets = this.#options.inheritance?.sockets
    sockets?.close()
    this.#publisher.released()
    // Workers are given those only now.
    const given = this.#nextSettlement().then(() => sockets?.closeDatagrams())
    this.#inherited.resolve()
    return given
  }

  /**
   * Stops accepting, lets running work end until the deadline, then cuts it. `onReleased`: a successor
   * waits for the sockets, and is told when nobody here has any.
   */
  async drain(deadlineMs: number, onReleased?: () => void): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    this.#options.log.info({ deadlineMs }, 'draining')
    for (const timer of this.#timers) clearInterval(timer)
    this.#names.stop()
    // Ours first: a socket refuses connections when its last holder has closed it.
    this.#sockets.retain(new Set())
    this.#options.passed.close()
    await this.#supervisor.drain(deadlineMs, onReleased)
  }

  /** Ends everything at once. */
  kill(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#names.stop()
    this.#supervisor.kill()
  }

  async #settledWithin(limitMs: number): Promise<void> {
    const late = Promise.withResolvers<never>()
    const limit = setTimeout(() => {
      const message = 'the last upgrade or reload is not in place yet: try again in a moment'
      late.reject(new GwProxyError('GWP_UPGRADE_FAILED', message))
    }, limitMs)
    try {
      await Promise.race([late.promise, this.#inherited.promise.then(() => this.#nextSettlement())])
    } finally {
      clearTimeout(limit)
    }
  }

  #nextSettlement(): Promise<Settlement> {
    const settled = this.#publisher.settlement
    if (settled !== undefined) return Promise.resolve(settled)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #settled(settlement: Settlement): void {
    const update = this.#update
    // Late answers to a generation that is being replaced belong to no statuses we have.
    if (update === undefined || this.#draining) return
    const before = this.#settlement
    this.#settlement = settlement
    if (this.isClean) this.#cleanAt = this.#options.clock.now()
    this.#options.statusStore.publish(update, settlement.results)
    if (before?.revision !== settlement.revision) {
      this.#reloads[isWhole(settlement) ? 'applied' : 'refused'] += 1
      this.#configLog.settled(update, settlement)
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(settlement)
  }
}

function isWhole({ refusals, results }: Settlement): boolean {
  return refusals.length === 0 && results.every(({ error }) => error === undefined)
}

/** The names that the snapshot's upstreams point at. */
function namesOf({ target }: Pick<Publisher, 'target'>): ReadonlySet<string> {
  if (target === undefined) throw new GwProxyError('GWP_DEFECT_INVARIANT', 'nothing was published')
  const names = new Set<string>()
  for (const part of target.parts.values()) {
    if (part.kind !== 'upstream') continue
    for (const endpoint of part.endpoints) if (endpoint.kind === 'name') names.add(endpoint.name)
  }
  return names
}
