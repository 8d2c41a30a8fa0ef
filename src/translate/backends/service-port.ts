/** The ports of a Service. A port number may stand twice, for TCP and for UDP. */
import type { Resource } from '../../api/resource.ts'
import type { Service, ServicePort } from '../../api/service.ts'

export function servicePort(
  service: Resource<Service>,
  number: number | undefined,
  transport: 'TCP' | 'UDP',
): ServicePort | undefined {
  return service.object.spec.ports?.find(
    (port) => port.port === number && port.protocol === transport,
  )
}

export function tcpPort(
  service: Resource<Service>,
  number: number | undefined,
): ServicePort | undefined {
  return servicePort(service, number, 'TCP')
}
