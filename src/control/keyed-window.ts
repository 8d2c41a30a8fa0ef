/** Two lists of things with keys: where they are alike, and where not. */
import { isSameKey, type ResourceKey } from '../model/resource-key.ts'

export interface Keyed {
  readonly key: ResourceKey
}

/** Where the keys of two lists differ. */
export interface Window {
  readonly start: number
  readonly removed: number
  readonly inserted: number
}

export function windowOf(before: readonly Keyed[], now: readonly Keyed[]): Window {
  const room = Math.min(before.length, now.length)
  let start = 0
  while (start < room && isSameAt(before[start], now[start])) start += 1
  let end = 0
  while (end < room - start && isSameAt(before.at(-1 - end), now.at(-1 - end))) end += 1
  return { start, removed: before.length - end - start, inserted: now.length - end - start }
}

function isSameAt(a: Keyed | undefined, b: Keyed | undefined): boolean {
  return a !== undefined && b !== undefined && isSameKey(a.key, b.key)
}

/** undefined: inside of the window. */
export function oldPlace({ start, removed, inserted }: Window, place: number): number | undefined {
  if (place < start) return place
  return place < start + inserted ? undefined : place - inserted + removed
}
