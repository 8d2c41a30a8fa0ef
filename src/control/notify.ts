/**
 * Tells systemd how far the service is (sd_notify(3), Type=notify or notify-reload). node:dgram has
 * no unix sockets, so `systemd-notify` speaks for us; without NOTIFY_SOCKET nothing happens.
 */
import { execFile } from 'node:child_process'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../observe/log.ts'

/** `serving` tells a new status text alone, `alive` feeds the watchdog. */
export type ServiceState = 'ready' | 'reloading' | 'stopping' | 'serving' | 'alive'

export type Notify = (state: ServiceState, status?: string) => Promise<void>

/** As assignments, since the flags for some of them came with systemd 253 only. */
const ASSIGNMENTS: Readonly<Record<ServiceState, () => readonly string[]>> = {
  ready: () => ['READY=1'],
  // notify-reload wants to know the moment, on the clock that hrtime reads as well.
  reloading: () => ['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`],
  stopping: () => ['STOPPING=1'],
  serving: () => [],
  alive: () => ['WATCHDOG=1'],
}

const TIMEOUT_MS = 5000

interface Word {
  readonly state: ServiceState
  readonly args: readonly string[]
  readonly said: PromiseWithResolvers<void>
}

/**
 * Each call resolves when systemd was told; calls keep their order. Status texts that are
 * overtaken before they were told are left out.
 */
export function createNotify(
  environment: Readonly<Record<string, string | undefined>>,
  log: Logger,
  command = 'systemd-notify',
): Notify {
  if (!environment['NOTIFY_SOCKET']) return async () => undefined
  const waiting: Word[] = []
  let isSpeaking = false
  return (state, status) => {
    const text = status === undefined ? [] : [`STATUS=${oneLine(status)}`]
    const args = [`--pid=${process.pid}`, ...ASSIGNMENTS[state](), ...text]
    const said = Promise.withResolvers<void>()
    const last = waiting.at(-1)
    if (state === 'serving' && last?.state === 'serving') {
      waiting.pop()
      last.said.resolve()
    }
    waiting.push({ state, args, said })
    void speak()
    return said.promise
  }

  async function speak(): Promise<void> {
    if (isSpeaking) return
    isSpeaking = true
    for (let word = waiting.shift(); word !== undefined; word = waiting.shift()) {
      await run(command, word.args)
      word.said.resolve()
    }
    isSpeaking = false
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

/** A line break would begin another assignment. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ')
}
