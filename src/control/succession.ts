/**
 * Who is the service: this process, or one that took over from it (ADR 11). The walk of an upgrade on
 * the side of the process that runs: start the new one, compare, let it take over, drain, stay for
 * those who know our pid. Until it has taken over nothing here has changed, and whatever fails
 * leaves it so.
 */
import { GwProxyError, messageOf } from '../base/errors.ts'
import { type Serving, takeoverRefusal } from '../ipc/hand-over.ts'
import type { ConfigUpdate } from '../ipc/messages.ts'
import { formatOrigin } from '../model/diagnostic.ts'
import type { BindKey } from '../model/identity.ts'
import type { Logger } from '../observe/log.ts'
import type { UpgradeReport } from './admin/contract.ts'
import { Lifeline, type Order, StandIn } from './lifeline.ts'
import type { Predecessor } from './predecessor.ts'
import type { Settlement } from './publisher.ts'
import type { SignalActions } from './signals.ts'
import { type Estate, Successor, UPGRADE_LIMITS, type UpgradeLimits } from './successor.ts'

export interface Loan extends Omit<Estate, 'lifeline'> {
  /** A new process has descriptors of its own by now, or there is none. */
  giveBack(): void
}

export interface SuccessionPorts {
  readonly build: string
  /** Rejects when it cannot be had within `lendMs`. */
  readonly estate: (lendMs: number) => Promise<Loan>
  /** How this process serves; undefined: nothing yet, or no more. */
  readonly serving: () => Serving | undefined
  /** What it accepts on. */
  readonly served: () => ReadonlySet<BindKey>
  /** Gives the admin interface and the metrics port away, and has no more to say to systemd. */
  readonly yieldAdmin: () => Promise<void>
  /** The other way. */
  readonly resumeAdmin: () => Promise<void>
  /** Another process serves: finishes what is under way; `onReleased` when it has no socket left. */
  readonly drain: (onReleased: () => void) => Promise<void>
  readonly drainTimeoutMs: number
  /** systemd is told of a new main process; everybody else keeps the pid that they know. */
  readonly isPidTold: boolean
  readonly log: Logger
  readonly limits?: UpgradeLimits
}

export class Succession {
  readonly #ports: SuccessionPorts
  readonly #over = Promise.withResolvers<boolean>()
  #isUpgrading = false
  #successor: Successor | undefined
  #taking: Promise<void> | undefined
  #isHandedOver = false
  /** Of the process whose pid the service is known by, when that is another. */
  #lifeline: { readonly fd: number; readonly end: Lifeline } | undefined
  #standIn: StandIn | undefined
  /** Whom this process took over from. */
  #predecessor: Predecessor | undefined

  constructor(ports: SuccessionPorts) {
    this.#ports = ports
  }

  /** Resolves when all is over after a hand-over: whether the last process ended as it should. */
  get over(): Promise<boolean> {
    return this.#over.promise
  }

  /**
   * This process accepts already, and becomes the service once `predecessor` gives way and `open`
   * has opened the admin interface.
   */
  async takeOver(
    predecessor: Predecessor,
    serving: Serving,
    open: () => Promise<void>,
    actions: SignalActions,
  ): Promise<void> {
    this.#predecessor = predecessor
    await predecessor.serving(serving)
    await open()
    const { lifeline } = predecessor.inheritance
    if (lifeline !== undefined) {
      this.#lifeline = { fd: lifeline, end: new Lifeline(lifeline, actions) }
    }
  }

  /**
   * Starts the program as it is installed now and hands over to it. Resolves when that is the service.
   * @throws GwProxyError GWP_UPGRADE_FAILED: this one goes on as before
   */
  async upgrade(): Promise<UpgradeReport> {
    const { build, log } = this.#ports
    const startedAt = performance.now()
    if (this.#isUpgrading) throw refused('an upgrade is under way')
    this.#isUpgrading = true
    let successor: Successor | undefined
    try {
      successor = await this.#start()
      this.#compare(await successor.serves())
      this.#taking = this.#take(successor)
      await this.#taking
    } catch (error) {
      // It may have accepted connections.
      if (successor !== undefined) this.#stop(successor, messageOf(error))
      log.error(
        { pid: successor?.pid || undefined },
        `not upgraded, going on as before: ${messageOf(error)}`,
      )
      this.#successor = undefined
      this.#isUpgrading = false
      throw error
    } finally {
      this.#taking = undefined
    }
    void this.#finish(successor)
    const durationMs = performance.now() - startedAt
    return { from: build, build: successor.build, pid: successor.pid, durationMs }
  }

  /**
   * This process was told to end: a new one that is not the service yet shall not outlive it. Present
   * while it may become the service any moment: who serves is known when this resolves.
   */
  abort(): Promise<void> | undefined {
    if (this.#taking !== undefined) return this.#taking.then(ignore, ignore)
    if (this.#successor !== undefined && !this.#isHandedOver) {
      this.#stop(this.#successor, 'gwproxy was told to end')
    }
    return undefined
  }

  /** What our pid was told is for whoever serves; false: that is this process. */
  passOn(order: Order): boolean {
    this.#standIn?.order(order)
    return this.#isHandedOver
  }

  /**
   * Those who watch the service see its end in ours, and may kill what is left: a process that handed over
   * to us has the time of its drain first, which began before ours.
   */
  async outlastPredecessor(): Promise<void> {
    const { drainTimeoutMs, log } = this.#ports
    if (this.#predecessor === undefined || this.#predecessor.hasFinished) return
    log.info({}, 'drained; waiting for the process that handed over')
    await this.#predecessor.finished(drainTimeoutMs)
  }

  /** The last word to whoever stays in our place. */
  async end(): Promise<void> {
    await this.#lifeline?.end.end()
  }

  async #start(): Promise<Successor> {
    const { build, log, estate, isPidTold, limits = UPGRADE_LIMITS } = this.#ports
    this.#assertServing('gwproxy is starting or stopping')
    const { giveBack, ...rest } = await estate(limits.lendMs)
    try {
      this.#assertServing('gwproxy was told to end')
      const lifeline = isPidTold ? 'none' : (this.#lifeline?.fd ?? 'new')
      const successor = new Successor({ ...rest, lifeline }, limits)
      this.#successor = successor
      log.info({ pid: successor.pid || undefined, build }, 'upgrading: a new process was started')
      return successor
    } finally {
      giveBack()
    }
  }

  #assertServing(otherwise: string): void {
    if (this.#ports.serving() === undefined) throw refused(otherwise)
  }

  #compare(after: Serving): void {
    const before = this.#ports.serving()
    if (before === undefined) throw refused('gwproxy was told to end')
    const refusal = takeoverRefusal(before, this.#ports.served(), after)
    if (refusal !== undefined) throw refused(refusal)
  }

  async #take(successor: Successor): Promise<void> {
    const { yieldAdmin, resumeAdmin } = this.#ports
    await yieldAdmin()
    try {
      await successor.take()
    } catch (error) {
      // One that hangs may hold what we need.
      successor.kill()
      await successor.exited
      await resumeAdmin()
      throw error
    }
    this.#handOver(successor)
  }

  #stop(successor: Successor, reason: string): void {
    successor.stop(reason, this.#ports.drainTimeoutMs)
  }

  #handOver(successor: Successor): void {
    const { pid, build, lifeline } = successor
    this.#isHandedOver = true
    this.#ports.log.info({ pid, build }, 'handed over to the new process')
    this.#lifeline?.end.leave()
    if (lifeline !== undefined) this.#standIn = new StandIn(lifeline)
  }

  async #finish(successor: Successor): Promise<void> {
    const { log, drain } = this.#ports
    const { pid } = successor
    const standIn = this.#standIn
    const ended = standIn?.ended ?? successor.exited.then(() => false)
    void ended.then((isClean) => {
      // Nobody serves: whoever watches our pid shall know at once.
      if (!isClean) this.#over.resolve(false)
    })
    await drain(() => successor.release())
    await this.outlastPredecessor()
    successor.leave()
    if (standIn !== undefined) {
      log.info({ pid }, 'drained; staying for those who know this pid')
      process.title = 'gwproxy: handed over'
      await ended
    }
    this.#over.resolve(true)
  }
}

/** How a process serves, to be compared with another. */
export function servingOf(
  { diagnostics, counts }: Pick<ConfigUpdate, 'diagnostics' | 'counts'>,
  { generation, results }: Pick<Settlement, 'generation' | 'results'>,
): Serving {
  return {
    generation,
    failedBinds: results.flatMap(({ bind, error }) =>
      error === undefined ? [] : [{ bind, message: error.message }],
    ),
    errors: diagnostics
      .filter(({ severity }) => severity === 'error')
      .map(({ origin, message }) => `${formatOrigin(origin)}: ${message}`),
    stale: counts.stale,
  }
}

function ignore(): void {}

function refused(reason: string): GwProxyError {
  return new GwProxyError('GWP_UPGRADE_FAILED', reason)
}
