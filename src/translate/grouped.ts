/** Lists of an immutable resource set, grouped once however often a translation asks. */

/**
 * A lookup of the items that have a key, in list order. It groups a list at its first use and
 * forgets the groups with the list, so that a pass over many routes stays linear.
 */
export function groupedBy<T>(
  keysOf: (item: T) => readonly string[],
): (list: readonly T[], key: string) => readonly T[] {
  const groupsOf = new WeakMap<readonly T[], ReadonlyMap<string, readonly T[]>>()
  return (list, key) => {
    const known = groupsOf.get(list)
    if (known !== undefined) return known.get(key) ?? []
    const groups = groupItems(list, keysOf)
    groupsOf.set(list, groups)
    return groups.get(key) ?? []
  }
}

function groupItems<T>(
  list: readonly T[],
  keysOf: (item: T) => readonly string[],
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    for (const key of keysOf(item)) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [item])
      else group.push(item)
    }
  }
  return groups
}
