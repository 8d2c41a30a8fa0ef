/**
 * A Service as an upstream: `ExternalName` is a DNS name and the reference's port (no `ports`
 * needed); every other type takes its endpoints from slices (digest section 3.3, decision 8).
 */
import type { Resource } from '../../api/resource.ts'
import type { Service, ServicePort } from '../../api/service.ts'
import { canonicalAddress } from '../../match/target-address.ts'
import { displayKey } from '../../model/resource-key.ts'
import type { TranslateContext } from '../context.ts'
import { addressEndpoint, nameEndpoint } from './addresses.ts'
import { httpProtocolOf } from './app-protocol.ts'
import { type AnyEndpoint, findEndpoints } from './endpoints.ts'
import { type BackendUse, type Resolution, unresolved } from './resolution.ts'

/** `number` is the reference's port. */
export function resolveService(
  context: TranslateContext,
  service: Resource<Service>,
  number: number,
  use: BackendUse,
): Resolution {
  const port = tcpPort(service, number)
  const isExternal = service.object.spec.type === 'ExternalName'
  if (port === undefined && !isExternal) {
    return unresolved('BackendNotFound', missingPort(service, number))
  }
  const protocol = use === 'http' ? httpProtocolOf(port?.appProtocol) : 'tcp'
  if (protocol === undefined) {
    return unresolved(
      'UnsupportedProtocol',
      `${displayKey(service.key)} gives port ${number} the appProtocol ${JSON.stringify(port?.appProtocol)}, which gwproxy does not speak.`,
    )
  }
  const endpoints =
    port === undefined || isExternal
      ? externalEndpoints(context, service, number)
      : serviceEndpoints(context, service, port)
  const { namespace, name } = service.key
  return {
    kind: 'upstream',
    upstream: {
      kind: 'upstream',
      name: `Service/${namespace}/${name}:${number}`,
      protocol,
      endpoints,
    },
  }
}

/** A port number may stand twice, for TCP and for UDP. */
function tcpPort(service: Resource<Service>, number: number): ServicePort | undefined {
  return service.object.spec.ports?.find((port) => port.port === number && port.protocol === 'TCP')
}

function missingPort(service: Resource<Service>, number: number): string {
  const { ports = [] } = service.object.spec
  const has = ports.map((port) => `${port.port}/${port.protocol}`).join(', ')
  return `${displayKey(service.key)} has no TCP port ${number}; it has ${has || 'no ports'}.`
}

function externalEndpoints(
  context: TranslateContext,
  service: Resource<Service>,
  number: number,
): readonly AnyEndpoint[] {
  const { externalName = '' } = service.object.spec
  const place = { resource: service, path: ['spec', 'externalName'] }
  context.diagnostics.report(service, {
    severity: 'warning',
    code: 'portability',
    path: ['spec', 'type'],
    message:
      'ExternalName works here, but many implementations in a cluster refuse it as a backend (CVE-2021-25740).',
  })
  return canonicalAddress(externalName) === undefined
    ? nameEndpoint(context, place, externalName, number)
    : addressEndpoint(context, place, externalName, number)
}

function serviceEndpoints(
  context: TranslateContext,
  service: Resource<Service>,
  port: ServicePort,
): readonly AnyEndpoint[] {
  const { endpoints, reason } = findEndpoints(context, service, port)
  if (reason !== undefined) {
    context.diagnostics.report(service, {
      severity: 'warning',
      code: 'reference',
      path: [],
      message: `${displayKey(service.key)} has no endpoints for port ${port.port}: ${reason}; requests get 503, connections are closed.`,
    })
  }
  return endpoints
}
