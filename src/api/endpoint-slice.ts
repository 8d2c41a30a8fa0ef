/** discovery.k8s.io/v1 EndpointSlice: addresses of the Service that its label names. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { portNumber } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'

const endpoint = z.object({
  addresses: z
    .array(z.string())
    .min(1, 'must have at least one address')
    .max(100, 'must have at most 100 addresses'),
  conditions: z
    .object({
      ready: z.boolean().exactOptional(),
      serving: z.boolean().exactOptional(),
      terminating: z.boolean().exactOptional(),
    })
    .exactOptional(),
  hostname: z.string().exactOptional(),
})

const endpointPort = z.object({
  name: z.string().default(''),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
  /** Absent: all ports, which gwproxy cannot use. */
  port: portNumber.exactOptional(),
  appProtocol: z.string().exactOptional(),
})

export const endpointSliceSchema = withoutNulls(
  coreResource('discovery.k8s.io/v1', 'EndpointSlice', 'subdomain', {
    addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
    endpoints: z.array(endpoint).max(1000, 'must have at most 1000 endpoints').default([]),
    ports: z.array(endpointPort).max(100, 'must have at most 100 ports').exactOptional(),
  }),
)

export type EndpointSlice = Output<typeof endpointSliceSchema>
