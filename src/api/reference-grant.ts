/** ReferenceGrant (upstream apis/v1/referencegrant_types.go). Unknown fields are never relaxed here. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { group, kindName, namespaceName, objectName } from './common.ts'
import { customResource, withoutNulls } from './meta.ts'

const from = z.strictObject({ group, kind: kindName, namespace: namespaceName })
const to = z.strictObject({ group, kind: kindName, name: objectName.exactOptional() })

export const referenceGrantSchema = withoutNulls(
  customResource(
    ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
    'ReferenceGrant',
    z.strictObject({
      from: z
        .array(from)
        .min(1, 'must have at least one entry')
        .max(16, 'must have at most 16 entries'),
      to: z
        .array(to)
        .min(1, 'must have at least one entry')
        .max(16, 'must have at most 16 entries'),
    }),
  ),
)

export type ReferenceGrant = Output<typeof referenceGrantSchema>
