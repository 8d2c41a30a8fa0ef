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
import type { NotedParts, TranslateContext } from './context.ts'

interface Remembered {
  readonly result: unknown
  /** undefined: nothing was added and reported. */
  readonly added: Added | undefined
}

interface Added {
  readonly parts: NotedParts
  readonly diagnostics: readonly Diagnostic[]
}

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
   * Notes what `make` adds and reports, and must not be asked by it. A subject has one kind of result;
   * `isStill` tells whether one still holds.
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
      if (known.added !== undefined) repeat(context, known.added)
      return known.result as T
    }
    const made = note(context, make)
    this.#remembered.set(subject, made)
    return made.result
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

interface Made<T> extends Remembered {
  readonly result: T
}

function note<T>(context: TranslateContext, make: (context: TranslateContext) => T): Made<T> {
  const { parts, diagnostics } = context
  const made = parts.noteOf(() => diagnostics.noteOf(() => make(context)))
  const added: Added = { parts: made.noted, diagnostics: made.result.noted }
  const { result } = made.result
  return { result, added: isNothing(added) ? undefined : added }
}

function isNothing({ parts: { parts, keys }, diagnostics }: Added): boolean {
  return parts.length + keys.length + diagnostics.length === 0
}

function repeat({ parts, diagnostics }: TranslateContext, added: Added): void {
  parts.addAll(added.parts)
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
