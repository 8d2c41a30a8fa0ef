/** How problems become conditions (digest section 9.1): every one carries the object's generation. */
import type { Condition } from '../../model/status.ts'
import type { Problem } from '../problem.ts'

/** `type` False for the problem's reason, or True for `reason` when there is none. */
export function conditionFrom(
  type: string,
  problem: Problem | undefined,
  ok: { readonly reason: string; readonly message: string },
  observedGeneration: number,
): Condition {
  if (problem === undefined) return goodCondition(type, ok, observedGeneration)
  const { reason, message } = problem
  return { type, status: 'False', reason, message: sentence(message), observedGeneration }
}

/** Of thousands of objects most are good in the same few ways: such conditions are shared. */
const known = new Map<string, Condition>()
const MAX_KNOWN = 1000

function goodCondition(
  type: string,
  { reason, message }: { readonly reason: string; readonly message: string },
  observedGeneration: number,
): Condition {
  const id = JSON.stringify([type, reason, message, observedGeneration])
  const condition = known.get(id) ?? {
    type,
    status: 'True',
    reason,
    message: sentence(message),
    observedGeneration,
  }
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(id, condition)
  return condition
}

/** Conditions whose presence is the finding: True for the problem's reason, absent without one. */
export function conditionIf(
  type: string,
  problem: Problem | undefined,
  observedGeneration: number,
): readonly Condition[] {
  if (problem === undefined) return []
  const { reason, message } = problem
  return [{ type, status: 'True', reason, message: sentence(message), observedGeneration }]
}

/** Programmed before the sockets are bound: `status/programmed.ts` decides it later. */
export function pendingCondition(observedGeneration: number): Condition {
  return {
    type: 'Programmed',
    status: 'Unknown',
    reason: 'Pending',
    message: 'Waiting for the sockets to be bound.',
    observedGeneration,
  }
}

/** metav1.Condition: longer ones would be refused. */
const MAX_MESSAGE = 32_768

/** Written as it is also where a sentence begins: a field (`allowedRoutes.kinds`), a hostname. */
const NAME_AT_START = /^[a-z0-9-]+[A-Z.[][A-Za-z0-9]/

function sentence(text: string): string {
  const start = NAME_AT_START.test(text) ? text : text.slice(0, 1).toUpperCase() + text.slice(1)
  const whole = /[.!?]$/.test(start) ? start : `${start}.`
  return whole.length <= MAX_MESSAGE ? whole : `${whole.slice(0, MAX_MESSAGE - 1)}…`
}
