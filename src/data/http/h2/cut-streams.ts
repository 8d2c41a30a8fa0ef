/** The numbers of the streams that were cut off last, whose peer may not know it yet. */

/** More than may be on the way at a time, those that we refuse among them. */
const MAX_CUT = 1024

export class CutStreams {
  #ids: number[] | undefined = undefined
  #count = 0

  add(id: number): void {
    this.#ids ??= []
    this.#ids[this.#count % MAX_CUT] = id
    this.#count += 1
  }

  has(id: number): boolean {
    return this.#ids?.includes(id) === true
  }
}
