/**
 * What the translation before made of each thing. What is remembered of a subject depends on the
 * subject itself, on what `isStill` asks about, and on everything that is no route: while all of that
 * is the same, by identity, it is not made again. So an edit of one of 10,000 routes costs one route.
 * What was reported on the way is reported anew: a translation gives the same with a memory as without.
 */
import type { ResourceSet } from '../api/resource-set.ts'
import { sameItems } from '../base/lists.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import { isSameKey, type ResourceKey } from '../model/resource-key.ts'
import { PartStore, type TranslateContext } from './context.ts'

interface Remembered {
  readonly result: unknown
  readonly reported: readonly Diagnostic[]
}

/** Parts that nothing leads to any more are forgotten with all else when they are the greater half. */
const LEAST_WASTE = 4096

/**
 * Kept from pass to pass by whoever translates; to judge certificates anew, or after a translation
 * that threw, begin with another one.
 */
export class PassMemory {
  #surroundings: readonly (readonly unknown[])[] = []
  #remembered = new WeakMap<object, Remembered>()
  #kept = new WeakMap<object, unknown>()
  #parts = new PartStore()
  #used = 0
  #order: Order | undefined

  /** Those of all that is remembered. */
  get parts(): PartStore {
    return this.#parts
  }

  /** Before a translation; forgets all when something that is no route changed. */
  begin(resources: ResourceSet): void {
    const surroundings = surroundingsOf(resources)
    const before = this.#surroundings
    this.#surroundings = surroundings
    const isSame =
      before.length === surroundings.length &&
      before.every((list, i) => sameItems(list, surroundings[i] ?? []))
    if (isSame && this.#parts.size <= 2 * this.#used + LEAST_WASTE) return
    this.#remembered = new WeakMap()
    this.#kept = new WeakMap()
    this.#parts = new PartStore()
  }

  /** Behind a translation. `used`: how many parts it led to. */
  end(used: number): void {
    this.#used = used
  }

  /**
   * Notes what `make` reports, and must not be asked by it. A subject has one kind of result; `isStill`
   * tells whether one still holds.
   */
  recall<T>(
    context: TranslateContext,
    subject: object,
    make: (context: TranslateContext) => T,
    isStill?: (result: T) => boolean,
  ): T {
    const known = this.#remembered.get(subject)
    // Whoever asks about a subject has always made the same kind of result of it.
    if (known !== undefined && isStill?.(known.result as T) !== false) {
      for (const diagnostic of known.reported) context.diagnostics.add(diagnostic)
      return known.result as T
    }
    const { result, noted } = context.diagnostics.noteOf(() => make(context))
    this.#remembered.set(subject, { result, reported: noted.length === 0 ? NOTHING : noted })
    return result
  }

  /** What brings itself up to date with each pass; made at the first. A subject has one kind of it. */
  keep<T>(subject: object, make: () => T): T {
    const known = this.#kept.get(subject) ?? make()
    this.#kept.set(subject, known)
    // As above.
    return known as T
  }

  /** By the text of the keys. A list with the same keys as before is not sorted again. */
  sortedByKey<T extends { readonly key: ResourceKey }>(
    items: readonly T[],
    textOf: (key: ResourceKey) => string,
  ): readonly T[] {
    const keys = items.map(({ key }) => key)
    if (this.#order === undefined || !sameKeys(this.#order.keys, keys)) {
      this.#order = { keys, places: sortedPlaces(keys.map(textOf)) }
    }
    return this.#order.places.flatMap((place) => items[place] ?? [])
  }
}

const NOTHING: readonly Diagnostic[] = []

interface Order {
  readonly keys: readonly ResourceKey[]
  /** Which item stands at each place. */
  readonly places: readonly number[]
}

function sortedPlaces(texts: readonly string[]): readonly number[] {
  return texts
    .map((text, place) => ({ text, place }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ place }) => place)
}

function sameKeys(a: readonly ResourceKey[], b: readonly ResourceKey[]): boolean {
  return a.length === b.length && a.every((key, i) => isSameKey(key, b[i]))
}

/** Every list but those of routes. */
function surroundingsOf({
  httpRoutes: _http,
  grpcRoutes: _grpc,
  tlsRoutes: _tls,
  tcpRoutes: _tcp,
  udpRoutes: _udp,
  find: _find,
  ...lists
}: ResourceSet): readonly (readonly unknown[])[] {
  return Object.values(lists)
}
