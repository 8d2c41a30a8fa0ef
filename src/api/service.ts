/**
 * core/v1 Service: what a backendRef needs of it, validated as the API server does; other fields
 * are dropped. An ExternalName needs no ports: the reference's port is used.
 */
import * as z from 'zod'
import type { Output } from './common.ts'
import { portNumber, SUBDOMAIN_PATTERN } from './common.ts'
import { coreResource, withoutNulls } from './meta.ts'
import { report, unique } from './refine.ts'
import { appProtocol, portName, transport } from './service-port.ts'

/** RFC 6335 section 5.1: at most 15 characters, a letter among them, no `-` beside `-` or an end. */
const IANA_SERVICE_NAME = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/

const TARGET_PORT = 'must be a number from 1 to 65535 or the name of a port of the endpoints'

const servicePort = z.object({
  name: portName.exactOptional(),
  protocol: transport,
  appProtocol: appProtocol.exactOptional(),
  port: portNumber,
  /** A number, or the name of a port of the endpoints; absent: the same as `port`. */
  targetPort: z
    .union([portNumber, z.string().regex(IANA_SERVICE_NAME, TARGET_PORT)], { error: TARGET_PORT })
    .exactOptional(),
})

export type ServicePort = Output<typeof servicePort>

const ports = z
  .array(servicePort)
  .superRefine(unique(({ name }) => name, 'name'))
  .superRefine(unique(({ protocol, port }) => `${protocol} ${port}`, 'port', 'port and protocol'))
  .superRefine((list, context) => {
    if (list.length < 2) return
    list.forEach(({ name }, index) => {
      if (name === undefined)
        report(context, [index, 'name'], 'must be set when there are several ports')
    })
  })

const spec = z
  .object({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
    externalName: z.string().exactOptional(),
    clusterIP: z.string().exactOptional(),
    selector: z.record(z.string(), z.string()).exactOptional(),
    sessionAffinity: z.enum(['ClientIP', 'None']).exactOptional(),
    ports: ports.exactOptional(),
  })
  .superRefine((service, context) => {
    if (service.type === 'ExternalName') {
      if (!isExternalName(service.externalName ?? '')) {
        report(context, ['externalName'], 'must be a lower-case DNS name for type ExternalName')
      }
    } else if ((service.ports ?? []).length === 0 && service.clusterIP !== 'None') {
      report(
        context,
        ['ports'],
        'must have at least one port, except for ExternalName and clusterIP None',
      )
    }
  })

/** As the API server: a trailing dot is allowed. */
function isExternalName(name: string): boolean {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  return bare.length <= 253 && SUBDOMAIN_PATTERN.test(bare)
}

export const serviceSchema = withoutNulls(coreResource('v1', 'Service', 'label', { spec }))

export type Service = Output<typeof serviceSchema>
