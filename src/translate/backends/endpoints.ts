/**
 * The endpoints of a Service's port, from its EndpointSlices and its Endpoints object (digest
 * section 3.3). As kube-proxy does: the Service port's name picks the port of a slice, whose number
 * is the one to connect to. Several sources are merged; the result is sorted and free of doubles,
 * so that the order of files changes no digest.
 */
import type { EndpointSlice } from '../../api/endpoint-slice.ts'
import type { Endpoints } from '../../api/endpoints.ts'
import type { Resource } from '../../api/resource.ts'
import type { Service, ServicePort } from '../../api/service.ts'
import { compareText } from '../../base/byte-order.ts'
import { type Endpoint, endpointText, type NamedEndpoint } from '../../model/upstream.ts'
import type { TranslateContext } from '../context.ts'
import { groupedBy } from '../grouped.ts'
import { addressEndpoint, nameEndpoint, type Place } from './addresses.ts'

export type AnyEndpoint = Endpoint | NamedEndpoint

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

const slicesOf = groupedBy((slice: Resource<EndpointSlice>) => {
  const service = slice.object.metadata.labels?.[SERVICE_NAME_LABEL]
  return service === undefined ? [] : [`${slice.key.namespace}/${service}`]
})

export interface FoundEndpoints {
  readonly endpoints: readonly AnyEndpoint[]
  /** Why there are none. */
  readonly reason?: string
}

export function findEndpoints(
  context: TranslateContext,
  service: Resource<Service>,
  port: ServicePort,
): FoundEndpoints {
  const { namespace, name } = service.key
  const slices = slicesOf(context.resources.endpointSlices, `${namespace}/${name}`)
  const legacy = context.resources.find({ group: '', kind: 'Endpoints', namespace, name })
  const sources = [
    ...slices.map((slice) => fromSlice(context, slice, port)),
    ...(legacy === undefined ? [] : [fromEndpoints(context, legacy, port)]),
  ]
  const endpoints = sortedUnique(sources.flatMap((source) => source ?? []))
  return endpoints.length > 0 ? { endpoints } : { endpoints, reason: whyNone(name, port, sources) }
}

/** undefined: the source has no such port. */
type Source = readonly AnyEndpoint[] | undefined

function whyNone(service: string, port: ServicePort, sources: readonly Source[]): string {
  if (sources.length === 0) {
    return `no EndpointSlice has the label ${SERVICE_NAME_LABEL}: ${service} and there is no Endpoints object ${service} in this namespace`
  }
  if (sources.every((source) => source === undefined)) {
    return `no EndpointSlice of it has a ${port.protocol} port ${port.name === undefined ? 'without name' : `named ${port.name}`}, as the port of the Service has`
  }
  return 'none of its addresses is ready and allowed'
}

function fromSlice(
  context: TranslateContext,
  slice: Resource<EndpointSlice>,
  port: ServicePort,
): Source {
  const { addressType, endpoints, ports } = slice.object
  const number = namedPort(ports, port)
  if (number === undefined) return undefined
  warnProtocols(context, { resource: slice, path: ['ports'] }, ports, port)
  return endpoints.flatMap((endpoint, index) => {
    // `serving` and `terminating` say why an endpoint is not ready; only `ready` counts.
    if (endpoint.conditions?.ready === false) return []
    return endpoint.addresses.flatMap((address, position): readonly AnyEndpoint[] => {
      const place = { resource: slice, path: ['endpoints', index, 'addresses', position] }
      return addressType === 'FQDN'
        ? nameEndpoint(context, place, address, number)
        : addressEndpoint(context, place, address, number)
    })
  })
}

function fromEndpoints(
  context: TranslateContext,
  legacy: Resource<Endpoints>,
  port: ServicePort,
): Source {
  const { subsets = [] } = legacy.object
  const sources = subsets.map((subset, index) => {
    const number = namedPort(subset.ports, port)
    if (number === undefined) return undefined
    warnProtocols(
      context,
      { resource: legacy, path: ['subsets', index, 'ports'] },
      subset.ports,
      port,
    )
    return (subset.addresses ?? []).flatMap(({ ip }, position) => {
      const path = ['subsets', index, 'addresses', position, 'ip']
      return addressEndpoint(context, { resource: legacy, path }, ip, number)
    })
  })
  const known = sources.filter((source) => source !== undefined)
  return known.length === 0 && subsets.length > 0 ? undefined : known.flat()
}

interface PortEntry {
  readonly name?: string
  readonly protocol: string
  readonly port?: number
  readonly appProtocol?: string
}

/** A cluster copies it from the Service; written by hand here alone it would be missed. */
function warnProtocols(
  context: TranslateContext,
  { resource, path }: Place,
  ports: readonly PortEntry[] | undefined,
  port: ServicePort,
): void {
  const index = (ports ?? []).findIndex((entry) => isNamedAs(entry, port))
  const appProtocol = ports?.[index]?.appProtocol
  if (appProtocol === undefined || appProtocol === port.appProtocol) return
  context.diagnostics.report(resource, {
    severity: 'warning',
    code: 'unsupported',
    path: [...path, index, 'appProtocol'],
    message: `appProtocol ${appProtocol} is not looked at here: that of the Service's port counts, ${port.appProtocol ?? 'which has none'}.`,
  })
}

/** undefined: no such port. Without a list of ports the Service's numeric targetPort, or its port, says where to connect. */
function namedPort(ports: readonly PortEntry[] | undefined, port: ServicePort): number | undefined {
  if (ports === undefined || ports.length === 0) {
    const { targetPort = port.port } = port
    return typeof targetPort === 'number' ? targetPort : undefined
  }
  return ports.find((entry) => isNamedAs(entry, port))?.port
}

function isNamedAs({ name = '', protocol }: PortEntry, port: ServicePort): boolean {
  return name === (port.name ?? '') && protocol === port.protocol
}

function sortedUnique(endpoints: readonly AnyEndpoint[]): AnyEndpoint[] {
  const byText = new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint]))
  return [...byText].sort(([a], [b]) => compareText(a, b)).map(([, endpoint]) => endpoint)
}
