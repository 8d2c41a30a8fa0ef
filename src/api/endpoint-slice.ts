/**
 * discovery.k8s.io/v1 EndpointSlice: addresses of the Service that its label
 * `kubernetes.io/service-name` names. Loopback addresses and names of one label, which a cluster
 * refuses, are allowed: here they are the common case.
 */
import { isIP } from 'node:net'
import * as z from 'zod'
import type { Output } from './common.ts'
import { isIpAddress, portNumber, SUBDOMAIN_PATTERN } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'
import { report, unique } from './refine.ts'
import { appProtocol, portName, transport } from './service-port.ts'

const ADDRESS_TYPES = {
  IPv4: { fits: (address: string) => isIP(address) === 4, expected: 'an IPv4 address' },
  IPv6: {
    fits: (address: string) => isIP(address) === 6 && isIpAddress(address),
    expected: 'an IPv6 address',
  },
  FQDN: { fits: isDnsName, expected: 'a lower-case DNS name' },
} as const

const endpoint = z.object({
  addresses: z
    .array(z.string())
    .min(1, 'must have at least one address')
    .max(100, 'must have at most 100 addresses'),
  /** Absent conditions count as ready. */
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
  /** '' stands for a port without name. */
  name: z.union([z.literal(''), portName]).default(''),
  protocol: transport,
  /** Absent: any port, which gwproxy cannot use. */
  port: portNumber.exactOptional(),
  appProtocol: appProtocol.exactOptional(),
})

const slice = coreResource('discovery.k8s.io/v1', 'EndpointSlice', 'subdomain', {
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: z.array(endpoint).max(1000, 'must have at most 1000 endpoints').default([]),
  ports: z
    .array(endpointPort)
    .max(20_000, 'must have at most 20000 ports')
    .superRefine(unique(({ name }) => name, 'name'))
    .exactOptional(),
}).superRefine(({ addressType, endpoints }, context) => {
  const { fits, expected } = ADDRESS_TYPES[addressType]
  endpoints.forEach(({ addresses }, index) => {
    addresses.forEach((address, position) => {
      if (fits(address)) return
      const path = ['endpoints', index, 'addresses', position]
      report(context, path, `must be ${expected} for addressType ${addressType}`)
    })
  })
})

function isDnsName(name: string): boolean {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  return bare.length <= 253 && SUBDOMAIN_PATTERN.test(bare) && isIP(bare) === 0
}

export const endpointSliceSchema = withoutNulls(slice)

export type EndpointSlice = Output<typeof endpointSliceSchema>
