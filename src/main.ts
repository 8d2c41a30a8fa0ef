/**
 * The daemon: composes the control plane and the data plane, and is the only file that sees both.
 * Owns the process: signals, exit code, the last words in the log.
 */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { systemClock } from './base/clock.ts'
import { errnoOf, GwProxyError, messageOf } from './base/errors.ts'
import { entryPoint, PACKAGE_ROOT } from './base/program-files.ts'
import type { ReloadReport } from './control/admin/contract.ts'
import { createMetrics } from './control/admin/metrics.ts'
import { AdminServers } from './control/admin/servers.ts'
import { type Budget, planBudget } from './control/budget.ts'
import { type ConfigHost, startConfigThread } from './control/config-host.ts'
import { ControlPlane } from './control/control-plane.ts'
import { forkWorker } from './control/fork-worker.ts'
import { InheritedSockets } from './control/inherited-sockets.ts'
import { type MachineLimits, readMachine, successorHeapFlags } from './control/machine.ts'
import { createLookUp } from './control/name-resolver.ts'
import { createNotify } from './control/notify.ts'
import { checkOptions, configOptions, pathOf, type RunOptions } from './control/options.ts'
import { PassedSockets } from './control/passed-sockets.ts'
import { meetPredecessor, type Predecessor } from './control/predecessor.ts'
import { serviceStatus } from './control/service-status.ts'
import { sessionSecret } from './control/session-secret.ts'
import { onSignals, type SignalActions } from './control/signals.ts'
import { openStateDir, type StateDir } from './control/state-dir.ts'
import { StatusDirectory } from './control/status-dir.ts'
import { readTransitions, TRANSITIONS, type TransitionRecord } from './control/status-times.ts'
import { StatusStore } from './control/status-store.ts'
import { type Loan, servingOf, Succession } from './control/succession.ts'
import type { StartedWorker } from './control/supervisor.ts'
import { Watchdog, watchdogTimeout } from './control/watchdog.ts'
import { workerSettings } from './control/worker-settings.ts'
import { WORKER_PARTS } from './data/compose.ts'
import { explainRequest } from './data/explain/explain.ts'
import { startWorker } from './data/worker.ts'
import { BUILD } from './ipc/build.ts'
import type { Serving } from './ipc/hand-over.ts'
import { createMemoryLink } from './ipc/memory-link.ts'
import type { ConfigUpdate } from './ipc/messages.ts'
import { formatOrigin } from './model/diagnostic.ts'
import { type LineSink, openLineSink } from './observe/line-sink.ts'
import { createLogger, type Logger } from './observe/log.ts'
import { applyBindResults } from './translate/status/programmed.ts'

/** A reload is answered after this time even when workers are not: they may be in a crash loop. */
const ANSWER_MS = 30_000
/** The log's reader has this long to take the last lines. */
const FLUSH_MS = 500
/** Exit codes besides 0: problems under --strict or a failed start, and our own defects (EX_SOFTWARE). */
const EXIT_PROBLEMS = 1
const EXIT_DEFECT = 70

const WORKER_ENTRY = entryPoint('data/worker-process')

/** Where the launcher is when nobody called it. */
const LAUNCHER = join(PACKAGE_ROOT, 'bin/gwproxy')

/**
 * `gwproxy run`: serves until a signal or `POST /drain` ends it, then exits the process. 0: drained;
 * 1: it could not start, or --strict found problems; 70: a defect of ours.
 * @throws GwProxyError before anything serves: the options or the environment are at fault
 */
export async function runDaemon(options: RunOptions): Promise<void> {
  const predecessor = await meetPredecessor()
  try {
    await run(options, predecessor)
  } catch (error) {
    predecessor?.failed(messageOf(error))
    throw error
  }
}

async function run(options: RunOptions, predecessor: Predecessor | undefined): Promise<void> {
  checkOptions(options)
  checkLogFile('--access-log', pathOf(options.accessLog?.target))
  const sinks = openSinks(options)
  const log = createLogger({ level: options.logLevel, format: options.logFormat, sink: sinks.log })
  const exit = async (code: number): Promise<never> => {
    await Promise.all([sinks.log.close(FLUSH_MS), sinks.stdout.close(FLUSH_MS)])
    process.exit(code)
  }
  // State may be inconsistent after an exception nobody caught: end, and let systemd start anew.
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'a defect of gwproxy; ending')
    void exit(EXIT_DEFECT)
  })
  const daemon = new Daemon(options, sinks, log, predecessor)
  const actions: SignalActions = {
    drain: () => void daemon.end(),
    exitNow: (status) => {
      daemon.kill()
      process.exit(status)
    },
    reload: () => daemon.reloadAsTold(),
    reopenLogs: () => daemon.reopenLogs(),
  }
  onSignals(actions)
  try {
    // A signal may end it before it serves.
    await Promise.race([daemon.start(actions), daemon.ended])
  } catch (error) {
    predecessor?.failed(messageOf(error))
    // What a successor has accepted already ends as in a drain.
    if (predecessor === undefined) daemon.kill()
    else await daemon.end()
    log.error({ ...(error instanceof GwProxyError ? {} : { err: error }) }, messageOf(error))
    return exit(EXIT_PROBLEMS)
  }
  return exit(await daemon.ended)
}

/** @throws GwProxyError GWP_STATE_UNWRITABLE: better at the start than without lines later. */
function checkLogFile(option: string, path: string | undefined): void {
  if (path === undefined) return
  try {
    closeSync(openSync(path, 'a', 0o640))
  } catch (error) {
    throw new GwProxyError(
      'GWP_STATE_UNWRITABLE',
      `${option} ${path} cannot be opened: ${messageOf(error)}`,
    )
  }
}

/** Where lines of this process go. Both may be one. */
interface Sinks {
  readonly log: LineSink
  /** Of a data plane in this process: access lines. */
  readonly stdout: LineSink
}

function openSinks({ log }: RunOptions): Sinks {
  const path = pathOf(log)
  checkLogFile('--log', path)
  const stdout = openLineSink(1)
  return { stdout, log: path === undefined ? stdout : openLineSink(path) }
}

class Daemon {
  readonly #options: RunOptions
  readonly #sinks: Sinks
  readonly #log: Logger
  readonly #plane: ControlPlane
  readonly #statusStore: StatusStore
  readonly #statusDir: StatusDirectory | undefined
  readonly #sessionSecret: string
  readonly #admin: AdminServers
  readonly #predecessor: Predecessor | undefined
  readonly #succession: Succession
  readonly #notify: ReturnType<typeof createNotify>
  readonly #passed = new PassedSockets(process.env)
  readonly #machine: MachineLimits
  readonly #budget: Budget
  readonly #ended = Promise.withResolvers<number>()
  #config: ConfigHost | undefined
  #applied: Promise<ReloadReport> | undefined
  /** What `systemctl status` shows. */
  #status = 'starting'
  #ending = false
  /** The admin interface is ours, and what systemd is told. */
  #isService: boolean
  #watchdog: Watchdog | undefined

  constructor(
    options: RunOptions,
    sinks: Sinks,
    log: Logger,
    predecessor: Predecessor | undefined,
  ) {
    this.#predecessor = predecessor
    this.#isService = predecessor === undefined
    this.#options = options
    this.#sinks = sinks
    this.#log = log
    this.#notify = createNotify(process.env, log)
    const { stateDir, statusDir } = options
    const state = stateDir === undefined ? undefined : openStateDir(stateDir)
    this.#statusDir = statusDir === undefined ? undefined : new StatusDirectory(statusDir, log)
    this.#statusStore = new StatusStore({
      applyBindResults,
      clock: systemClock,
      saved: readTransitions(state),
      onPublished: (report, moved) => {
        if (this.#isService) this.#statusDir?.publish(report)
        if (state !== undefined) this.#save(state, moved())
      },
    })
    this.#machine = readMachine()
    this.#budget = planBudget(options.workers, this.#machine)
    const { workers, heaps } = this.#budget
    const inheritance = predecessor?.inheritance
    this.#sessionSecret =
      inheritance?.sessionSecret ?? sessionSecret(state, (message) => log.warn({}, message))
    this.#plane = new ControlPlane({
      ...(inheritance !== undefined && {
        inheritance: {
          sockets: new InheritedSockets(inheritance),
          ticketRoots: inheritance.ticketRoots,
        },
      }),
      workers: Math.max(1, workers),
      build: BUILD,
      passed: this.#passed,
      startWorker: () => (workers === 0 ? startInProcess(sinks) : forkWorker(WORKER_ENTRY, heaps)),
      settings: workerSettings(options, this.#sessionSecret, this.#machine.cgroup.memory),
      statusStore: this.#statusStore,
      lookUp: createLookUp(),
      log,
      clock: systemClock,
    })
    this.#admin = this.#adminServers()
    this.#succession = new Succession({
      build: BUILD,
      estate: (lendMs) => this.#lend(lendMs),
      serving: () => (this.#ending ? undefined : this.#serving),
      served: () => this.#plane.servedBinds,
      yieldAdmin: () => this.#yieldAdmin(),
      resumeAdmin: () => this.#resumeAdmin(),
      drain: (onReleased) => this.#drain(onReleased),
      drainTimeoutMs: options.drainTimeoutMs,
      // Not where our own launcher is PID 1 of a container, which ends with the pid that it knows.
      isPidTold: Boolean(process.env['NOTIFY_SOCKET']) && !process.env['GWPROXY_INIT'],
      log,
    })
    void this.#succession.over.then((isSound) => this.#ended.resolve(isSound ? 0 : EXIT_DEFECT))
  }

  /** The exit code, when the daemon has drained and nobody serves in its place. */
  get ended(): Promise<number> {
    return this.#ended.promise
  }

  /**
   * Resolves when the first configuration serves; never, when `end` comes first.
   * @throws GwProxyError the admin interface cannot be opened, or --strict found problems
   */
  async start(actions: SignalActions): Promise<void> {
    this.#predecessor?.onStop(actions.drain)
    this.#logMachine()
    this.#logPassed()
    if (this.#isService) await this.#admin.open()
    if (this.#ending) return
    // Workers load their code while the files are read; they open nothing before a publish.
    this.#plane.start()
    const first = Promise.withResolvers<ReloadReport>()
    const config = startConfigThread(configOptions(this.#options), this.#budget.heaps?.configThread)
    this.#config = config
    config.onFailed((message) => {
      // Before the first update it ends us, with this as the last word.
      if (this.#applied !== undefined) this.#plane.configFailed(message)
      first.reject(new GwProxyError('GWP_CONFIG_UNREADABLE', message))
    })
    config.onUpdate((update) => {
      if (this.#applied === undefined) {
        const refusal = this.#options.strict ? strictRefusal(update) : undefined
        if (refusal !== undefined) return first.reject(refusal)
      }
      this.#applied = this.#plane.apply(update)
      this.#applied.then(
        (report) => this.#tellStatus(report),
        (error: unknown) => this.#plane.configFailed(messageOf(error)),
      )
      first.resolve(this.#applied)
    })
    const { generation } = await first.promise
    await this.#takeOver(actions)
    if (this.#predecessor === undefined) this.#logIdle()
    this.#log.info({ generation, pid: process.pid, build: BUILD }, 'ready')
    await this.#notify('ready', this.#status)
    this.#startWatchdog(config)
    // Whoever forked us with a channel (a test, a process manager) waits for this word.
    if (this.#predecessor === undefined) process.send?.('ready', undefined, undefined, ignore)
    else this.#predecessor.taken(() => void this.#inherit())
  }

  /** Nothing to do without a predecessor. */
  async #takeOver(actions: SignalActions): Promise<void> {
    const serving = this.#serving
    if (this.#predecessor === undefined || serving === undefined) return
    await this.#succession.takeOver(this.#predecessor, serving, () => this.#admin.open(), actions)
    this.#isService = true
    this.#statusDir?.publish(this.#statusStore.report)
  }

  get #serving(): Serving | undefined {
    const { config, settlement } = this.#plane
    if (config.update === undefined || settlement === undefined) return undefined
    return servingOf(config.update, settlement)
  }

  async #lend(limitMs: number): Promise<Loan> {
    const datagrams = await this.#plane.lendUdp(limitMs)
    const { sockets, ticketRoots } = this.#plane.estate
    const passed = this.#passed.descriptors
    const own = [...sockets].filter(([, { fd }]) => passed.every((one) => one.fd !== fd))
    return {
      launcher: process.env['GWPROXY_LAUNCHER'] ?? LAUNCHER,
      args: process.argv.slice(2),
      heapFlags: successorHeapFlags(this.#options.workers, this.#budget),
      passed,
      inheritance: {
        ...{ build: BUILD, ticketRoots, sessionSecret: this.#sessionSecret },
        sockets: own.map(([bind, { fd }]) => ({ bind, fd })),
        datagrams: datagrams.map(({ bind, address, fd }) => ({ bind, address, fd })),
      },
      giveBack: () => {
        for (const socket of datagrams) socket.close()
      },
    }
  }

  async #yieldAdmin(): Promise<void> {
    this.#isService = false
    this.#watchdog?.stop()
    await this.#admin.handOver()
    // The words of the new process shall be the last that systemd hears.
    await Promise.all([this.#notify('serving', 'handing over'), this.#statusDir?.flushed()])
  }

  async #resumeAdmin(): Promise<void> {
    this.#isService = true
    await this.#admin.open()
    this.#statusDir?.publish(this.#statusStore.report)
    await this.#notify('ready', this.#status)
    if (this.#config !== undefined) this.#startWatchdog(this.#config)
  }

  /** SIGHUP. */
  reloadAsTold(): void {
    if (this.#succession.passOn('reload')) return
    this.reload().catch((error: unknown) => this.#log.error({}, messageOf(error)))
  }

  /** Reads the files again; resolves when every live worker has answered, or none will soon. */
  async reload(): Promise<ReloadReport> {
    void this.#notify('reloading', 'reading the files again')
    try {
      await this.#config?.reload()
      const report = await this.#answer()
      const { generation, applied, durationMs } = report
      this.#log.info({ generation, applied, durationMs: Math.round(durationMs) }, 'reloaded')
      return report
    } finally {
      // systemd waits for this word, also after a reload that came to nothing.
      if (!this.#ending && this.#isService) void this.#notify('ready', this.#status)
    }
  }

  #tellStatus(report: ReloadReport): void {
    const { update } = this.#plane.config
    if (update === undefined || this.#ending) return
    this.#status = serviceStatus(report, update.counts, this.#plane.ready)
    if (!this.#isService) return
    void this.#notify('serving', this.#status)
  }

  /** While it drains, the deadline alone counts. */
  #startWatchdog(config: ConfigHost): void {
    const timeoutMs = watchdogTimeout(process.env)
    if (timeoutMs === undefined || this.#ending) return
    this.#watchdog = new Watchdog(timeoutMs, {
      configResponds: () => config.responds(),
      workersAreFresh: () => this.#ending || this.#plane.supervisor.isFresh,
      feed: () => void this.#notify('alive'),
      log: this.#log,
    })
  }

  /** Limits that somebody set, and what we made of them. */
  #logMachine(): void {
    const { cpus, memoryBytes } = this.#machine
    if (cpus === undefined && memoryBytes === undefined) return
    const { workers, heaps, wantedMiB } = this.#budget
    this.#log.info({ cpus, memoryBytes, workers, heapMiB: heaps }, 'limited by the control group')
    if (wantedMiB === undefined) return
    const help = `give it at least ${wantedMiB} MiB${workers === 0 ? '' : ', or fewer --workers'}`
    this.#log.warn({ memoryBytes, help }, 'the memory limit is too low for this many processes')
  }

  #logPassed(): void {
    const { names, refused } = this.#passed
    if (names.length > 0) this.#log.info({ sockets: names }, 'sockets taken from systemd')
    for (const reason of refused) this.#log.warn({}, `systemd passed what cannot serve: ${reason}`)
  }

  /** UDP listeners have their sockets only now. */
  async #inherit(): Promise<void> {
    await this.#plane.predecessorReleased()
    this.#logIdle()
  }

  /** What systemd passed for nobody. */
  #logIdle(): void {
    for (const name of this.#passed.idle) {
      const why = 'no listener has this address and port, or this name'
      this.#log.warn({}, `systemd passed ${name}, and ${why}`)
    }
  }

  /** The workers' answer to the newest update, or that there is none. */
  async #answer(): Promise<ReloadReport> {
    if (this.#applied === undefined) {
      throw new GwProxyError('GWP_CONFIG_UNREADABLE', 'not started yet')
    }
    const late = new AbortController()
    const timeout = setTimeout(ANSWER_MS, undefined, { signal: late.signal, ref: false })
    return Promise.race([this.#applied, timeout.then(() => this.#plane.unanswered())]).finally(() =>
      late.abort(),
    )
  }

  /** Drains and ends, or lets whoever has taken over; a second call changes nothing. */
  async end(): Promise<void> {
    const taking = this.#succession.abort()
    if (taking !== undefined) await taking
    if (this.#succession.passOn('drain') || this.#ending) return
    const told = this.#isService ? this.#notify('stopping', 'draining') : undefined
    await this.#drain()
    await Promise.all([this.#statusDir?.flushed(), told])
    await this.#succession.outlastPredecessor()
    this.#log.info({}, 'drained; ending')
    await this.#succession.end()
    this.#ended.resolve(0)
  }

  async #drain(onReleased?: () => void): Promise<void> {
    this.#ending = true
    // First: an edit during the drain must open nothing again.
    await this.#config?.stop()
    await this.#plane.drain(this.#options.drainTimeoutMs, onReleased)
    this.#admin.closeAll()
  }

  /** Ends the workers at once; what is left of the process is the caller's. */
  kill(): void {
    this.#succession.passOn('exit')
    this.#plane.kill()
    this.#admin.close()
  }

  reopenLogs(): void {
    this.#succession.passOn('reopen-logs')
    const error = this.#sinks.log.reopen()
    if (error !== undefined) this.#log.error({ errno: errnoOf(error) }, messageOf(error))
    this.#plane.reopenLogs()
  }

  /** Losing a time is better than losing traffic. */
  #save(state: StateDir, moved: TransitionRecord | undefined): void {
    try {
      if (moved !== undefined) state.write(TRANSITIONS, moved)
    } catch (error) {
      this.#log.warn({}, messageOf(error))
    }
  }

  #adminServers(): AdminServers {
    const sinks = this.#sinks
    const isShared = this.#budget.workers === 0 && sinks.log === sinks.stdout
    const ports = {
      plane: this.#plane,
      statusStore: this.#statusStore,
      metrics: createMetrics({
        plane: this.#plane,
        report: () => this.#statusStore.report,
        // A data plane in this process tells of the sink that it shares with us.
        droppedLines: () => (isShared ? 0 : sinks.log.dropped),
        build: BUILD,
      }),
      explain: explainRequest,
      reload: () => this.reload(),
      upgrade: () => this.#succession.upgrade(),
      drain: () => void this.end(),
    }
    return new AdminServers(this.#options, ports, this.#log)
  }
}

function ignore(): void {}

/** The data plane in this process, over a link that has the same words as a worker's. */
function startInProcess({ stdout, log }: Sinks): StartedWorker {
  const { worker, control } = createMemoryLink()
  void startWorker({ link: control, parts: WORKER_PARTS, sink: stdout, logSink: log })
  return { kind: 'memory', pid: process.pid, link: worker, kill: () => undefined }
}

/** What --strict has to say about the first pass, if anything. */
function strictRefusal({ diagnostics }: ConfigUpdate): GwProxyError | undefined {
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  if (errors.length === 0) return undefined
  const lines = errors.map(({ origin, message }) => `${formatOrigin(origin)}: ${message}`)
  return new GwProxyError(
    'GWP_CONFIG_PROBLEMS',
    `the configuration has problems and --strict is set:\n${lines.join('\n')}`,
  )
}
