/**
 * A list whose links are members of what is in it: the place of a Set that objects pass through
 * without end. Such a Set makes itself anew again and again, and each of its former selves points to
 * the next (V8's ordered hash tables): once one of them is old, minor collections keep all that follow
 * with what was in them. Here nothing that has left is pointed to, and nothing points on from it.
 */

/** What can be in one list at a time; the members are the list's. */
export interface Linked<T> {
  linkedIn: unknown
  linkedNext: T | undefined
  linkedPrevious: T | undefined
}

export class LinkedList<T extends Linked<T>> {
  #first: T | undefined
  #last: T | undefined
  size = 0

  /** The one that has been in it for the longest time. */
  get first(): T | undefined {
    return this.#first
  }

  /** To the end; `one` is in no list. */
  add(one: T): void {
    const last = this.#last
    one.linkedIn = this
    one.linkedPrevious = last
    if (last === undefined) this.#first = one
    else last.linkedNext = one
    this.#last = one
    this.size += 1
  }

  /** False: it was not in this list. */
  delete(one: T): boolean {
    if (one.linkedIn !== this) return false
    const { linkedNext: next, linkedPrevious: previous } = one
    if (previous === undefined) this.#first = next
    else previous.linkedNext = next
    if (next === undefined) this.#last = previous
    else next.linkedPrevious = previous
    one.linkedIn = undefined
    one.linkedNext = undefined
    one.linkedPrevious = undefined
    this.size -= 1
    return true
  }

  /** As it is now, in order: it may change while one goes through it. */
  toArray(): T[] {
    const all: T[] = []
    for (let one = this.#first; one !== undefined; one = one.linkedNext) all.push(one)
    return all
  }
}
