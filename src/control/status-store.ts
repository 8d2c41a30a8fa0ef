/**
 * The objects as `kubectl get -o yaml` would show them. An update's statuses are published as a
 * whole, after the workers have answered, so that nobody sees a condition of one generation beside
 * one of another. Conditions that a manifest brought along in its own `.status` are not ours and
 * are not shown: the file is the specification, not the state.
 */
import type { Clock } from '../base/clock.ts'
import type { ConfigUpdate, ObjectRecord } from '../ipc/messages.ts'
import { keyText } from '../model/resource-key.ts'
import type { BindResult, ObjectStatus, PendingProgrammed } from '../model/status.ts'
import type { ManifestObject, StatusEntry, StatusReport } from './admin/contract.ts'
import { TransitionTimes, type TransitionRecord } from './status-times.ts'

/** Translate's rule of what the binds' results make of the pending Programmed conditions. */
export type ApplyBindResults = (
  statuses: readonly ObjectStatus[],
  pending: readonly PendingProgrammed[],
  results: readonly BindResult[],
) => readonly ObjectStatus[]

export interface StatusStoreOptions {
  readonly applyBindResults: ApplyBindResults
  readonly clock: Clock
  readonly saved?: TransitionRecord | undefined
  /** After each publication, for copies on disk; `moved` when a transition time did. */
  readonly onPublished?: (report: StatusReport, moved: TransitionRecord | undefined) => void
}

export class StatusStore {
  readonly #options: StatusStoreOptions
  readonly #times: TransitionTimes
  /** Most objects are the same from one update to the next, and so are their statuses. */
  readonly #entries = new WeakMap<ObjectRecord, StatusEntry>()
  #report: StatusReport = { generation: 0, objects: [], problems: [] }

  constructor(options: StatusStoreOptions) {
    this.#options = options
    this.#times = new TransitionTimes(options.saved)
  }

  get report(): StatusReport {
    return this.#report
  }

  #entry(record: ObjectRecord, status: Status | undefined): StatusEntry {
    const known = this.#entries.get(record)
    if (known !== undefined && known.object['status'] === status) return known
    const entry = entryOf(record, status)
    this.#entries.set(record, entry)
    return entry
  }

  publish(update: ConfigUpdate, results: readonly BindResult[]): void {
    const { applyBindResults, clock, onPublished } = this.#options
    const final = applyBindResults(update.statuses, update.pending, results)
    const stamped = this.#times.stamp(final, clock.now())
    const byKey = new Map(final.map(({ key }, i) => [keyText(key), stamped[i]]))
    this.#report = {
      generation: update.manifest.generation,
      objects: update.objects.map((record) => this.#entry(record, byKey.get(keyText(record.key)))),
      problems: update.diagnostics,
    }
    onPublished?.(this.#report, this.#times.moved)
  }
}

type Status = Readonly<Record<string, unknown>>

function entryOf(record: ObjectRecord, status: Status | undefined): StatusEntry {
  const { apiVersion: _, kind: __, metadata, status: ___, ...rest } = asRecord(record.object)
  const object: ManifestObject = {
    apiVersion: record.apiVersion,
    kind: record.key.kind,
    metadata: {
      name: record.key.name,
      ...(record.key.namespace === '' ? {} : { namespace: record.key.namespace }),
      ...asRecord(metadata),
      generation: record.generation,
    },
    ...rest,
    ...(status === undefined ? {} : { status }),
  }
  return { origin: record.origin, seenAt: record.seenAt, stale: record.stale, object }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
