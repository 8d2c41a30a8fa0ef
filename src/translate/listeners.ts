/**
 * Listeners as the rest of the translation sees them: protocol resolved, hostname normalised,
 * allowed kinds computed (digest sections 2.2 and 2.3). Immutable; verdicts are kept beside them.
 */
import type { Gateway } from '../api/gateway.ts'
import type { ListenerSet } from '../api/listener-set.ts'
import type { Listener } from '../api/listener.ts'
import type { Resource } from '../api/resource.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import { displayKey } from '../model/resource-key.ts'
import type { ListenerKey } from '../model/identity.ts'
import type { TranslateContext } from './context.ts'
import { neverMatches } from './futile-hostnames.ts'
import type { OwnGateway } from './gateways.ts'
import type { OwnListenerSet } from './listener-sets.ts'
import { selectorProblem } from './namespaces.ts'
import type { Problem } from './problem.ts'
import {
  GATEWAY_GROUP,
  PROTOCOL_NAMES,
  type Protocol,
  protocolOf,
  ROUTE_KIND_SUPPORTED,
  type RouteKind,
} from './protocols.ts'

/** A listener of one of our Gateways, or of a ListenerSet that one takes. */
export interface OwnListener {
  readonly key: ListenerKey
  readonly gateway: OwnGateway
  /** The object that has it in its spec: namespaces and grants are those of this one. */
  readonly owner: Resource<Gateway | ListenerSet>
  readonly path: DocumentPath
  readonly spec: Listener
  /** undefined: not supported. */
  readonly protocol: Protocol | undefined
  /** As Chain.hostname: '' when the listener names none. */
  readonly hostname: string
  readonly mode: 'Terminate' | 'Passthrough'
  readonly supportedKinds: readonly RouteKind[]
  readonly kindsProblem?: Problem<'InvalidRouteKinds'>
}

/** In order of precedence: by Gateway, its own first, then its sets'; each in the order of the spec. */
export function ownListeners(
  context: TranslateContext,
  gateways: readonly OwnGateway[],
  sets: readonly OwnListenerSet[],
): readonly OwnListener[] {
  const allowed = sets.filter(({ notAllowed }) => notAllowed === undefined)
  const byGateway = Map.groupBy(allowed, ({ gateway }) => gateway)
  return gateways.flatMap((gateway) =>
    [gateway, ...(byGateway.get(gateway) ?? [])].flatMap(({ resource }) =>
      resource.object.spec.listeners.map((spec, index) =>
        toListener(context, gateway, resource, spec, index),
      ),
    ),
  )
}

export function isOfListenerSet({ owner }: Pick<OwnListener, 'owner'>): boolean {
  return owner.key.kind === 'ListenerSet'
}

/** Whether a listener ends TLS itself. */
export function terminatesTls({ protocol, mode }: OwnListener): boolean {
  return protocol?.ingress === 'tls' && mode === 'Terminate'
}

/** TCP and UDP on one port number are two ports; an unknown protocol counts as TCP. */
export function transportOf({ protocol }: OwnListener): 'tcp' | 'udp' {
  return protocol?.ingress === 'udp' ? 'udp' : 'tcp'
}

/** `udp 53`: which listeners compete for a socket, as a Map key. */
export function portOf(listener: OwnListener): string {
  return `${transportOf(listener)} ${listener.spec.port}`
}

/** `Gateway default/web, listener https`: for messages about another listener. */
export function displayListener(listener: OwnListener): string {
  return `${displayKey(listener.owner.key)}, listener ${listener.spec.name}`
}

function toListener(
  context: TranslateContext,
  gateway: OwnGateway,
  owner: OwnListener['owner'],
  spec: Listener,
  index: number,
): OwnListener {
  const { kind, namespace, name } = owner.key
  const protocol = protocolOf(spec.protocol)
  const path: DocumentPath = ['spec', 'listeners', index]
  const mode = spec.tls?.mode ?? 'Terminate'
  const listener = {
    key: `${kind}/${namespace}/${name}/${spec.name}` as ListenerKey,
    gateway,
    owner,
    path,
    spec,
    protocol,
    hostname: spec.hostname?.toLowerCase() ?? '',
    mode,
  }
  if (protocol === undefined) reportUnsupported(context, listener)
  if (spec.protocol === 'GRPC') reportGrpcAlias(context, listener)
  reportSelector(context, listener)
  reportHostname(context, listener)
  reportIdleCertificates(context, listener)
  return { ...listener, ...judgeKinds(context, listener) }
}

/** `allowedRoutes.kinds` narrows what the protocol carries; what it cannot carry is a mistake. */
function judgeKinds(
  context: TranslateContext,
  { protocol, mode, spec, owner, path }: Omit<OwnListener, 'supportedKinds'>,
): Pick<OwnListener, 'supportedKinds' | 'kindsProblem'> {
  const carried = (protocol?.kinds[mode] ?? []).filter((kind) => ROUTE_KIND_SUPPORTED[kind])
  const asked = spec.allowedRoutes.kinds ?? []
  if (asked.length === 0 || protocol === undefined) return { supportedKinds: carried }
  const isCarried = (ref: (typeof asked)[number], kind: RouteKind): boolean =>
    ref.group === GATEWAY_GROUP && ref.kind === kind
  const supportedKinds = carried.filter((kind) => asked.some((ref) => isCarried(ref, kind)))
  const wrong = asked.findIndex((ref) => !carried.some((kind) => isCarried(ref, kind)))
  const ref = asked[wrong]
  if (ref === undefined) return { supportedKinds }
  const message = `allowedRoutes.kinds names ${ref.kind}${groupSuffix(ref.group)}, which a ${describe(spec)} listener does not carry; it carries ${carried.join(' and ') || 'no kind yet'}.`
  const kindPath = [...path, 'allowedRoutes', 'kinds', wrong]
  context.diagnostics.report(owner, {
    severity: 'error',
    code: 'reference',
    path: kindPath,
    message,
  })
  return { supportedKinds, kindsProblem: { reason: 'InvalidRouteKinds', message } }
}

function groupSuffix(group: string): string {
  return group === GATEWAY_GROUP ? '' : ` of group "${group}"`
}

function describe({ protocol, tls }: Listener): string {
  return protocol === 'TLS' ? `TLS ${tls?.mode ?? 'Terminate'}` : protocol
}

export function unsupportedProtocolMessage({ spec }: Pick<OwnListener, 'spec'>): string {
  return `Protocol ${spec.protocol} is not supported; use ${PROTOCOL_NAMES}.`
}

function reportUnsupported(
  context: TranslateContext,
  { owner, path, spec }: Pick<OwnListener, 'owner' | 'path' | 'spec'>,
): void {
  context.diagnostics.report(owner, {
    severity: 'error',
    code: 'unsupported',
    path: [...path, 'protocol'],
    message: unsupportedProtocolMessage({ spec }),
  })
}

function reportSelector(
  context: TranslateContext,
  { owner, path, spec }: Pick<OwnListener, 'owner' | 'path' | 'spec'>,
): void {
  const problem = selectorProblem(spec.allowedRoutes.namespaces)
  if (problem === undefined) return
  context.diagnostics.report(owner, {
    severity: 'error',
    code: 'unsupported',
    path: [...path, 'allowedRoutes', 'namespaces'],
    message: `No namespace is admitted: ${problem}.`,
  })
}

function reportHostname(
  context: TranslateContext,
  { owner, path, hostname }: Pick<OwnListener, 'owner' | 'path' | 'hostname'>,
): void {
  const message = neverMatches(hostname)
  if (message === undefined) return
  context.diagnostics.report(owner, {
    severity: 'warning',
    code: 'attachment',
    path: [...path, 'hostname'],
    message,
  })
}

/** The specification has them ignored: somebody who gives some expects TLS to end here. */
function reportIdleCertificates(
  context: TranslateContext,
  { owner, path, spec, mode }: Pick<OwnListener, 'owner' | 'path' | 'spec' | 'mode'>,
): void {
  const { certificateRefs = [] } = spec.tls ?? {}
  if (mode !== 'Passthrough' || certificateRefs.length === 0) return
  context.diagnostics.report(owner, {
    severity: 'warning',
    code: 'reference',
    path: [...path, 'tls', 'certificateRefs'],
    message: 'Mode Passthrough shows no certificates of the listener: the backend shows its own.',
  })
}

function reportGrpcAlias(
  context: TranslateContext,
  { owner, path }: Pick<OwnListener, 'owner' | 'path'>,
): void {
  context.diagnostics.report(owner, {
    severity: 'warning',
    code: 'portability',
    path: [...path, 'protocol'],
    message: 'Protocol GRPC is an alias from older guides, which other implementations refuse.',
    help: 'Write HTTPS: it carries gRPC too.',
  })
}
