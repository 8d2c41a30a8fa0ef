/** Held objects as Resources: age, and the places of their fields, found only when asked for. */
import type { Resource } from '../api/resource.ts'
import type { DocumentPath, Origin } from '../model/diagnostic.ts'
import type { AnyObject } from './admit.ts'
import { findSpot } from './documents.ts'
import { type Held, originOf } from './identity.ts'

/** Keeps a Resource as long as nothing about it changes, so that later stages may compare by identity. */
const made = new WeakMap<Held, Resource<AnyObject>>()

/** `keepsAge`: --state-dir remembers first-seen times, so they are the same after a restart. */
export function resourceOf(held: Held, keepsAge: boolean): Resource<AnyObject> {
  const known = made.get(held)
  if (known !== undefined) return known
  const { path, document, admitted } = held
  const resource: Resource<AnyObject> = {
    key: admitted.key,
    object: admitted.object,
    origin: originOf(path, document, admitted),
    locate: locator(held),
    generation: held.generation,
    createdAt: statedAge(admitted) ?? (keepsAge ? held.firstSeen : undefined),
    seenAt: statedAge(admitted) ?? held.firstSeen,
    stale: held.stale,
  }
  made.set(held, resource)
  return resource
}

/** A place costs a parse of the document, and a problem that stays is located in every pass. */
function locator({ path, document, admitted }: Held): (at: DocumentPath) => Origin {
  // Most are never asked for.
  let found: Map<string, Origin> | undefined
  return (at) => {
    found ??= new Map()
    const key = JSON.stringify(at)
    const known = found.get(key)
    if (known !== undefined) return known
    const spot = findSpot(document.text, [...admitted.at, ...at])
    const origin = originOf(path, document, { spot })
    found.set(key, origin)
    return origin
  }
}

function statedAge({ object }: Held['admitted']): number | undefined {
  const { creationTimestamp } = object.metadata
  const stated = creationTimestamp === undefined ? Number.NaN : Date.parse(creationTimestamp)
  return Number.isNaN(stated) ? undefined : stated
}
