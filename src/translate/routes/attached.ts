/** The routes of each listener: those that were accepted, with the names that they serve there. */
import type { ListenerKey } from '../../model/identity.ts'
import type { ServedHostname } from '../attachment.ts'
import type { RouteOutcome } from './collect.ts'

export interface AttachedRoute {
  readonly outcome: RouteOutcome
  /** Most specific first; '' when neither the route nor the listener names one. */
  readonly hostnames: readonly ServedHostname[]
}

export type AttachedRoutes = ReadonlyMap<ListenerKey, readonly AttachedRoute[]>

/** A route with several parentRefs to one listener counts once (digest section 2.4). */
export function attachedByListener(outcomes: readonly RouteOutcome[]): AttachedRoutes {
  const attached = new Map<ListenerKey, AttachedRoute[]>()
  for (const outcome of outcomes) {
    for (const [listener, route] of attachmentsOf(outcome)) {
      const routes = attached.get(listener)
      if (routes === undefined) attached.set(listener, [route])
      else routes.push(route)
    }
  }
  return attached
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
