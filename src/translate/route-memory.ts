/**
 * What the translation before made of each route. A route's outcome depends on the route itself and
 * on everything that is no route; while all of that is the same, by identity, it is not made again.
 * So an edit of one of 10,000 routes costs one route. What was reported and added on the way is
 * reported and added anew: a translation gives the same with a memory as without.
 */
import type { Digest } from '../base/brand.ts'
import type { Resource } from '../api/resource.ts'
import type { ResourceSet } from '../api/resource-set.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Part } from '../model/snapshot.ts'
import type { KeyMaterial } from '../model/tls.ts'
import { DiagnosticSink, PartStore, type TranslateContext } from './context.ts'
import type { RouteOutcome } from './routes/collect.ts'

interface Remembered {
  readonly outcome: RouteOutcome
  readonly parts: ReadonlyMap<Digest, Part>
  readonly keys: ReadonlyMap<Digest, KeyMaterial>
  readonly diagnostics: readonly Diagnostic[]
}

/** Kept from pass to pass by whoever translates; to judge certificates anew, begin with another one. */
export class RouteMemory {
  #surroundings: readonly unknown[] = []
  #remembered = new WeakMap<Resource<unknown>, Remembered>()

  /** Before the routes of a translation; forgets all when something that is no route changed. */
  begin(resources: ResourceSet): void {
    const surroundings = surroundingsOf(resources)
    const before = this.#surroundings
    this.#surroundings = surroundings
    const isSame =
      before.length === surroundings.length && before.every((one, i) => one === surroundings[i])
    if (!isSame) this.#remembered = new WeakMap()
  }

  /** `make` gets a context that notes what it adds and reports. */
  recall(
    context: TranslateContext,
    route: Resource<unknown>,
    make: (context: TranslateContext) => RouteOutcome,
  ): RouteOutcome {
    const known = this.#remembered.get(route) ?? note(context, make)
    this.#remembered.set(route, known)
    for (const [digest, part] of known.parts) context.parts.put(digest, part)
    for (const key of known.keys.values()) context.parts.addKey(key)
    for (const diagnostic of known.diagnostics) context.diagnostics.add(diagnostic)
    return known.outcome
  }
}

function note(
  context: TranslateContext,
  make: (context: TranslateContext) => RouteOutcome,
): Remembered {
  const parts = new PartStore()
  const diagnostics = new DiagnosticSink()
  const outcome = make({ ...context, parts, diagnostics })
  return { outcome, parts: parts.parts, keys: parts.keys, diagnostics: diagnostics.all }
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
}: ResourceSet): readonly unknown[] {
  return Object.values(lists).flat()
}
