/** Two lists in the same order: where they are alike from the front and from the back. */

/** `inserted` items of the one take the place of `removed` items of the other, from `start` on. */
export interface ListWindow {
  readonly start: number
  readonly removed: number
  readonly inserted: number
}

export function windowOf<T>(
  before: readonly T[],
  now: readonly T[],
  isSame: (a: T, b: T) => boolean,
): ListWindow {
  const isSameAt = (a: T | undefined, b: T | undefined): boolean =>
    a === b || (a !== undefined && b !== undefined && isSame(a, b))
  const room = Math.min(before.length, now.length)
  let start = 0
  while (start < room && isSameAt(before[start], now[start])) start += 1
  let end = 0
  while (end < room - start && isSameAt(before.at(-1 - end), now.at(-1 - end))) end += 1
  return { start, removed: before.length - end - start, inserted: now.length - end - start }
}

/** Where an item of the list now stood before; undefined: inside of the window. */
export function placeBefore(
  { start, removed, inserted }: ListWindow,
  place: number,
): number | undefined {
  if (place < start) return place
  return place < start + inserted ? undefined : place - inserted + removed
}
