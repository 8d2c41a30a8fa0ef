/** Status of a route: one entry for each parentRef to a parent of ours (digest section 3.1). */
import type { ParentRef } from '../../api/parent-ref.ts'
import type { ObjectStatus, ParentReference, RouteParentStatus } from '../../model/status.ts'
import type { ParentResult } from '../attachment.ts'
import type { RouteOutcome } from '../routes/collect.ts'
import { conditionFrom, conditionIf } from './conditions.ts'

/** The same outcome has the same status, so that an unchanged one is known by identity. */
const made = new WeakMap<RouteOutcome, ObjectStatus>()

/** undefined: no parent is ours, so there is nothing of ours to say. */
export function routeStatus(
  outcome: RouteOutcome,
  controllerName: string,
): ObjectStatus | undefined {
  if (outcome.parents.length === 0) return undefined
  const known = made.get(outcome)
  if (known !== undefined) return known
  const { key, generation, origin } = outcome.route
  const parents = outcome.parents.map((parent) => parentStatus(outcome, parent, controllerName))
  const status: ObjectStatus = { key, generation, origin, body: { kind: 'route', parents } }
  made.set(outcome, status)
  return status
}

function parentStatus(
  { route, verdict }: RouteOutcome,
  { ref, problem }: ParentResult,
  controllerName: string,
): RouteParentStatus {
  const { generation } = route
  const accepted = problem ?? verdict.accepted
  return {
    parentRef: echo(ref),
    controllerName,
    conditions: [
      conditionFrom(
        'Accepted',
        accepted,
        { reason: 'Accepted', message: 'The route is accepted.' },
        generation,
      ),
      ...(accepted === undefined
        ? conditionIf('PartiallyInvalid', verdict.partiallyInvalid, generation)
        : []),
      conditionFrom(
        'ResolvedRefs',
        verdict.resolvedRefs,
        { reason: 'ResolvedRefs', message: 'All references of the route resolve.' },
        generation,
      ),
    ],
  }
}

/** Group and kind filled in, the rest as the route gives it. */
function echo({ group, kind, namespace, name, sectionName, port }: ParentRef): ParentReference {
  return {
    group,
    kind,
    ...(namespace === undefined ? {} : { namespace }),
    name,
    ...(sectionName === undefined ? {} : { sectionName }),
    ...(port === undefined ? {} : { port }),
  }
}
