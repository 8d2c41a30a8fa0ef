/** Reads objects of unknown shape, as manifests and their statuses are in the status store. */

export type PlainRecord = Readonly<Record<string, unknown>>

/** A string or number as text; everything else is ''. */
export function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

export function record(value: unknown): PlainRecord {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isRecord ? (value as PlainRecord) : {}
}

export function records(value: unknown): readonly PlainRecord[] {
  return Array.isArray(value) ? value.map(record) : []
}

export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text) : []
}
