/**
 * What `appProtocol` of a Service's port says about HTTP to it (GEP-1911; digest section 3.3). TLS
 * is never decided here: `https` and `wss` are tolerated, a BackendTLSPolicy alone asks for TLS; where
 * there is none, that is said.
 */
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type { UpstreamProtocol } from '../../model/upstream.ts'
import type { TranslateContext } from '../context.ts'
import { type BackendUse, plainProtocolOf } from './resolution.ts'
import { tcpPort } from './service-port.ts'

const PROTOCOLS: ReadonlyMap<string, UpstreamProtocol> = new Map([
  ['http', 'http/1.1'],
  ['http1', 'http/1.1'],
  ['http/1.1', 'http/1.1'],
  ['https', 'http/1.1'],
  ['ws', 'http/1.1'],
  ['wss', 'http/1.1'],
  ['kubernetes.io/ws', 'http/1.1'],
  ['kubernetes.io/wss', 'http/1.1'],
  ['h2c', 'h2c'],
  ['http2', 'h2c'],
  ['grpc', 'h2c'],
  ['kubernetes.io/h2c', 'h2c'],
])

/**
 * Names are IANA service names or prefixed, compared without case. undefined: not spoken. What is not
 * HTTP to its backend (`use`) has no appProtocol to look at.
 */
export function spokenProtocol(
  appProtocol: string | undefined,
  use: BackendUse,
): UpstreamProtocol | undefined {
  const plain = plainProtocolOf(use)
  if (plain === 'tcp' || plain === 'udp') return plain
  if (appProtocol === undefined || appProtocol === '') return plain
  const name = appProtocol.toLowerCase()
  // A WebSocket port does not take gRPC; any other port that speaks HTTP is taken at the route's word.
  if (use === 'grpc') return PROTOCOLS.has(name) && !WEBSOCKET.test(name) ? plain : undefined
  return PROTOCOLS.get(name)
}

const WEBSOCKET = /(?:^|\/)wss?$/

const OVER_TLS = /(?:^|\/)(?:https|wss)$/

/** A Service that is spoken to in plaintext although its port says otherwise. */
export function warnPlaintext(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
): void {
  const service =
    key.group === '' && key.kind === 'Service'
      ? context.resources.find({ ...key, kind: 'Service' })
      : undefined
  const port = service && tcpPort(service, number)
  if (service === undefined || port?.appProtocol === undefined) return
  if (!OVER_TLS.test(port.appProtocol.toLowerCase())) return
  context.diagnostics.report(service, {
    severity: 'warning',
    code: 'reference',
    path: ['spec', 'ports', service.object.spec.ports?.indexOf(port) ?? 0, 'appProtocol'],
    message: `${displayKey(key)} says ${port.appProtocol} for port ${port.port}, but is spoken to in plaintext: no BackendTLSPolicy names it.`,
    help: 'Add a BackendTLSPolicy: it says which name and whose certificates to expect.',
  })
}
