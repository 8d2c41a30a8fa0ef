/**
 * Lists that travel again and again with few changes: the sender tells the order of all entries
 * and the new ones only, the receiver puts the list together from what it holds.
 */
import { GwProxyError } from '../base/errors.ts'

export interface Delta<T> {
  /** Keys of all entries, in order; absent: the same as before. */
  readonly order?: readonly string[]
  readonly changed: readonly (readonly [string, T])[]
}

export class DeltaSender<T> {
  readonly #isSame: (before: T, now: T) => boolean
  /** undefined: nothing yet; the receiver may hold what a sender before us has sent. */
  #sent: ReadonlyMap<string, T> | undefined

  /** `isSame`: of values that are not identical. */
  constructor(isSame: (before: T, now: T) => boolean = () => false) {
    this.#isSame = isSame
  }

  next(entries: readonly (readonly [string, T])[]): Delta<T> {
    const before = this.#sent
    const now = new Map(entries)
    this.#sent = now
    const changed = entries.filter(([key, value]) => {
      const sent = before?.get(key)
      return sent === undefined || !(sent === value || this.#isSame(sent, value))
    })
    return { changed, ...(haveSameOrder(before, now) ? {} : { order: [...now.keys()] }) }
  }

  /** The same list again. */
  repeat(): Delta<T> {
    return { changed: [] }
  }
}

function haveSameOrder(
  a: ReadonlyMap<string, unknown> | undefined,
  b: ReadonlyMap<string, unknown>,
): boolean {
  if (a?.size !== b.size) return false
  const others = b.keys()
  for (const key of a.keys()) if (key !== others.next().value) return false
  return true
}

export class DeltaReceiver<T> {
  #held: ReadonlyMap<string, T> = new Map()

  /** @throws GwProxyError GWP_DEFECT_INVARIANT when an entry was never sent */
  next({ order, changed }: Delta<T>): T[] {
    const fresh = new Map(changed)
    const held = new Map<string, T>()
    for (const key of order ?? this.#held.keys()) {
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
