/** The real parts of a worker; tests of single layers compose their own. */
import type { HttpHub } from './http/contract.ts'
import { openTlsDomains } from './tls/domains.ts'
import { createRegistry } from './upstream/registry.ts'
import type { WorkerParts } from './worker.ts'

export const WORKER_PARTS: WorkerParts = {
  createRegistry: (clock, onNameFailed) => createRegistry({ clock, onNameFailed }),
  openTlsDomains: (warn) => openTlsDomains({ warn }),
  createHttpHub: () => closingHub(),
}

/** Ends every HTTP connection: what there is until the HTTP layer is. */
function closingHub(): HttpHub {
  return {
    compile: () => ({ release: () => undefined }),
    accept: (downstream) => downstream.end({ reason: 'internal-error', detail: 'no HTTP layer' }),
    drain: () => undefined,
    activeExchanges: 0,
  }
}
