/**
 * Lists that travel again and again with few changes: the sender tells what became of the list
 * before, the receiver keeps it. Costs a comparison for each entry, and a copy for what changed.
 */
import { GwProxyError } from '../base/errors.ts'
import { isSameKey, type ResourceKey } from '../model/resource-key.ts'

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

interface Keyed {
  readonly key: ResourceKey
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
    const room = Math.min(before.length, items.length)
    let start = 0
    while (start < room && isSameAt(before[start], items[start])) start += 1
    let end = 0
    while (end < room - start && isSameAt(before.at(-1 - end), items.at(-1 - end))) end += 1
    const tail = items.length - end
    const removed = before.length - end - start
    const shift = items.length - before.length
    const changed = items.flatMap((item, index) => {
      if (index >= start && index < tail) return []
      const old = before[index < start ? index : index - shift]
      return old === undefined || old === item || this.#isSame(old, item)
        ? []
        : [[index, item] as const]
    })
    return { kind: 'edit', start, removed, inserted: items.slice(start, tail), changed }
  }

  /** The same list again. */
  repeat(): Delta<T> {
    return { kind: 'edit', start: 0, removed: 0, inserted: [], changed: [] }
  }
}

function isSameAt(before: Keyed | undefined, now: Keyed | undefined): boolean {
  return before !== undefined && now !== undefined && isSameKey(before.key, now.key)
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
