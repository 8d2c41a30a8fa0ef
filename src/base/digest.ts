/** Canonical JSON and its SHA-256: equal values give equal digests, whatever their key order. */
import { hash } from 'node:crypto'
import type { Digest } from './brand.ts'

/** JSON with sorted keys; `undefined` members are absent, as in JSON.stringify. */
export function canonicalJson(value: unknown): string {
  return jsonOf(value) ?? 'null'
}

export function digestOf(value: unknown): Digest {
  return digestOfText(canonicalJson(value))
}

export function digestOfText(text: string | Uint8Array): Digest {
  return hash('sha256', text, 'base64url') as Digest
}

/** undefined: JSON has no word for it, so its member is absent. */
function jsonOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item) => jsonOf(item) ?? 'null').join()}]`
  const record = value as Record<string, unknown>
  let members = ''
  for (const key of Object.keys(record).sort()) {
    const member = jsonOf(record[key])
    if (member === undefined) continue
    members += `${members === '' ? '' : ','}${JSON.stringify(key)}:${member}`
  }
  return `{${members}}`
}
