/** TCPRoute (upstream apis/v1/tcproute_types.go); v1alpha2 allows several rules. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { manyL4Rules, oneL4Rule } from './l4-rules.ts'
import { customResource, withoutNulls } from './meta.ts'
import { commonRouteFields } from './parent-ref.ts'

export const tcpRouteSchema = withoutNulls(
  z.discriminatedUnion('apiVersion', [
    customResource(
      ['gateway.networking.k8s.io/v1'],
      'TCPRoute',
      z.strictObject({ ...commonRouteFields, rules: oneL4Rule }),
    ),
    customResource(
      ['gateway.networking.k8s.io/v1alpha2'],
      'TCPRoute',
      z.strictObject({ ...commonRouteFields, rules: manyL4Rules }),
    ),
  ]),
)

export type TCPRoute = Output<typeof tcpRouteSchema>
