/** The real parts of a worker; tests of single layers compose their own. */
import { createHttpHub } from './http/hub.ts'
import { createTlsDomains } from './tls/domains.ts'
import { createRegistry } from './upstream/registry.ts'
import type { WorkerParts } from './worker.ts'

export const WORKER_PARTS: WorkerParts = {
  createRegistry: (clock, onNameFailed, keyOf, counts) =>
    createRegistry({ clock, onNameFailed, keyOf, counts }),
  createTlsDomains: (warn) => createTlsDomains({ warn }),
  createHttpHub: ({ settings, registry, accessLog, clock, log }) =>
    createHttpHub({
      clock,
      limits: settings.limits,
      registry,
      trustedProxies: settings.trustedProxies,
      forwardedDepth: settings.forwardedDepth,
      accessLog,
      sessionSecret: settings.sessionSecret,
      onDefect: (error) => log.error({ err: error }, 'a defect ended a mirrored request'),
    }),
}
