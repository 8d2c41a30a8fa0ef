/** Validated manifests with their origin: what config/ produces and translate/ reads. */
import { compareText } from '../base/byte-order.ts'
import type { DocumentPath, Origin } from '../model/diagnostic.ts'
import type { ResourceKey } from '../model/resource-key.ts'

export interface Resource<T> {
  readonly key: ResourceKey
  /** The object after schema defaults; explicit nulls are absent. */
  readonly object: T
  /** Where its document starts. */
  readonly origin: Origin
  /** Where a field stands; the nearest existing parent when the field is absent. */
  readonly locate: (path: DocumentPath) => Origin
  /** metadata.generation, else a counter of changes of the spec's digest (digest section 1.1). */
  readonly generation: number
  /** Milliseconds since the epoch; undefined counts as youngest. */
  readonly createdAt: number | undefined
  /** For people: creationTimestamp, else when this process or --state-dir first saw it. */
  readonly seenAt: number
  /** An older version served because the present text is broken. */
  readonly stale: boolean
  /** For file-backed Secrets and ConfigMaps: why the files could not be read. */
  readonly fileProblem?: string
}

/** Oldest first, then namespace/name: the order of every "oldest wins" rule. */
export function compareAge(a: Resource<unknown>, b: Resource<unknown>): number {
  const byAge = (a.createdAt ?? Infinity) - (b.createdAt ?? Infinity)
  if (byAge !== 0 && !Number.isNaN(byAge)) return byAge
  if (a.key.namespace === b.key.namespace) return compareText(a.key.name, b.key.name)
  const left = `${a.key.namespace}/${a.key.name}`
  const right = `${b.key.namespace}/${b.key.name}`
  return left < right ? -1 : left > right ? 1 : 0
}
