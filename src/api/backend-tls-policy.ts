/** BackendTLSPolicy (upstream apis/v1/backendtlspolicy_types.go). Unknown fields are never relaxed. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { annotationMap, group, kindName, objectName, sectionName } from './common.ts'
import { customResource, withoutNulls } from './meta.ts'
import { withoutClashes } from './refine.ts'
import { tlsValidation } from './tls-validation.ts'

const targetRef = z.strictObject({
  group,
  kind: kindName,
  name: objectName,
  sectionName: sectionName.exactOptional(),
})

type TargetRef = z.output<typeof targetRef>

/** Two refs to one target must both set, and differ in, sectionName. */
const targetRefs = z
  .array(targetRef)
  .min(1, 'must name at least one target')
  // Aborts: the next check compares every pair.
  .max(16, { error: 'must have at most 16 entries', abort: true })
  .superRefine(
    withoutClashes(
      (a: TargetRef, b: TargetRef) => sameTarget(a, b) && !isDistinct(a, b),
      'must have a sectionName that the other refs to this target, which need one too, have not',
    ),
  )
  .describe('Refs to one target all have a sectionName, and different ones.')

function sameTarget(a: TargetRef, b: TargetRef): boolean {
  return a.group === b.group && a.kind === b.kind && a.name === b.name
}

function isDistinct(a: TargetRef, b: TargetRef): boolean {
  const bothSet = a.sectionName !== undefined && b.sectionName !== undefined
  return bothSet && a.sectionName !== b.sectionName
}

export const backendTlsPolicySchema = withoutNulls(
  customResource(
    ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha3'],
    'BackendTLSPolicy',
    z.strictObject({
      targetRefs,
      validation: tlsValidation,
      options: annotationMap.exactOptional(),
    }),
  ),
)

export type BackendTLSPolicy = Output<typeof backendTlsPolicySchema>
