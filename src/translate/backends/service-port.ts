/** The ports of a Service. */
import type { Resource } from '../../api/resource.ts'
import type { Service, ServicePort } from '../../api/service.ts'

/** A port number may stand twice, for TCP and for UDP. */
export function tcpPort(
  service: Resource<Service>,
  number: number | undefined,
): ServicePort | undefined {
  return service.object.spec.ports?.find((port) => port.port === number && port.protocol === 'TCP')
}
