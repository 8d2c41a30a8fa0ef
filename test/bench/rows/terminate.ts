/** TLS ends at the proxy, bytes go on: the price of a handshake, and whether tickets resume. */
import { generate } from '../loads.ts'
import type { Site } from '../site.ts'
import { loadRow } from './load-row.ts'
import type { Row } from './row.ts'

const CLIENTS = 16
const RIVALS = ['hitch', 'haproxy', 'nginx'] as const

function missing({ generator }: Site): string | undefined {
  return generator.hasTls ? undefined : "the generator needs OpenSSL's headers (apt: libssl-dev)"
}

export const TERMINATE_ROWS: readonly Row[] = [
  loadRow({
    name: 'tls-full',
    title: 'TLS 1.3 full handshakes, TLS to TCP',
    service: 'terminate',
    rivals: RIVALS,
    goals: [{ column: 'cpu', rival: 'hitch', atMost: 1.6, text: 'CPU <= 1.6x hitch' }],
    unit: { ops: 1, rate: 'handshakes/s', cpu: 'CPU us' },
    load: (site, target, seconds) =>
      generate(site, 'handshakes', target, seconds, { parallel: CLIENTS }),
    missing,
  }),
  loadRow({
    name: 'tls-resumed',
    title: 'TLS 1.3 with tickets that are used once, 2 workers, a reload in the middle',
    service: 'terminate',
    rivals: RIVALS,
    goals: [{ column: 'resumed', atLeast: 99, text: '~100 % resumed' }],
    unit: { ops: 1, rate: 'conn/s', cpu: 'CPU us/conn' },
    workers: 2,
    changes: true,
    fact: {
      column: { key: 'resumed', label: 'resumed %', better: 'neither', digits: 4 },
      // The first connection of each client has no ticket yet.
      of: ({ ops, resumed = 0 }) => (100 * resumed) / Math.max(1, ops - CLIENTS),
    },
    load: (site, target, seconds) =>
      generate(site, 'handshakes', target, seconds, { parallel: CLIENTS, resume: 'yes' }),
    missing,
  }),
]
