/** core/v1 ConfigMap: read for CA bundles. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { base64Map, textMap } from './data-map.ts'
import { coreResource, withoutNulls } from './meta.ts'
import { report } from './refine.ts'

const configMap = coreResource('v1', 'ConfigMap', 'subdomain', {
  data: textMap.exactOptional(),
  binaryData: base64Map.exactOptional(),
  immutable: z.boolean().exactOptional(),
}).superRefine(({ data = {}, binaryData = {} }, context) => {
  for (const key of Object.keys(binaryData)) {
    if (Object.hasOwn(data, key)) report(context, ['binaryData', key], 'must not be in data too')
  }
})

export const configMapSchema = withoutNulls(configMap)

export type ConfigMap = Output<typeof configMapSchema>
