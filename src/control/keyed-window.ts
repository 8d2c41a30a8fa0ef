/** Two lists of things with keys: where they are alike, and where not. */
import { type ListWindow, windowOf as windowOfLists } from '../base/lists.ts'
import { isSameKey, type ResourceKey } from '../model/resource-key.ts'

export interface Keyed {
  readonly key: ResourceKey
}

/** Where the keys of two lists differ. */
export function windowOf(before: readonly Keyed[], now: readonly Keyed[]): ListWindow {
  return windowOfLists(before, now, (a, b) => isSameKey(a.key, b.key))
}
