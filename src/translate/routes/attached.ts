/** The routes of each listener: those that were accepted, with the names that they serve there. */
import { withChange } from '../../base/lists.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { ServedHostname } from '../attachment.ts'
import { compareOutcomes, type OutcomeChange, type RouteOutcome } from './collect.ts'

export interface AttachedRoute {
  readonly outcome: RouteOutcome
  /** Most specific first; '' when neither the route nor the listener names one. */
  readonly hostnames: readonly ServedHostname[]
}

/**
 * Those of each listener, oldest first within a kind; kept from pass to pass. A route with several
 * parentRefs to one listener counts once (digest section 2.4).
 */
export class AttachedRoutes {
  readonly #byListener = new Map<ListenerKey, readonly AttachedRoute[]>()

  of(listener: ListenerKey): readonly AttachedRoute[] {
    return this.#byListener.get(listener) ?? NONE
  }

  /** The listeners whose routes are other ones than before. */
  next({ gone, come }: OutcomeChange): Iterable<ListenerKey> {
    const changes = new Map<ListenerKey, Change>()
    const changeAt = (listener: ListenerKey): Change => {
      const known = changes.get(listener) ?? { gone: new Set(), come: [] }
      changes.set(listener, known)
      return known
    }
    for (const outcome of gone) {
      for (const [listener, route] of attachmentsOf(outcome)) changeAt(listener).gone.add(route)
    }
    for (const outcome of come) {
      for (const [listener, route] of attachmentsOf(outcome)) changeAt(listener).come.push(route)
    }
    for (const [listener, change] of changes) {
      this.#byListener.set(listener, withChange(this.of(listener), change, compareAttached))
    }
    return changes.keys()
  }
}

const NONE: readonly AttachedRoute[] = []

interface Change {
  readonly gone: Set<AttachedRoute>
  readonly come: AttachedRoute[]
}

function compareAttached(a: AttachedRoute, b: AttachedRoute): number {
  return compareOutcomes(a.outcome, b.outcome)
}

type Attachments = ReadonlyMap<ListenerKey, AttachedRoute>

/** The same outcome has the same, so that unchanged ones are known by identity. */
const made = new WeakMap<RouteOutcome, Attachments>()

function attachmentsOf(outcome: RouteOutcome): Attachments {
  const known = made.get(outcome) ?? attach(outcome)
  made.set(outcome, known)
  return known
}

function attach(outcome: RouteOutcome): Attachments {
  const attached = new Map<ListenerKey, AttachedRoute>()
  if (outcome.verdict.accepted !== undefined) return attached
  for (const { attachments } of outcome.parents) {
    for (const { listener, hostnames } of attachments) {
      if (!attached.has(listener.key)) attached.set(listener.key, { outcome, hostnames })
    }
  }
  return attached
}
