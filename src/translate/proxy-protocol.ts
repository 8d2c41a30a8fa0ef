/**
 * PROXY protocol as the manifests ask for it, by annotation, since the Gateway API has no field for
 * it: what a Gateway takes from trusted peers, and what a backend is sent (docs/proxy-protocol.md).
 */
import type { Gateway } from '../api/gateway.ts'
import type { Resource } from '../api/resource.ts'
import { displayKey, type ResourceKey } from '../model/resource-key.ts'
import type { BindPart } from '../model/snapshot.ts'
import type { UpstreamPart } from '../model/upstream.ts'
import { type BackendUse, type Resolution, unresolved } from './backends/resolution.ts'
import type { TranslateContext } from './context.ts'
import type { Problem } from './problem.ts'

export const ACCEPT_PROXY_PROTOCOL = 'gwproxy.dev/accept-proxy-protocol'
export const SEND_PROXY_PROTOCOL = 'gwproxy.dev/send-proxy-protocol'

type Mode = NonNullable<BindPart['proxyProtocol']>
type Version = NonNullable<UpstreamPart['proxyProtocol']>

export type AcceptedProxyProtocol =
  | { readonly kind: 'mode'; readonly mode: Mode | undefined }
  /** Nothing of the Gateway is served: a guess could believe a stranger, or refuse everybody. */
  | { readonly kind: 'problem'; readonly problem: Problem<'Invalid'> }

const MODES: ReadonlyMap<string, Mode | undefined> = new Map([
  ['off', undefined],
  ['optional', 'optional'],
  ['required', 'required'],
] as const)

/** What the listeners of a Gateway, and of its ListenerSets, take. */
export function acceptedProxyProtocol(
  context: TranslateContext,
  gateway: Resource<Gateway>,
): AcceptedProxyProtocol {
  const value = gateway.object.metadata.annotations?.[ACCEPT_PROXY_PROTOCOL] ?? 'off'
  if (MODES.has(value)) return { kind: 'mode', mode: MODES.get(value) }
  const message = `the annotation ${ACCEPT_PROXY_PROTOCOL} is ${JSON.stringify(value)}; write off, optional or required.`
  report(context, gateway, ACCEPT_PROXY_PROTOCOL, message)
  return { kind: 'problem', problem: { reason: 'Invalid', message } }
}

const VERSIONS: ReadonlyMap<string, Version> = new Map([
  ['v1', 'v1'],
  ['v2', 'v2'],
] as const)

/** Adds what the backend object asks for; what cannot be sent is refused, never left out. */
export function withProxyProtocol(
  context: TranslateContext,
  key: ResourceKey,
  use: BackendUse,
  resolution: Resolution,
): Resolution {
  const backend = context.resources.find(key)
  const value = backend?.object.metadata.annotations?.[SEND_PROXY_PROTOCOL]
  if (resolution.kind !== 'upstream' || backend === undefined || value === undefined) {
    return resolution
  }
  const refuse = (why: string): Resolution => {
    const message = `${displayKey(key)} cannot be used: its annotation ${SEND_PROXY_PROTOCOL} ${why}.`
    report(context, backend, SEND_PROXY_PROTOCOL, message)
    return unresolved('UnsupportedProtocol', message)
  }
  const version = VERSIONS.get(value)
  if (version === undefined) return refuse(`is ${JSON.stringify(value)}; write v1 or v2`)
  if (use === 'udp') return refuse('is for connections, not for datagrams')
  if (resolution.upstream.protocol === 'h2c') {
    return refuse('does not go together with HTTP/2, whose connections many clients share')
  }
  return { kind: 'upstream', upstream: { ...resolution.upstream, proxyProtocol: version } }
}

function report(
  context: TranslateContext,
  resource: Resource<unknown>,
  annotation: string,
  message: string,
): void {
  const path = ['metadata', 'annotations', annotation]
  context.diagnostics.report(resource, { severity: 'error', code: 'unsupported', path, message })
}
