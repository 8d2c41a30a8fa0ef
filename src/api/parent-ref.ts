/** ParentReference (upstream apis/v1/shared_types.go) and the fields that all routes share. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { group, kindName, namespaceName, objectName, portNumber, sectionName } from './common.ts'
import { withoutClashes } from './refine.ts'

const GATEWAY_GROUP = 'gateway.networking.k8s.io'

const parentRef = z.strictObject({
  group: group.default(GATEWAY_GROUP),
  kind: kindName.default('Gateway'),
  namespace: namespaceName.exactOptional(),
  name: objectName,
  sectionName: sectionName.exactOptional(),
  port: portNumber.exactOptional(),
})

export type ParentRef = Output<typeof parentRef>

/** Two refs to one parent must both set, and differ in, sectionName and/or port. */
const parentRefs = z
  .array(parentRef)
  // Aborts: the next check compares every pair.
  .max(32, { error: 'must have at most 32 entries', abort: true })
  .superRefine(
    withoutClashes(
      (a: ParentRef, b: ParentRef) => sameParent(a, b) && !isDistinct(a, b),
      'must differ from the other refs to this parent in sectionName or port, and all must set the same of these two',
    ),
  )
  .describe('Refs to one parent differ in sectionName and/or port, and all set the same of these.')

function sameParent(a: ParentRef, b: ParentRef): boolean {
  return (
    a.group === b.group && a.kind === b.kind && a.name === b.name && a.namespace === b.namespace
  )
}

function isDistinct(a: ParentRef, b: ParentRef): boolean {
  const sameFields =
    (a.sectionName === undefined) === (b.sectionName === undefined) &&
    (a.port === undefined) === (b.port === undefined)
  return sameFields && (a.sectionName !== b.sectionName || a.port !== b.port)
}

/** CommonRouteSpec: how a route names its parents. */
export const commonRouteFields = {
  parentRefs: parentRefs.exactOptional(),
  useDefaultGateways: z.enum(['All', 'None']).exactOptional(),
}

/** LocalParentReference of a ListenerSet. */
export const listenerSetParent = z.strictObject({
  group: group.default(GATEWAY_GROUP),
  kind: kindName.default('Gateway'),
  namespace: namespaceName.exactOptional(),
  name: objectName,
})
