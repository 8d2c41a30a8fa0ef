/** Status of a Gateway, derived from its own problems and its listeners' (digest section 2.2). */
import type { ListenerKey } from '../../model/identity.ts'
import type { Condition, ObjectStatus } from '../../model/status.ts'
import { enumerate } from '../enumerate.ts'
import { insecureModeProblem } from '../client-validation.ts'
import type { OwnGateway } from '../gateways.ts'
import type { ListenerVerdict } from '../listener-verdicts.ts'
import type { Problem } from '../problem.ts'
import { conditionFrom, conditionIf, pendingCondition } from './conditions.ts'
import { listenerStatus } from './listener.ts'

/**
 * `verdicts` of this Gateway's listeners, in the order of its spec. `attachedListenerSets`: how many
 * are accepted; undefined: none names it.
 */
export function gatewayStatus(
  gateway: OwnGateway,
  verdicts: readonly ListenerVerdict[],
  attachedListenerSets: number | undefined,
  attachedRoutes: (listener: ListenerKey) => number,
): ObjectStatus {
  const { key, generation, origin } = gateway.resource
  return {
    key,
    generation,
    origin,
    body: {
      kind: 'gateway',
      addresses: gateway.addresses,
      conditions: [
        acceptedCondition(gateway, verdicts),
        programmedCondition(gateway, verdicts),
        resolvedRefsCondition(gateway, verdicts),
        ...conditionIf(
          'InsecureFrontendValidationMode',
          insecureModeProblem(gateway.resource.object.spec.tls?.frontend),
          generation,
        ),
      ],
      listeners: verdicts.map((verdict) =>
        listenerStatus(verdict, attachedRoutes(verdict.listener.key)),
      ),
      ...(attachedListenerSets === undefined ? {} : { attachedListenerSets }),
    },
  }
}

function acceptedCondition(gateway: OwnGateway, verdicts: readonly ListenerVerdict[]): Condition {
  const { generation } = gateway.resource
  const bad = verdicts.filter(({ accepted }) => accepted !== undefined)
  const names = enumerate(bad.map(({ listener }) => listener.spec.name))
  const noneIsGood: Problem | undefined =
    bad.length === verdicts.length
      ? { reason: 'ListenersNotValid', message: `No listener is valid: ${names}.` }
      : undefined
  const ok =
    bad.length === 0
      ? { reason: 'Accepted', message: 'The Gateway is accepted.' }
      : { reason: 'ListenersNotValid', message: `Some listeners are not valid: ${names}.` }
  return conditionFrom('Accepted', gateway.accepted ?? noneIsGood, ok, generation)
}

function programmedCondition(gateway: OwnGateway, verdicts: readonly ListenerVerdict[]): Condition {
  const { generation } = gateway.resource
  const problem = whyNotProgrammed(gateway, verdicts)
  return problem === undefined
    ? pendingCondition(generation)
    : conditionFrom('Programmed', problem, problem, generation)
}

function whyNotProgrammed(
  gateway: OwnGateway,
  verdicts: readonly ListenerVerdict[],
): Problem | undefined {
  if (gateway.accepted !== undefined) {
    return { reason: 'Invalid', message: 'The Gateway is not accepted.' }
  }
  if (gateway.programmed !== undefined) return gateway.programmed
  if (verdicts.some(({ notServed }) => notServed === undefined)) return undefined
  return { reason: 'Invalid', message: 'No listener can be served; see their conditions.' }
}

/** Its own references before those of its listeners, which it sums up. */
function resolvedRefsCondition(
  { identity, resource }: OwnGateway,
  verdicts: readonly ListenerVerdict[],
): Condition {
  const own = identity?.kind === 'broken' ? identity.problem : undefined
  const unresolved = verdicts.filter(({ resolvedRefs }) => resolvedRefs !== undefined)
  const names = enumerate(unresolved.map(({ listener }) => listener.spec.name))
  const ofListeners: Problem | undefined =
    unresolved.length === 0
      ? undefined
      : {
          reason: 'ListenersNotResolved',
          message: `References of some listeners do not resolve: ${names}.`,
        }
  const ok = { reason: 'ResolvedRefs', message: 'All references of the Gateway resolve.' }
  return conditionFrom('ResolvedRefs', own ?? ofListeners, ok, resource.generation)
}
