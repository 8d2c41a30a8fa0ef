/**
 * core/v1 Secret. Whether a TLS Secret holds a usable pair is not judged here: its keys may come
 * from files. Messages never quote a value: secrets reach no log and no status.
 */
import * as z from 'zod'
import type { Output } from './common.ts'
import { base64Map, textMap } from './data-map.ts'
import { coreResource, withoutNulls } from './meta.ts'

export const secretSchema = withoutNulls(
  coreResource('v1', 'Secret', 'subdomain', {
    type: z.string().default('Opaque'),
    data: base64Map.exactOptional(),
    /** Plain text; wins over `data` key by key. */
    stringData: textMap.exactOptional(),
    immutable: z.boolean().exactOptional(),
  }),
)

export type Secret = Output<typeof secretSchema>
