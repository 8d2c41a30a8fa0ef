/**
 * Feeds systemd's watchdog (WatchdogSec=, sd_watchdog_enabled(3)) while there is progress: the main
 * loop turns, or its timer would not fire; the config thread answers; the workers' heartbeats are
 * fresh. Without a word for WatchdogSec= systemd starts the service anew.
 */
import type { Logger } from '../observe/log.ts'

export interface WatchdogPorts {
  /** Asks the config thread; may never resolve. */
  readonly configResponds: () => Promise<void>
  readonly workersAreFresh: () => boolean
  readonly feed: () => void
  readonly log: Logger
}

/** A look that finds a worker silent leaves time to replace it: only lasting trouble is fatal. */
const LOOKS = 4

/** Milliseconds; undefined: nobody watches this process. */
export function watchdogTimeout(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number = process.pid,
): number | undefined {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = environment
  if (watched !== undefined && Number(watched) !== pid) return undefined
  const timeoutMs = Number(microseconds) / 1000
  return Number.isFinite(timeoutMs) && timeoutMs > 0 ? timeoutMs : undefined
}

export class Watchdog {
  readonly #ports: WatchdogPorts
  readonly #timer: NodeJS.Timeout
  #isWaiting = false
  #stalled: string | undefined

  constructor(timeoutMs: number, ports: WatchdogPorts) {
    this.#ports = ports
    this.#timer = setInterval(() => void this.#look(), timeoutMs / LOOKS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    if (this.#isWaiting) return this.#report('the config thread does not answer')
    this.#isWaiting = true
    await this.#ports.configResponds()
    this.#isWaiting = false
    const isFresh = this.#ports.workersAreFresh()
    this.#report(isFresh ? undefined : 'a worker is silent, or none is up')
    if (isFresh) this.#ports.feed()
  }

  /** Once for each trouble. */
  #report(stalled: string | undefined): void {
    if (stalled !== undefined && stalled !== this.#stalled) {
      this.#ports.log.warn({}, `the watchdog is not fed: ${stalled}`)
    }
    this.#stalled = stalled
  }
}
