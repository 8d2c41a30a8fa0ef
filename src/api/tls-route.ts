/** TLSRoute (upstream apis/v1/tlsroute_types.go); v1alpha2 is laxer in hostnames and rules. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { hostname, isIpAddress } from './common.ts'
import { manyL4Rules, oneL4Rule } from './l4-rules.ts'
import { customResource, withoutNulls } from './meta.ts'
import { commonRouteFields } from './parent-ref.ts'

const preciseHostnames = z
  .array(
    hostname.refine(
      (name) => !isIpAddress(name),
      'must be a DNS name: a TLS server name is never an IP address',
    ),
  )
  .min(1, 'must name at least one hostname')
  .max(1024, 'must have at most 1024 hostnames')

const anyHostnames = z.array(hostname).max(1024, 'must have at most 1024 hostnames')

export const tlsRouteSchema = withoutNulls(
  z.discriminatedUnion('apiVersion', [
    customResource(
      ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha3'],
      'TLSRoute',
      z.strictObject({ ...commonRouteFields, hostnames: preciseHostnames, rules: oneL4Rule }),
    ),
    customResource(
      ['gateway.networking.k8s.io/v1alpha2'],
      'TLSRoute',
      z.strictObject({
        ...commonRouteFields,
        hostnames: anyHostnames.exactOptional(),
        rules: manyL4Rules,
      }),
    ),
  ]),
)

export type TLSRoute = Output<typeof tlsRouteSchema>
