/**
 * The paths of the admin interface and of the metrics listener. The second is a part of the first
 * that can change nothing and names no object, so that it may be opened to scrapers and probes.
 */
import type { ControlPlane } from '../control-plane.ts'
import { unpackPart } from '../../ipc/packed-part.ts'
import { readyStatus } from '../readiness.ts'
import type { StatusStore } from '../status-store.ts'
import type { CertificateEntry, ReloadReport, UpgradeReport, WorkerEndpoints } from './contract.ts'
import { type Explain, explainAnswer } from './explain.ts'
import { type Answer, type Endpoints, json } from './http-listener.ts'
import type { Metrics } from './metrics.ts'
import { pageEndpoints } from './page/page-endpoints.ts'
import { redact } from './redact.ts'

export interface AdminPorts {
  readonly plane: ControlPlane
  readonly statusStore: StatusStore
  readonly metrics: Metrics
  /** The data plane's dry run of a request. */
  readonly explain: Explain
  /** Rescans and answers when the workers have. */
  readonly reload: () => Promise<ReloadReport>
  /** Starts the program as it is installed now; answers when that has taken over. */
  readonly upgrade: () => Promise<UpgradeReport>
  /** Begins the drain; the process ends by itself. */
  readonly drain: () => void
}

export function probeEndpoints({ plane, metrics }: AdminPorts): Endpoints {
  return {
    '/livez': { method: 'GET', answer: () => json(200, { state: 'alive' }) },
    '/readyz': {
      method: 'GET',
      answer: () => {
        const ready = plane.ready
        return json(readyStatus(ready), ready)
      },
    },
    '/metrics': { method: 'GET', answer: () => exposition(metrics) },
  }
}

export function adminEndpoints(ports: AdminPorts): Endpoints {
  const { plane, statusStore, explain, reload, upgrade, drain } = ports
  return {
    ...probeEndpoints(ports),
    ...pageEndpoints({
      plane,
      report: () => statusStore.report,
      now: Date.now,
      uptime: () => process.uptime() * 1000,
    }),
    '/status': { method: 'GET', answer: () => json(200, statusStore.report) },
    '/snapshot': { method: 'GET', answer: () => json(200, snapshotOf(plane)) },
    '/certs': { method: 'GET', answer: () => json(200, certificatesOf(plane, Date.now())) },
    '/endpoints': { method: 'GET', answer: () => json(200, endpointsOf(plane)) },
    '/explain': { method: 'POST', answerTo: (body) => explainAnswer(plane, explain, body) },
    '/reload': { method: 'POST', answer: async () => json(200, await reload()) },
    '/upgrade': { method: 'POST', answer: async () => json(200, await upgrade()) },
    '/drain': {
      method: 'POST',
      answer: () => {
        drain()
        return json(202, { state: 'draining' })
      },
    },
  }
}

async function exposition(metrics: Metrics): Promise<Answer> {
  return {
    status: 200,
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    body: await metrics.text(),
  }
}

function snapshotOf({ publisher: { target } }: ControlPlane): unknown {
  if (target === undefined) return { manifest: null, parts: {} }
  const manifest = { ...target.manifest, parts: [...target.manifest.parts] }
  const parts = [...target.parts].map(([digest, part]) => [digest, unpackPart(part)] as const)
  return redact({ manifest, parts: Object.fromEntries(parts) })
}

const DAY_MS = 86_400_000

/** Soonest to expire first. */
function certificatesOf(
  { publisher: { target } }: ControlPlane,
  now: number,
): readonly CertificateEntry[] {
  const parts = [...(target?.parts.values() ?? [])].filter((part) => part.kind === 'certificate')
  return parts
    .sort((a, b) => a.notAfter - b.notAfter)
    .map((part) => ({
      source: part.source,
      dnsNames: part.dnsNames,
      keyType: part.keyType,
      notBefore: new Date(part.notBefore).toISOString(),
      notAfter: new Date(part.notAfter).toISOString(),
      expiresInDays: Math.floor((part.notAfter - now) / DAY_MS),
      fingerprint: part.fingerprint,
    }))
}

function endpointsOf({ supervisor }: ControlPlane): readonly WorkerEndpoints[] {
  return supervisor.workers.map(({ slot, pid, endpoints }) => ({
    worker: slot,
    pid,
    endpoints,
  }))
}
