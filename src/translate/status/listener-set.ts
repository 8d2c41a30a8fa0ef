/**
 * Status of a ListenerSet (digest section 8): one good listener is enough. Its messages tell nothing
 * of the Gateway or of other sets.
 */
import type { ListenerKey } from '../../model/identity.ts'
import type { Condition, ObjectStatus } from '../../model/status.ts'
import { enumerate } from '../enumerate.ts'
import type { OwnListenerSet } from '../listener-sets.ts'
import type { ListenerVerdict } from '../listener-verdicts.ts'
import { terminatesTls } from '../listeners.ts'
import type { Problem } from '../problem.ts'
import { conditionFrom, pendingCondition } from './conditions.ts'
import { listenerStatus } from './listener.ts'

/** `verdicts` of the set's listeners, in the order of its spec; empty when it is not allowed. */
export function listenerSetStatus(
  set: OwnListenerSet,
  verdicts: readonly ListenerVerdict[],
  attachedRoutes: (listener: ListenerKey) => number,
): ObjectStatus {
  const { key, generation, origin } = set.resource
  return {
    key,
    generation,
    origin,
    body: {
      kind: 'listener-set',
      conditions: [acceptedCondition(set, verdicts), programmedCondition(set, verdicts)],
      listeners: verdicts.map((verdict) =>
        listenerStatus(verdict, attachedRoutes(verdict.listener.key)),
      ),
    },
  }
}

/** Whether the set counts as attached to its Gateway. */
export function isAccepted(set: OwnListenerSet, verdicts: readonly ListenerVerdict[]): boolean {
  return refusal(set, verdicts) === undefined
}

function acceptedCondition(set: OwnListenerSet, verdicts: readonly ListenerVerdict[]): Condition {
  const bad = verdicts.filter((verdict) => !isGood(verdict))
  const ok =
    bad.length === 0
      ? { reason: 'Accepted', message: 'The ListenerSet is accepted.' }
      : { reason: 'ListenersNotValid', message: `Some listeners are not valid: ${namesOf(bad)}.` }
  return conditionFrom('Accepted', refusal(set, verdicts), ok, set.resource.generation)
}

function programmedCondition(set: OwnListenerSet, verdicts: readonly ListenerVerdict[]): Condition {
  const { generation } = set.resource
  const problem = parentNotProgrammed(set, verdicts) ?? refusal(set, verdicts)
  return problem === undefined
    ? pendingCondition(generation)
    : conditionFrom('Programmed', problem, problem, generation)
}

function refusal(
  { notAllowed }: OwnListenerSet,
  verdicts: readonly ListenerVerdict[],
): Problem | undefined {
  if (notAllowed !== undefined) return notAllowed
  const parent = verdicts.find(({ parentProblem }) => parentProblem !== undefined)?.parentProblem
  if (parent !== undefined) return parent
  if (verdicts.some(isGood)) return undefined
  return { reason: 'ListenersNotValid', message: `No listener is valid: ${namesOf(verdicts)}.` }
}

/** One that ends TLS without any usable certificate counts as bad here. */
function isGood({ listener, accepted, certificates }: ListenerVerdict): boolean {
  return accepted === undefined && (!terminatesTls(listener) || certificates.length > 0)
}

function parentNotProgrammed(
  { gateway, notAllowed }: OwnListenerSet,
  verdicts: readonly ListenerVerdict[],
): Problem | undefined {
  const isRefused = verdicts.some(({ parentProblem }) => parentProblem !== undefined)
  if (notAllowed !== undefined || (gateway.programmed === undefined && !isRefused)) return undefined
  return { reason: 'ParentNotProgrammed', message: 'The parent Gateway is not programmed.' }
}

function namesOf(verdicts: readonly ListenerVerdict[]): string {
  return enumerate(verdicts.map(({ listener }) => listener.spec.name))
}
