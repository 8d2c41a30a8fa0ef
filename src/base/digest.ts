/** Canonical JSON and its SHA-256: equal values give equal digests, whatever their key order. */
import { hash } from 'node:crypto'
import type { Digest } from './brand.ts'

/** JSON with sorted keys; `undefined` members are absent, as in JSON.stringify. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value)) ?? 'null'
}

export function digestOf(value: unknown): Digest {
  return digestOfText(canonicalJson(value))
}

export function digestOfText(text: string | Uint8Array): Digest {
  return hash('sha256', text, 'base64url') as Digest
}

/** A copy whose members stand in the order of their names; writing it is then the engine's trade. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const record = value as Record<string, unknown>
  const copy: Record<string, unknown> = {}
  for (const name of sortedNames(record)) {
    if (name === '__proto__') Object.defineProperty(copy, name, member(sorted(record[name])))
    else copy[name] = sorted(record[name])
  }
  return copy
}

function member(value: unknown): PropertyDescriptor {
  return { value, enumerable: true }
}

/** By insertion: most objects have few members, and `sort` costs as much as all the rest. */
function sortedNames(record: object): readonly string[] {
  const names = Object.keys(record)
  if (names.length > MOST_INSERTED) return names.sort()
  for (let place = 1; place < names.length; place++) {
    const name = names[place] ?? ''
    let free = place
    for (let other = names[free - 1]; other !== undefined && other > name; ) {
      names[free] = other
      free -= 1
      other = names[free - 1]
    }
    names[free] = name
  }
  return names
}

const MOST_INSERTED = 16
