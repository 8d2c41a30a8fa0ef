/** Resources as objects for people (status, admin, --status-dir): Secret values never leave. */
import type { AnyResource } from '../api/resource-set.ts'
import type { ObjectRecord } from '../ipc/messages.ts'

const REDACTED = '[redacted]'
/** kubectl's copy of the whole object, values included. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** The same resource gives the same record, so that unchanged ones are known by identity. */
const records = new WeakMap<AnyResource, ObjectRecord>()

export function recordOf(resource: AnyResource): ObjectRecord {
  const known = records.get(resource)
  if (known !== undefined) return known
  const { key, origin, generation, seenAt, stale, object } = resource
  const record: ObjectRecord = {
    key,
    apiVersion: object.apiVersion,
    origin,
    generation,
    seenAt,
    stale,
    object: JSON.stringify(key.kind === 'Secret' ? redactSecret(object) : object),
  }
  records.set(resource, record)
  return record
}

function redactSecret(secret: object): object {
  return Object.fromEntries(
    Object.entries(secret).map(([field, value]) => {
      if (field === 'data' || field === 'stringData') return [field, redactValues(value)]
      return [field, field === 'metadata' ? withoutLastApplied(value) : value]
    }),
  )
}

function redactValues(values: unknown): object {
  const names = typeof values === 'object' && values !== null ? Object.keys(values) : []
  return Object.fromEntries(names.map((name) => [name, REDACTED]))
}

function withoutLastApplied(metadata: unknown): unknown {
  if (typeof metadata !== 'object' || metadata === null || !('annotations' in metadata)) {
    return metadata
  }
  const annotations = Object.entries(metadata.annotations ?? {})
  return {
    ...metadata,
    annotations: Object.fromEntries(annotations.filter(([name]) => name !== LAST_APPLIED)),
  }
}
