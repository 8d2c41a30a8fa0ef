/**
 * How long a change must look the same before it is applied. A file that was replaced by rename is
 * whole at once; one that is rewritten in place may be half written, and a prefix of a file of
 * several documents can be valid.
 */
import type { Listing } from './directory.ts'

/** A second look after this time must see the same. */
const REWRITTEN_HOLD_MS = 100
/** A file that became empty is most likely about to be written: it must not delete all it gave. */
const EMPTIED_HOLD_MS = 2000

export function holdFor(applied: Listing, now: Listing): number {
  const before = new Map(applied.entries.map((entry) => [entry.path, entry]))
  let hold = 0
  for (const entry of now.entries) {
    const old = before.get(entry.path)
    before.delete(entry.path)
    if (old?.stamp === entry.stamp) continue
    const isEmptied = old !== undefined && old.size > 0 && entry.size === 0
    const isReplaced = old !== undefined && old.inode !== entry.inode
    hold = Math.max(hold, isEmptied ? EMPTIED_HOLD_MS : isReplaced ? 0 : REWRITTEN_HOLD_MS)
  }
  // Some editors remove a file before they write the new one.
  return before.size > 0 ? Math.max(hold, REWRITTEN_HOLD_MS) : hold
}
