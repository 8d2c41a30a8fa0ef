/**
 * Lists that travel again and again with few changes: the sender tells the order of all entries
 * and the new ones only, the receiver puts the list together from what it holds.
 */
import { GwProxyError } from '../base/errors.ts'

export interface Delta<T> {
  /** Keys of all entries, in order. */
  readonly order: readonly string[]
  readonly changed: readonly (readonly [string, T])[]
}

export class DeltaSender<T> {
  readonly #mark: (value: T) => unknown
  #marks: ReadonlyMap<string, unknown> = new Map()

  /** `mark`: something that is identical as long as the value is the same. */
  constructor(mark: (value: T) => unknown) {
    this.#mark = mark
  }

  next(entries: readonly (readonly [string, T])[]): Delta<T> {
    const marks = new Map(entries.map(([key, value]) => [key, this.#mark(value)]))
    const before = this.#marks
    this.#marks = marks
    return {
      order: [...marks.keys()],
      changed: entries.filter(([key]) => !before.has(key) || before.get(key) !== marks.get(key)),
    }
  }

  /** The same list again. */
  repeat(): Delta<T> {
    return { order: [...this.#marks.keys()], changed: [] }
  }
}

export class DeltaReceiver<T> {
  #held: ReadonlyMap<string, T> = new Map()

  /** @throws GwProxyError GWP_DEFECT_INVARIANT when an entry was never sent */
  next({ order, changed }: Delta<T>): T[] {
    const fresh = new Map(changed)
    const held = new Map<string, T>()
    for (const key of order) {
      const value = fresh.get(key) ?? this.#held.get(key)
      if (value === undefined) {
        throw new GwProxyError('GWP_DEFECT_INVARIANT', `${key} was never sent`)
      }
      held.set(key, value)
    }
    this.#held = held
    return [...held.values()]
  }
}
