/**
 * What the translation before made of each thing. What is remembered of a subject depends on the
 * subject itself, on what `isStill` asks about, and on everything that is no route: while all of that
 * is the same, by identity, it is not made again. So an edit of one of 10,000 routes costs one route.
 * What was reported and added on the way is reported and added anew: a translation gives the same with
 * a memory as without.
 */
import type { ResourceSet } from '../api/resource-set.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import { isSameKey, type ResourceKey } from '../model/resource-key.ts'
import { DiagnosticSink, PartStore, type TranslateContext } from './context.ts'

interface Remembered {
  readonly result: unknown
  /** undefined: nothing was added and reported. */
  readonly added: Added | undefined
}

interface Added {
  readonly store: PartStore
  readonly diagnostics: readonly Diagnostic[]
}

/** A store of more is included as a whole: all Gateways and their listeners have one. */
const MANY = 64

/** Kept from pass to pass by whoever translates; to judge certificates anew, begin with another one. */
export class PassMemory {
  #surroundings: readonly (readonly unknown[])[] = []
  #remembered = new WeakMap<object, Remembered>()
  #order: Order | undefined

  /** Before a translation; forgets all when something that is no route changed. */
  begin(resources: ResourceSet): void {
    const surroundings = surroundingsOf(resources)
    const before = this.#surroundings
    this.#surroundings = surroundings
    const isSame =
      before.length === surroundings.length &&
      before.every((list, i) => sameItems(list, surroundings[i] ?? []))
    if (!isSame) this.#remembered = new WeakMap()
  }

  /**
   * `make` gets a context that notes what it adds and reports. A subject has one kind of result;
   * `isStill` tells whether one still holds.
   */
  recall<T>(
    context: TranslateContext,
    subject: object,
    make: (context: TranslateContext) => T,
    isStill?: (result: T) => boolean,
  ): T {
    let known = this.#remembered.get(subject)
    // Whoever asks about a subject has always made the same kind of result of it.
    if (known === undefined || isStill?.(known.result as T) === false) {
      known = note(context, make)
      this.#remembered.set(subject, known)
    }
    if (known.added !== undefined) repeat(context, known.added)
    return known.result as T
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

export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a === b || (a.length === b.length && a.every((one, i) => one === b[i]))
}

function note<T>(context: TranslateContext, make: (context: TranslateContext) => T): Remembered {
  const parts = new PartStore(context.parts)
  const diagnostics = new DiagnosticSink()
  const result = make({ ...context, parts, diagnostics })
  // What is remembered must not hold the store of this pass.
  parts.leaveOthers()
  const added = { store: parts, diagnostics: diagnostics.all }
  const isNothing = parts.size === 0 && added.diagnostics.length === 0
  return { result, added: isNothing ? undefined : added }
}

function repeat({ parts, diagnostics }: TranslateContext, added: Added): void {
  const { store } = added
  if (store.size > MANY) parts.include(store)
  else parts.addAll(store)
  for (const diagnostic of added.diagnostics) diagnostics.add(diagnostic)
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
