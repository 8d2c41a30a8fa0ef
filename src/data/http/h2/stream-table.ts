/**
 * The streams of a session by number, in the place of a Map. A Map that is filled and emptied
 * without end makes itself anew again and again, and each of its former selves points to the next
 * (V8's ordered hash tables). Once a collection has made one of them old, minor collections keep
 * all that follow, with every stream that was in them, until the next major one.
 */

const BUCKETS = 64

/** What is in a table. */
export interface Listed<One> {
  readonly id: number
  /** The table's. */
  listedNext: One | undefined
}

export class StreamTable<One extends Listed<One>> {
  readonly #buckets: (One | undefined)[] = new Array(BUCKETS).fill(undefined)
  size = 0

  get(id: number): One | undefined {
    let one = this.#buckets[bucketOf(id)]
    while (one !== undefined && one.id !== id) one = one.listedNext
    return one
  }

  /** There is none of its number. */
  add(stream: One): void {
    const bucket = bucketOf(stream.id)
    stream.listedNext = this.#buckets[bucket]
    this.#buckets[bucket] = stream
    this.size += 1
  }

  delete(id: number): boolean {
    const bucket = bucketOf(id)
    let before: One | undefined
    let one = this.#buckets[bucket]
    while (one !== undefined && one.id !== id) {
      before = one
      one = one.listedNext
    }
    if (one === undefined) return false
    if (before === undefined) this.#buckets[bucket] = one.listedNext
    else before.listedNext = one.listedNext
    one.listedNext = undefined
    this.size -= 1
    return true
  }

  /** `look` may delete what it is given. */
  forEach(look: (stream: One) => void): void {
    for (const first of this.#buckets) {
      for (let one = first; one !== undefined; ) {
        const next: One | undefined = one.listedNext
        look(one)
        one = next
      }
    }
  }
}

/** Numbers of one side are all odd, or all even. */
function bucketOf(id: number): number {
  return (id >>> 1) % BUCKETS
}
