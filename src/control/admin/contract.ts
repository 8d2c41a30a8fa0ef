/**
 * The JSON of the admin interface: what the daemon answers and the CLI reads. Key material never
 * appears here: private keys do not exist in any part, and Secrets are redacted by the config thread.
 */
import type { ErrorCode } from '../../base/errors.ts'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import type { BindResult } from '../../model/status.ts'
import type { EndpointHealth } from '../../ipc/messages.ts'

/** One object in the shape of `kubectl get -o yaml`, with the place it was read from. */
export interface StatusEntry {
  readonly origin: Origin
  /** Milliseconds since the epoch: its creationTimestamp, else when gwproxy first saw it. */
  readonly seenAt: number
  /** Served from its last good version, because the present text is broken. */
  readonly stale: boolean
  readonly object: ManifestObject
}

export interface ManifestObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

/** `GET /status` */
export interface StatusReport {
  readonly generation: number
  readonly objects: readonly StatusEntry[]
  readonly problems: readonly Diagnostic[]
}

/** As the daemon has it: an object is put together each time that somebody asks for it. */
export interface LiveEntry extends StatusEntry {
  /** Of the object. */
  readonly kind: string
}

export interface LiveReport extends StatusReport {
  readonly objects: readonly LiveEntry[]
}

/** `POST /reload`, answered when every live worker acked. */
export interface ReloadReport {
  readonly generation: number
  /** Every worker runs this generation and every bind is open. */
  readonly applied: boolean
  readonly durationMs: number
  readonly problems: readonly Diagnostic[]
  readonly failedBinds: readonly BindResult[]
  /** Why workers refused the generation; they keep the one before. */
  readonly refusals: readonly string[]
}

/** `POST /upgrade`, answered when the new process is the service. */
export interface UpgradeReport {
  /** The build that hands over and drains. */
  readonly from: string
  /** The build that serves. */
  readonly build: string
  readonly pid: number
  readonly durationMs: number
}

/** `GET /readyz`: 200 when ready (degraded included), 503 when not. */
export interface ReadyReport {
  readonly state: 'starting' | 'ready' | 'degraded' | 'draining'
  /** One sentence each: what is degraded or awaited. */
  readonly reasons: readonly string[]
}

/** `GET /certs` */
export interface CertificateEntry {
  readonly source: string
  readonly dnsNames: readonly string[]
  readonly keyType: string
  readonly notBefore: string
  readonly notAfter: string
  readonly expiresInDays: number
  readonly fingerprint: string
}

/** `GET /endpoints`, one entry per worker that has reported. */
export interface WorkerEndpoints {
  readonly worker: number
  readonly pid: number
  readonly endpoints: readonly EndpointHealth[]
}

/** Every answer that is no success. */
export interface AdminError {
  readonly error: string
  /** Of what failed inside, where it has one: of an upgrade `GWP_UPGRADE_FAILED`. */
  readonly code?: ErrorCode
}
