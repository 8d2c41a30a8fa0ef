/** core/v1 Service: what a backendRef needs of it. Fields that gwproxy does not use are dropped. */
import * as z from 'zod'
import type { Output } from './common.ts'
import { portNumber } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'

const servicePort = z.object({
  name: z.string().exactOptional(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
  appProtocol: z.string().exactOptional(),
  port: portNumber,
  /** A number, or the name of an endpoint's port; absent: the same as `port`. */
  targetPort: z.union([portNumber, z.string()]).exactOptional(),
})

export type ServicePort = Output<typeof servicePort>

export const serviceSchema = withoutNulls(
  coreResource('v1', 'Service', 'label', {
    spec: z
      .object({
        type: z
          .enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'])
          .default('ClusterIP'),
        externalName: z.string().exactOptional(),
        clusterIP: z.string().exactOptional(),
        selector: z.record(z.string(), z.string()).exactOptional(),
        ports: z.array(servicePort).exactOptional(),
      })
      .default({ type: 'ClusterIP' }),
  }),
)

export type Service = Output<typeof serviceSchema>
