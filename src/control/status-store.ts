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
import type {
  LiveEntry,
  LiveReport,
  ManifestObject,
  StatusEntry,
  StatusReport,
} from './admin/contract.ts'
import { DerivedList, Places } from './derived-list.ts'
import { SharedStatuses } from './shared-statuses.ts'
import { type TimedStatus, TransitionTimes, type TransitionRecord } from './status-times.ts'

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
  /** After each publication, for copies on disk; `moved` gives the times when one of them did. */
  readonly onPublished?: (report: StatusReport, moved: () => TransitionRecord | undefined) => void
}

export class StatusStore {
  readonly #options: StatusStoreOptions
  readonly #times: TransitionTimes
  /** What is pending and how the binds fared, as the statuses of `#final` have it. */
  #outcome: { readonly pending: ConfigUpdate['pending']; readonly results: string } | undefined
  #final = new DerivedList<ObjectStatus, ObjectStatus>()
  #pendingOf: ReadonlyMap<string, readonly PendingProgrammed[]> = new Map()
  readonly #entries = new DerivedList<ObjectRecord, Entry>()
  #report: LiveReport = { generation: 0, objects: [], problems: [] }

  constructor(options: StatusStoreOptions) {
    this.#options = options
    this.#times = new TransitionTimes(options.saved)
  }

  get report(): LiveReport {
    return this.#report
  }

  publish(update: ConfigUpdate, results: readonly BindResult[]): void {
    const { clock, onPublished } = this.#options
    const final = this.#programmed(update, results)
    const again = this.#times.stamp(final, clock.now())
    const statuses = this.#times.items
    const places = new Places(statuses)
    this.#entries.next(update.objects, {
      make: (record) => new Entry(record, statuses[places.of(record.key) ?? -1]),
      again,
    })
    this.#report = {
      generation: update.manifest.generation,
      objects: this.#entries.items,
      problems: update.diagnostics,
    }
    onPublished?.(this.#report, () => this.#times.moved())
  }

  #programmed(
    { statuses, pending }: ConfigUpdate,
    results: readonly BindResult[],
  ): readonly ObjectStatus[] {
    const text = JSON.stringify(results)
    if (this.#outcome?.pending !== pending) {
      this.#pendingOf = Map.groupBy(pending, ({ owner }) => keyText(owner))
    }
    if (this.#outcome?.pending !== pending || this.#outcome.results !== text) {
      this.#outcome = { pending, results: text }
      this.#final = new DerivedList()
    }
    const { applyBindResults } = this.#options
    const shared = new SharedStatuses()
    this.#final.next(statuses, {
      make: (status) => {
        const own = this.#pendingOf.get(keyText(status.key)) ?? []
        const [final = status] = applyBindResults([status], own, results)
        return final === status ? status : shared.share(final)
      },
    })
    return this.#final.items
  }
}

/** Kept as JSON: of 10,000 objects hardly any is looked at twice. */
class Entry implements LiveEntry {
  readonly #record: ObjectRecord
  readonly #status: TimedStatus | undefined

  constructor(record: ObjectRecord, status: TimedStatus | undefined) {
    this.#record = record
    this.#status = status
  }

  get origin(): StatusEntry['origin'] {
    return this.#record.origin
  }

  get seenAt(): number {
    return this.#record.seenAt
  }

  get stale(): boolean {
    return this.#record.stale
  }

  get kind(): string {
    return this.#record.key.kind
  }

  get object(): ManifestObject {
    return objectOf(this.#record, this.#status?.status)
  }

  toJSON(): StatusEntry {
    const { origin, seenAt, stale, object } = this
    return { origin, seenAt, stale, object }
  }
}

function objectOf(record: ObjectRecord, status: TimedStatus['status'] | undefined): ManifestObject {
  const parsed = asRecord(JSON.parse(record.object))
  const { apiVersion: _, kind: __, metadata, status: ___, ...rest } = parsed
  return {
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
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
