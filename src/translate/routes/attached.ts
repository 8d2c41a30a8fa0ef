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
    if (outcome.verdict.accepted !== undefined) continue
    const seen = new Set<ListenerKey>()
    for (const { listener, hostnames } of outcome.parents.flatMap(
      ({ attachments }) => attachments,
    )) {
      if (seen.has(listener.key)) continue
      seen.add(listener.key)
      const routes = attached.get(listener.key)
      if (routes === undefined) attached.set(listener.key, [{ outcome, hostnames }])
      else routes.push({ outcome, hostnames })
    }
  }
  return attached
}
