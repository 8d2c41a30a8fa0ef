/** What every worker is told first, from the options and the limits of this process. */
import { readFileSync } from 'node:fs'
import { DEFAULT_LIMITS, type MemoryLimit, type WorkerSettings } from '../ipc/messages.ts'
import type { RunOptions } from './options.ts'

/** Descriptors of a proxied connection are two; a fifth stays for files, logs and links. */
const CONNECTIONS_PER_DESCRIPTOR = 0.4
/** Where the system tells no limit. */
const USUAL_DESCRIPTORS = 10_240

export function workerSettings(
  options: RunOptions,
  sessionSecret: string,
  memory: MemoryLimit | undefined,
): WorkerSettings {
  return {
    trustedProxies: options.trustedProxies,
    forwardedDepth: options.forwardedDepth,
    accessLog: options.accessLog,
    log: options.log,
    logLevel: options.logLevel,
    logFormat: options.logFormat,
    // Each worker is a process with the whole limit of its own.
    maxConnections: Math.floor(descriptorLimit() * CONNECTIONS_PER_DESCRIPTOR),
    io: options.io,
    limits: {
      ...DEFAULT_LIMITS,
      authMs: options.authTimeoutMs,
      drainMs: options.drainTimeoutMs,
    },
    memory,
    sessionSecret,
  }
}

/** RLIMIT_NOFILE, soft; Node has raised it to the hard one at its start, and children inherit it. */
function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1])
    return Number.isFinite(soft) ? soft : USUAL_DESCRIPTORS
  } catch {
    return USUAL_DESCRIPTORS
  }
}
