/**
 * A list that is made of another one, item by item. Of 10,000 most are the same from one update to the
 * next: they are kept, so that an update costs a comparison for each and work for what changed.
 */
import { keyText } from '../model/resource-key.ts'
import { type Keyed, oldPlace, windowOf } from './keyed-window.ts'

export interface Derivation<S extends Keyed, T> {
  /** `before`: what was made of the source with the same key. */
  readonly make: (source: S, before: T | undefined) => T
  /** Key texts of sources that are made again although they are the same. */
  readonly again?: readonly string[]
}

export class DerivedList<S extends Keyed, T> {
  #sources: readonly S[] = []
  #items: readonly T[] = []
  /** By key text; made when somebody asks, and kept while the keys are the same. */
  #places: ReadonlyMap<string, number> | undefined

  get items(): readonly T[] {
    return this.#items
  }

  /** Keys are unique. Returns the texts of those that are gone. */
  next(sources: readonly S[], { make, again = [] }: Derivation<S, T>): readonly string[] {
    const [before, items] = [this.#sources, this.#items]
    const window = windowOf(before, sources)
    if (window.removed + window.inserted > 0) this.#places = undefined
    this.#sources = sources
    const touched = new Set(again.map((text) => this.#placeOf(text)))
    const moved = new Map(
      before
        .slice(window.start, window.start + window.removed)
        .map(({ key }, offset) => [keyText(key), window.start + offset]),
    )
    this.#items = sources.map((source, place) => {
      const old = oldPlace(window, place) ?? takeOut(moved, source)
      if (old === undefined) return make(source, undefined)
      const item = items[old]
      const isSame = before[old] === source && !touched.has(place) && item !== undefined
      return isSame ? item : make(source, item)
    })
    return [...moved.keys()]
  }

  #placeOf(text: string): number | undefined {
    this.#places ??= new Map(this.#sources.map((source, place) => [keyText(source.key), place]))
    return this.#places.get(text)
  }
}

function takeOut(moved: Map<string, number>, { key }: Keyed): number | undefined {
  if (moved.size === 0) return undefined
  const text = keyText(key)
  const place = moved.get(text)
  moved.delete(text)
  return place
}
