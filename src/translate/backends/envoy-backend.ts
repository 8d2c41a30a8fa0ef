/**
 * Envoy Gateway's Backend (operations.md section 4): IP, FQDN and unix endpoints with their own
 * ports; its TLS is in own-tls.ts. What it can say beyond that is refused, naming the field.
 */
import type { EnvoyBackend, EnvoyBackendEndpoint } from '../../api/envoy-backend.ts'
import type { Resource } from '../../api/resource.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type { TranslateContext } from '../context.ts'
import { addressEndpoint, nameEndpoint, unixEndpoint } from './addresses.ts'
import type { AnyEndpoint } from './endpoints.ts'
import {
  type BackendUse,
  notDeclared,
  notObeyed,
  plainProtocolOf,
  type Resolution,
  unresolved,
  upstream,
} from './resolution.ts'

/** The endpoints' own ports count: that of the reference is not used. */
export function resolveEnvoyBackend(
  context: TranslateContext,
  key: ResourceKey,
  _: number | undefined,
  use: BackendUse,
): Resolution {
  const backend = context.resources.find({ ...key, kind: 'Backend' })
  if (backend === undefined) return notDeclared(key)
  const unsupported = unsupportedField(backend.object)
  if (unsupported !== undefined) return notObeyed(context, backend, unsupported)
  const { appProtocols = [], endpoints = [] } = backend.object.spec
  const isH2c = appProtocols.includes('gateway.envoyproxy.io/h2c')
  if (use === 'udp' && endpoints.some(({ unix }) => unix !== undefined)) {
    const message = `${displayKey(key)} names a unix socket, which takes no datagrams.`
    return unresolved('UnsupportedProtocol', message)
  }
  const protocol = use === 'http' && isH2c ? 'h2c' : plainProtocolOf(use)
  const found = endpoints.flatMap((endpoint, index) =>
    endpointOf(context, backend, endpoint, ['spec', 'endpoints', index]),
  )
  return upstream(key, undefined, protocol, found)
}

function unsupportedField({ spec }: EnvoyBackend): DocumentPath | undefined {
  if (spec.type !== 'Endpoints') return ['spec', 'type']
  if (spec.fallback === true) return ['spec', 'fallback']
  for (const [index, endpoint] of (spec.endpoints ?? []).entries()) {
    const path = ['spec', 'endpoints', index]
    if (endpoint.zone !== undefined) return [...path, 'zone']
    // Nothing but TLS asks for it.
    if (endpoint.hostname !== undefined && spec.tls === undefined) return [...path, 'hostname']
  }
  return undefined
}

function endpointOf(
  context: TranslateContext,
  backend: Resource<EnvoyBackend>,
  { ip, fqdn, unix }: EnvoyBackendEndpoint,
  path: DocumentPath,
): readonly AnyEndpoint[] {
  if (ip !== undefined) {
    const place = { resource: backend, path: [...path, 'ip', 'address'] }
    return addressEndpoint(context, place, ip.address, ip.port)
  }
  if (fqdn !== undefined) {
    const place = { resource: backend, path: [...path, 'fqdn', 'hostname'] }
    return nameEndpoint(context, place, fqdn.hostname, fqdn.port)
  }
  if (unix === undefined) return []
  return unixEndpoint(context, { resource: backend, path: [...path, 'unix', 'path'] }, unix.path)
}
