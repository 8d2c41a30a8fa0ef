/** Canonical JSON and its SHA-256: equal values give equal digests, whatever their key order. */
import { createHash } from 'node:crypto'
import type { Digest } from './brand.ts'

/** JSON with sorted keys; `undefined` members are absent, as in JSON.stringify. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sortKeys(value)) ?? 'null'
}

export function digestOf(value: unknown): Digest {
  return digestOfText(canonicalJson(value))
}

export function digestOfText(text: string | Uint8Array): Digest {
  return createHash('sha256').update(text).digest('base64url') as Digest
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  // fromEntries defines own properties, so a hostile "__proto__" key stays plain data.
  const record = value as Record<string, unknown>
  return Object.fromEntries(
    Object.keys(record)
      .sort()
      .map((key) => [key, sortKeys(record[key])]),
  )
}
