/** Lists of thousands of things of which an edit changes few: where they differ, and the list after. */

/** By identity. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a === b || (a.length === b.length && a.every((one, i) => one === b[i]))
}

/** Between what two lists have in common at their start and at their end. */
export interface ListWindow {
  readonly start: number
  /** How many of the list before. */
  readonly removed: number
  /** How many of the list now. */
  readonly inserted: number
}

/** `isSame`: of items that are not identical. */
export function windowOf<T>(
  before: readonly T[],
  now: readonly T[],
  isSame: (a: T, b: T) => boolean = never,
): ListWindow {
  const room = Math.min(before.length, now.length)
  const isSameAt = (inBefore: number, inNow: number): boolean => {
    const [a, b] = [before[inBefore], now[inNow]]
    return a === b || (a !== undefined && b !== undefined && isSame(a, b))
  }
  let start = 0
  while (start < room && isSameAt(start, start)) start += 1
  let end = 0
  while (end < room - start && isSameAt(before.length - 1 - end, now.length - 1 - end)) end += 1
  return { start, removed: before.length - end - start, inserted: now.length - end - start }
}

/** Where an item of the list now stood before; undefined: inside of the window. */
export function oldPlace(
  { start, removed, inserted }: ListWindow,
  place: number,
): number | undefined {
  if (place < start) return place
  return place < start + inserted ? undefined : place - inserted + removed
}

function never(): boolean {
  return false
}

export interface ListChange<T> {
  readonly gone: ReadonlySet<T>
  readonly come: readonly T[]
}

/** By identity. No list has an item twice. */
export function changeOf<T>(before: readonly T[], now: readonly T[]): ListChange<T> {
  const { start, removed, inserted } = windowOf(before, now)
  const old = new Set(before.slice(start, start + removed))
  const fresh = now.slice(start, start + inserted)
  const come = old.size === 0 ? fresh : fresh.filter((one) => !old.delete(one))
  return { gone: old, come }
}

/** More are sorted together. */
const FEW = 32

/** A sorted list after a change. `compare`: a total order. */
export function withChange<T>(
  list: readonly T[],
  { gone, come }: ListChange<T>,
  compare: (a: T, b: T) => number,
): readonly T[] {
  const kept = gone.size === 0 ? list.slice() : list.filter((one) => !gone.has(one))
  if (come.length > FEW) return kept.concat(come).sort(compare)
  for (const one of come) kept.splice(placeIn(kept, one, compare), 0, one)
  return kept
}

function placeIn<T>(list: readonly T[], one: T, compare: (a: T, b: T) => number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = list[middle]
    if (other !== undefined && compare(other, one) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

/** A list made of another one, item by item, and made anew where that is another one than before. */
export class MappedList<S, T> {
  readonly #make: (source: S) => T
  #sources: readonly S[] = []
  #items: readonly T[] = []

  constructor(make: (source: S) => T) {
    this.#make = make
  }

  /** The same list as before as long as nothing changes. */
  next(sources: readonly S[]): readonly T[] {
    const { start, removed, inserted } = windowOf(this.#sources, sources)
    this.#sources = sources
    if (removed + inserted === 0) return this.#items
    const before = this.#items
    const made = sources.slice(start, start + inserted).map(this.#make)
    this.#items = before.slice(0, start).concat(made, before.slice(start + removed))
    return this.#items
  }
}
