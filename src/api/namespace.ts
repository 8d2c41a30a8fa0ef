/** core/v1 Namespace: read for its labels. */
import type { Output } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'

export const namespaceSchema = withoutNulls(coreResource('v1', 'Namespace', 'label', {}))

export type Namespace = Output<typeof namespaceSchema>
