/** core/v1 Endpoints: the addresses of the Service of the same name. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { portNumber } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'

const endpointAddress = z.object({ ip: z.string(), hostname: z.string().exactOptional() })

const endpointPort = z.object({
  name: z.string().exactOptional(),
  port: portNumber,
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
  appProtocol: z.string().exactOptional(),
})

export const endpointsSchema = withoutNulls(
  coreResource('v1', 'Endpoints', 'subdomain', {
    subsets: z
      .array(
        z.object({
          addresses: z.array(endpointAddress).exactOptional(),
          notReadyAddresses: z.array(endpointAddress).exactOptional(),
          ports: z.array(endpointPort).exactOptional(),
        }),
      )
      .exactOptional(),
  }),
)

export type Endpoints = Output<typeof endpointsSchema>
