/** ListenerSet (upstream apis/v1/listenerset_types.go). */
import * as z from 'zod'
import type { Output } from './common.ts'
import { listeners } from './listener.ts'
import { customResource, withoutNulls } from './meta.ts'
import { listenerSetParent } from './parent-ref.ts'

export const listenerSetSchema = withoutNulls(
  customResource(
    ['gateway.networking.k8s.io/v1'],
    'ListenerSet',
    z.strictObject({ parentRef: listenerSetParent, listeners }),
  ),
)

export type ListenerSet = Output<typeof listenerSetSchema>
