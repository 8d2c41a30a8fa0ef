/**
 * Lists that travel again and again with few changes: the sender tells what became of the list
 * before, the receiver keeps it. Costs a comparison for each entry, and a copy for what changed.
 */
import { GwProxyError } from '../base/errors.ts'
import { oldPlace, windowOf as windowOfLists } from '../base/lists.ts'
import { type Keyed, windowOf } from './keyed-window.ts'

export type Delta<T> =
  | { readonly kind: 'whole'; readonly items: readonly T[] }
  /** Of the list before: first `inserted` takes the place of `removed` entries, then some change. */
  | {
      readonly kind: 'edit'
      readonly start: number
      readonly removed: number
      readonly inserted: readonly T[]
      readonly changed: readonly (readonly [index: number, item: T])[]
    }

export class DeltaSender<T extends Keyed> {
  readonly #isSame: (before: T, now: T) => boolean
  /** undefined: nothing yet; the receiver may hold what a sender before us has sent. */
  #sent: readonly T[] | undefined

  /** `isSame`: of items that are not identical. */
  constructor(isSame: (before: T, now: T) => boolean = () => false) {
    this.#isSame = isSame
  }

  next(items: readonly T[]): Delta<T> {
    const before = this.#sent
    this.#sent = items
    if (before === undefined) return { kind: 'whole', items }
    // Most are the very same: only what lies between those is looked at.
    const { start: first, removed, inserted } = windowOfLists(before, items)
    const old = before.slice(first, first + removed)
    const now = items.slice(first, first + inserted)
    const window = windowOf(old, now)
    const changed: [index: number, item: T][] = []
    for (const [index, item] of now.entries()) {
      const place = oldPlace(window, index)
      const past = place === undefined ? undefined : old[place]
      if (past !== undefined && past !== item && !this.#isSame(past, item)) {
        changed.push([first + index, item])
      }
    }
    return {
      kind: 'edit',
      start: first + window.start,
      removed: window.removed,
      inserted: now.slice(window.start, window.start + window.inserted),
      changed,
    }
  }

  /** The same list again. */
  repeat(): Delta<T> {
    return { kind: 'edit', start: 0, removed: 0, inserted: [], changed: [] }
  }
}

export class DeltaReceiver<T> {
  #held: readonly T[] = []

  /** @throws GwProxyError GWP_DEFECT_INVARIANT when it is about entries that were never sent */
  next(delta: Delta<T>): readonly T[] {
    if (delta.kind === 'whole') this.#held = delta.items
    else if (delta.inserted.length + delta.removed + delta.changed.length > 0) {
      this.#held = this.#edited(delta)
    }
    return this.#held
  }

  #edited({
    start,
    removed,
    inserted,
    changed,
  }: Extract<Delta<T>, { readonly kind: 'edit' }>): readonly T[] {
    const held = this.#held
    if (start + removed > held.length) throw neverSent(start + removed)
    const items = [...held.slice(0, start), ...inserted, ...held.slice(start + removed)]
    for (const [index, item] of changed) {
      if (index >= items.length) throw neverSent(index)
      items[index] = item
    }
    return items
  }
}

function neverSent(index: number): GwProxyError {
  return new GwProxyError('GWP_DEFECT_INVARIANT', `entry ${index} was never sent`)
}
