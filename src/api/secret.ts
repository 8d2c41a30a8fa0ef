/** core/v1 Secret. Messages never quote a value: secrets reach no log and no status. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'

export const secretSchema = withoutNulls(
  coreResource('v1', 'Secret', 'subdomain', {
    type: z.string().default('Opaque'),
    /** base64. */
    data: z.record(z.string(), z.string()).exactOptional(),
    stringData: z.record(z.string(), z.string()).exactOptional(),
    immutable: z.boolean().exactOptional(),
  }),
)

export type Secret = Output<typeof secretSchema>
