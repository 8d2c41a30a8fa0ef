/**
 * core/v1 Endpoints: the addresses of the Service of the same name. Loopback and link-local
 * addresses, which a cluster refuses, are allowed: here they are the common case.
 */
import * as z from 'zod'
import type { Output } from './common.ts'
import { isIpAddress, portNumber } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'
import { report, unique } from './refine.ts'
import { appProtocol, portName, transport } from './service-port.ts'

const endpointAddress = z.object({
  ip: z.string().refine(isIpAddress, 'must be an IPv4 or IPv6 address'),
  hostname: z.string().exactOptional(),
})

const endpointPort = z.object({
  name: portName.exactOptional(),
  port: portNumber,
  protocol: transport,
  appProtocol: appProtocol.exactOptional(),
})

const endpointPorts = z
  .array(endpointPort)
  .superRefine(unique(({ name }) => name, 'name'))
  .superRefine((list, context) => {
    if (list.length < 2) return
    list.forEach(({ name }, index) => {
      if (name === undefined)
        report(context, [index, 'name'], 'must be set when there are several ports')
    })
  })

const subset = z
  .object({
    addresses: z.array(endpointAddress).exactOptional(),
    notReadyAddresses: z.array(endpointAddress).exactOptional(),
    ports: endpointPorts.exactOptional(),
  })
  .superRefine(({ addresses = [], notReadyAddresses = [] }, context) => {
    if (addresses.length + notReadyAddresses.length > 0) return
    report(context, ['addresses'], 'must have at least one address (or notReadyAddresses must)')
  })

export const endpointsSchema = withoutNulls(
  coreResource('v1', 'Endpoints', 'subdomain', { subsets: z.array(subset).exactOptional() }),
)

export type Endpoints = Output<typeof endpointsSchema>
