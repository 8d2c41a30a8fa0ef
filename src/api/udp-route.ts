/** UDPRoute (upstream apis/v1/udproute_types.go); v1alpha2 allows several rules. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { manyL4Rules, oneL4Rule } from './l4-rules.ts'
import { customResource, withoutNulls } from './meta.ts'
import { commonRouteFields } from './parent-ref.ts'

export const udpRouteSchema = withoutNulls(
  z.discriminatedUnion('apiVersion', [
    customResource(
      ['gateway.networking.k8s.io/v1'],
      'UDPRoute',
      z.strictObject({ ...commonRouteFields, rules: oneL4Rule }),
    ),
    customResource(
      ['gateway.networking.k8s.io/v1alpha2'],
      'UDPRoute',
      z.strictObject({ ...commonRouteFields, rules: manyL4Rules }),
    ),
  ]),
)

export type UDPRoute = Output<typeof udpRouteSchema>
