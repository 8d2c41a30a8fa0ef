/**
 * The streams of a session by number, in the place of Node's Map. A Map that is filled and emptied
 * without end makes itself anew again and again, and each of its former selves points to the next
 * (V8's ordered hash tables). Once a collection has made one of them old, minor collections keep
 * all that follow, with every stream that was in them, until the next major one.
 */

const BUCKETS = 64

/** What is in a table; the two members are the table's. */
export interface Listed {
  listedId?: number
  listedNext?: Listed | undefined
}

/** As much of a Map as Node uses. */
export class StreamTable {
  readonly #buckets: (Listed | undefined)[] = new Array(BUCKETS).fill(undefined)
  size = 0

  get(id: number): Listed | undefined {
    let one = this.#buckets[bucketOf(id)]
    while (one !== undefined && one.listedId !== id) one = one.listedNext
    return one
  }

  set(id: number, stream: Listed): this {
    this.delete(id)
    const bucket = bucketOf(id)
    stream.listedId = id
    stream.listedNext = this.#buckets[bucket]
    this.#buckets[bucket] = stream
    this.size += 1
    return this
  }

  delete(id: number): boolean {
    const bucket = bucketOf(id)
    let before: Listed | undefined
    let one = this.#buckets[bucket]
    while (one !== undefined && one.listedId !== id) {
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
  forEach(look: (stream: Listed) => void): void {
    for (const first of this.#buckets) {
      for (let one = first; one !== undefined; ) {
        const next = one.listedNext
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
