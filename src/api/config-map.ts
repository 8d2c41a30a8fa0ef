/** core/v1 ConfigMap: read for CA bundles. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'

export const configMapSchema = withoutNulls(
  coreResource('v1', 'ConfigMap', 'subdomain', {
    data: z.record(z.string(), z.string()).exactOptional(),
    /** base64. */
    binaryData: z.record(z.string(), z.string()).exactOptional(),
    immutable: z.boolean().exactOptional(),
  }),
)

export type ConfigMap = Output<typeof configMapSchema>
