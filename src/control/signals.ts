/**
 * What signals mean (security guide 2.8). The handlers are installed before anything that takes
 * time: SIGUSR1 without one would open Node's inspector.
 */

export interface SignalActions {
  /** SIGTERM, SIGINT: the first. */
  readonly drain: () => void
  /** The second: `status` is 128 and the signal's number, as a shell shows it. */
  readonly exitNow: (status: number) => void
  /** SIGHUP. */
  readonly reload: () => void
  /** SIGUSR1, SIGUSR2. */
  readonly reopenLogs: () => void
}

/** A process, as far as signals go. */
export interface SignalSource {
  on(signal: string, handler: () => void): unknown
  off(signal: string, handler: () => void): unknown
}

const SIGINT_STATUS = 130
const SIGTERM_STATUS = 143

/** Returns what takes the handlers away again. */
export function onSignals(actions: SignalActions, self: SignalSource = process): () => void {
  let asked = false
  const stop = (status: number) => () => {
    if (asked) return actions.exitNow(status)
    asked = true
    actions.drain()
  }
  const handlers = {
    SIGTERM: stop(SIGTERM_STATUS),
    SIGINT: stop(SIGINT_STATUS),
    SIGHUP: actions.reload,
    SIGUSR1: actions.reopenLogs,
    SIGUSR2: actions.reopenLogs,
  }
  for (const [signal, handler] of Object.entries(handlers)) self.on(signal, handler)
  return () => {
    for (const [signal, handler] of Object.entries(handlers)) self.off(signal, handler)
  }
}
