/**
 * A list that is made of another one, item by item. Of 10,000 most are the same from one update to the
 * next: they are kept, so that an update costs a comparison for each and work for what changed.
 */
import { oldPlace } from '../base/lists.ts'
import { isSameKey, keyText, type ResourceKey } from '../model/resource-key.ts'
import { type Keyed, windowOf } from './keyed-window.ts'

export interface Derivation<S extends Keyed, T> {
  /** `before`: what was made of the source with the same key. */
  readonly make: (source: S, before: T | undefined) => T
  /** Keys of sources that are made again although they are the same. */
  readonly again?: readonly ResourceKey[]
}

export class DerivedList<S extends Keyed, T> {
  #sources: readonly S[] = []
  #items: readonly T[] = []

  get items(): readonly T[] {
    return this.#items
  }

  /** Keys are unique. Returns those that are gone. */
  next(sources: readonly S[], { make, again = [] }: Derivation<S, T>): readonly ResourceKey[] {
    const [before, items] = [this.#sources, this.#items]
    if (sources === before && again.length === 0) return []
    const window = windowOf(before, sources)
    this.#sources = sources
    const touched = before.length === 0 ? NOBODY : placesOf(again, sources)
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
    return moved.size === 0 ? [] : [...moved.values()].flatMap((place) => before[place]?.key ?? [])
  }
}

const NOBODY: ReadonlySet<number> = new Set()

function placesOf(keys: readonly ResourceKey[], list: readonly Keyed[]): ReadonlySet<number> {
  const places = new Places(list)
  return new Set(keys.flatMap((key) => places.of(key) ?? []))
}

/** As many questions about a list as are answered by going through it. */
const FEW = 8

/** Where in a list things are: of 10,000 mostly one is looked for, or most. */
export class Places {
  readonly #list: readonly Keyed[]
  #asked = 0
  #byText: ReadonlyMap<string, number> | undefined

  constructor(list: readonly Keyed[]) {
    this.#list = list
  }

  of(key: ResourceKey): number | undefined {
    this.#asked += 1
    if (this.#asked <= FEW) {
      const place = this.#list.findIndex((one) => isSameKey(one.key, key))
      return place === -1 ? undefined : place
    }
    this.#byText ??= new Map(this.#list.map((one, place) => [keyText(one.key), place]))
    return this.#byText.get(keyText(key))
  }
}

function takeOut(moved: Map<string, number>, { key }: Keyed): number | undefined {
  if (moved.size === 0) return undefined
  const text = keyText(key)
  const place = moved.get(text)
  moved.delete(text)
  return place
}
