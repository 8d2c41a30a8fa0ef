/**
 * Tells systemd how far the service is (sd_notify(3), Type=notify or notify-reload). node:dgram has
 * no unix sockets, so `systemd-notify` speaks for us; without NOTIFY_SOCKET nothing happens.
 */
import { execFile } from 'node:child_process'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../observe/log.ts'

export type ServiceState = 'ready' | 'reloading' | 'stopping'

export type Notify = (state: ServiceState, status: string) => Promise<void>

/** As assignments, since the flags for the last two came with systemd 253 only. */
const ASSIGNMENTS: Readonly<Record<ServiceState, () => readonly string[]>> = {
  ready: () => ['READY=1'],
  // notify-reload wants to know the moment, on the clock that hrtime reads as well.
  reloading: () => ['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`],
  stopping: () => ['STOPPING=1'],
}

const TIMEOUT_MS = 5000

/** Each call resolves when systemd was told; calls keep their order. */
export function createNotify(
  environment: Readonly<Record<string, string | undefined>>,
  log: Logger,
  command = 'systemd-notify',
): Notify {
  if (!environment['NOTIFY_SOCKET']) return async () => undefined
  let last: Promise<void> = Promise.resolve()
  return (state, status) => {
    const args = [`--pid=${process.pid}`, ...ASSIGNMENTS[state](), `STATUS=${status}`]
    last = last.then(() => run(command, args))
    return last
  }

  function run(file: string, args: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      execFile(file, args, { timeout: TIMEOUT_MS }, (error) => {
        if (error !== null) log.warn({ err: messageOf(error) }, 'systemd could not be notified')
        resolve()
      })
    })
  }
}
