/**
 * A Service as an upstream: `ExternalName` is a DNS name and the reference's port (no `ports`
 * needed); every other type takes its endpoints from slices (digest section 3.3, decision 8).
 */
import type { Resource } from '../../api/resource.ts'
import type { Service, ServicePort } from '../../api/service.ts'
import { canonicalAddress } from '../../match/target-address.ts'
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type { TranslateContext } from '../context.ts'
import { addressEndpoint, nameEndpoint } from './addresses.ts'
import { spokenProtocol } from './app-protocol.ts'
import { type AnyEndpoint, findEndpoints } from './endpoints.ts'
import { type BackendUse, type Resolution, unresolved, upstream } from './resolution.ts'
import { resolveUndeclared } from './service-dns.ts'
import { servicePort } from './service-port.ts'

/** `number` is the reference's port. */
export function resolveService(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
  use: BackendUse,
): Resolution {
  if (number === undefined) {
    return unresolved('BackendNotFound', `The reference to ${displayKey(key)} names no port.`)
  }
  const service = context.resources.find({ ...key, kind: 'Service' })
  return service === undefined
    ? resolveUndeclared(context, key, number, use)
    : resolveDeclared(context, service, number, use)
}

function resolveDeclared(
  context: TranslateContext,
  service: Resource<Service>,
  number: number,
  use: BackendUse,
): Resolution {
  if (service.object.spec.sessionAffinity === 'ClientIP') warnAffinity(context, service)
  const transport = use === 'udp' ? 'UDP' : 'TCP'
  const port = servicePort(service, number, transport)
  const isExternal = service.object.spec.type === 'ExternalName'
  if (port === undefined && !isExternal) {
    return unresolved('BackendNotFound', missingPort(service, number, transport))
  }
  const protocol = spokenProtocol(port?.appProtocol, use)
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
  return upstream(service.key, number, protocol, endpoints)
}

function warnAffinity(context: TranslateContext, service: Resource<Service>): void {
  context.diagnostics.report(service, {
    severity: 'warning',
    code: 'unsupported',
    path: ['spec', 'sessionAffinity'],
    message: 'sessionAffinity is not supported: the endpoints take turns, whoever the client is.',
    help: 'Rules of HTTPRoutes and GRPCRoutes have sessionPersistence.',
  })
}

function missingPort(service: Resource<Service>, number: number, transport: 'TCP' | 'UDP'): string {
  const { ports = [] } = service.object.spec
  const has = ports.map((port) => `${port.port}/${port.protocol}`).join(', ')
  return `${displayKey(service.key)} has no ${transport} port ${number}; it has ${has || 'no ports'}.`
}

function externalEndpoints(
  context: TranslateContext,
  service: Resource<Service>,
  number: number,
): readonly AnyEndpoint[] {
  const { externalName = '' } = service.object.spec
  const place = { resource: service, path: ['spec', 'externalName'] }
  context.diagnostics.report(service, {
    severity: 'note',
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
      ...(service.object.spec.selector === undefined ? {} : { help: NO_PODS }),
    })
  }
  return endpoints
}

const NO_PODS =
  'There are no Pods here for spec.selector to find: add an EndpointSlice with their addresses.'
