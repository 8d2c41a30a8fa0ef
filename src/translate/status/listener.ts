/** Status of one listener (digest sections 2.2 to 2.4 and 9.2). */
import type { ListenerStatus } from '../../model/status.ts'
import type { ListenerVerdict } from '../listener-verdicts.ts'
import { routeGroupKind } from '../protocols.ts'
import { conditionFrom, conditionIf, pendingCondition } from './conditions.ts'

export function listenerStatus(verdict: ListenerVerdict, attachedRoutes: number): ListenerStatus {
  const { listener, accepted, conflicted, resolvedRefs, overlapping, notServed } = verdict
  const { generation } = listener.owner
  return {
    name: listener.spec.name,
    supportedKinds: listener.supportedKinds.map(routeGroupKind),
    attachedRoutes,
    conditions: [
      conditionFrom(
        'Accepted',
        accepted,
        { reason: 'Accepted', message: 'The listener is accepted.' },
        generation,
      ),
      ...conditionIf('Conflicted', conflicted, generation),
      ...conditionIf('OverlappingTLSConfig', overlapping, generation),
      notServed === undefined
        ? pendingCondition(generation)
        : conditionFrom('Programmed', notServed, notServed, generation),
      conditionFrom(
        'ResolvedRefs',
        resolvedRefs,
        { reason: 'ResolvedRefs', message: 'All references of the listener resolve.' },
        generation,
      ),
    ],
  }
}
