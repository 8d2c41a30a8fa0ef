/**
 * The compiler: resources in, sockets and statuses out. Pure and synchronous; a user's mistake is a
 * condition and a diagnostic, never a throw. Reads like the table of contents of the Gateway API.
 */
import type { ResourceSet } from '../api/resource-set.ts'
import type { Digest } from '../base/brand.ts'
import { compareText } from '../base/byte-order.ts'
import { digestOf } from '../base/digest.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { ListenerKey } from '../model/identity.ts'
import { keyText } from '../model/resource-key.ts'
import type { Manifest, Part } from '../model/snapshot.ts'
import type { ObjectStatus, PendingProgrammed } from '../model/status.ts'
import type { KeyMaterial } from '../model/tls.ts'
import { groupByParent } from './attachment.ts'
import { reportOtherParents } from './attachment-findings.ts'
import { planBinds } from './binds.ts'
import { type Member, serves } from './chains.ts'
import { showToForwards, showToRules } from './client-identity.ts'
import { createContext, type TranslateContext } from './context.ts'
import { poolAddressesOf } from './gateway-addresses.ts'
import { ownGatewayClasses } from './gateway-classes.ts'
import { type OwnGateway, ownGateways } from './gateways.ts'
import { claimOf, type Holdings } from './holdings.ts'
import { type OwnListenerSet, ownListenerSets } from './listener-sets.ts'
import { judgeListeners, type ListenerVerdict } from './listener-verdicts.ts'
import { ownListeners } from './listeners.ts'
import type { TranslateOptions } from './options.ts'
import { backendTlsStatuses } from './policies/backend-tls.ts'
import { reachableParts } from './reachable.ts'
import { type AttachedRoute, type AttachedRoutes, attachedByListener } from './routes/attached.ts'
import { collectRoutes } from './routes/collect.ts'
import {
  type AttachedGrpcRoute,
  type AttachedHttpRoute,
  buildRouteTable,
} from './routes/route-table.ts'
import { gatewayStatus } from './status/gateway.ts'
import { gatewayClassStatus } from './status/gateway-class.ts'
import { isAccepted, listenerSetStatus } from './status/listener-set.ts'
import { routeStatus } from './status/route.ts'

export interface Translation {
  /** The generation is the publisher's to count. */
  readonly manifest: Omit<Manifest, 'generation'>
  /** Those that the manifest names. */
  readonly parts: ReadonlyMap<Digest, Part>
  /** The private keys of its certificates, sorted by id. Secrets. */
  readonly keys: readonly KeyMaterial[]
  /** Sorted by identity. Listeners that serve are Programmed=Unknown/Pending. */
  readonly statuses: readonly ObjectStatus[]
  readonly pending: readonly PendingProgrammed[]
  /** Sorted by place. */
  readonly diagnostics: readonly Diagnostic[]
  /** For the options of the next pass. */
  readonly holdings: Holdings
}

export function translate(resources: ResourceSet, options: TranslateOptions): Translation {
  const context = createContext(resources, options)
  const classes = ownGatewayClasses(context)
  const gateways = ownGateways(context, classes)
  const sets = ownListenerSets(context, gateways)
  const listeners = ownListeners(context, gateways, sets)
  const verdicts = judgeListeners(context, listeners)
  const outcomes = collectRoutes(context, groupByParent(listeners, sets))
  const attached = attachedByListener(outcomes)
  const members = verdicts.map((verdict) =>
    toMember(context, verdict, attached.get(verdict.listener.key) ?? []),
  )
  const { binds, pending } = planBinds(members)
  const statuses = [
    ...[...classes.values()].map(gatewayClassStatus),
    ...parentStatuses(gateways, sets, verdicts, attached),
    ...outcomes.flatMap((outcome) => routeStatus(outcome, options.controllerName) ?? []),
    ...backendTlsStatuses(context, outcomes),
  ]
  reportOtherParents(context)
  return {
    ...collectParts(
      context,
      binds.map((bind) => context.parts.add(bind)),
    ),
    statuses: sortedByKey(statuses),
    pending: pending.toSorted(comparePending),
    diagnostics: context.diagnostics.all.toSorted(compareDiagnostics),
    holdings: { claims: claimsOf(verdicts), poolAddresses: poolAddressesOf(context, gateways) },
  }
}

function toMember(
  context: TranslateContext,
  verdict: ListenerVerdict,
  attached: readonly AttachedRoute[],
): Member {
  const { listener } = verdict
  const { identity } = listener.gateway
  const routes = attached.map((route) => showToForwards(context, identity, route))
  const family = listener.protocol?.family
  const member: Member = { verdict, routes }
  if (!serves(member) || (family !== 'HTTP' && family !== 'HTTPS')) return member
  const httpRoutes: AttachedHttpRoute[] = []
  const grpcRoutes: AttachedGrpcRoute[] = []
  for (const { outcome, hostnames } of routes) {
    const { kind, route: resource } = outcome
    if (kind === 'HTTPRoute') {
      const lowered = showToRules(context, identity, outcome.lowered)
      httpRoutes.push({ resource, lowered, hostnames })
    } else if (kind === 'GRPCRoute') {
      const lowered = showToRules(context, identity, outcome.lowered)
      grpcRoutes.push({ resource, lowered, hostnames })
    }
  }
  const { key, spec } = listener
  const input = { listener: key, port: spec.port, routes: httpRoutes, grpcRoutes }
  const table = buildRouteTable(input, (digest, host) => context.parts.put(digest, host))
  return { ...member, routeTable: context.parts.add(table) }
}

function parentStatuses(
  gateways: readonly OwnGateway[],
  sets: readonly OwnListenerSet[],
  verdicts: readonly ListenerVerdict[],
  attached: AttachedRoutes,
): readonly ObjectStatus[] {
  const byOwner = Map.groupBy(verdicts, ({ listener }) => listener.owner.key)
  const verdictsOf = ({ resource }: OwnGateway | OwnListenerSet): readonly ListenerVerdict[] =>
    byOwner.get(resource.key) ?? []
  const attachedRoutes = (key: ListenerKey): number => attached.get(key)?.length ?? 0
  const setsOf = Map.groupBy(sets, ({ gateway }) => gateway)
  return [
    ...gateways.map((gateway) => {
      const own = setsOf.get(gateway)
      const accepted = own?.filter((set) => isAccepted(set, verdictsOf(set))).length
      return gatewayStatus(gateway, verdictsOf(gateway), accepted, attachedRoutes)
    }),
    ...sets.map((set) => listenerSetStatus(set, verdictsOf(set), attachedRoutes)),
  ]
}

function collectParts(
  context: TranslateContext,
  binds: readonly Digest[],
): Pick<Translation, 'manifest' | 'parts' | 'keys'> {
  const parts = reachableParts(binds, context.parts.parts)
  const keyIds = new Set(
    [...parts.values()].flatMap((part) => (part.kind === 'certificate' ? [part.keyId] : [])),
  )
  return {
    manifest: { digest: digestOf(binds), binds, parts: [...parts.keys()] },
    parts,
    keys: [...keyIds].sort(compareText).flatMap((id) => context.parts.keys.get(id) ?? []),
  }
}

function claimsOf(verdicts: readonly ListenerVerdict[]): Holdings['claims'] {
  // A CA that is missing for a while must not open the name to another Gateway.
  const holding = verdicts.filter(
    ({ accepted }) => accepted === undefined || accepted.reason === 'NoValidCACertificate',
  )
  return new Set(holding.map(({ listener }) => claimOf(listener)))
}

/** The texts are made once: there are many more comparisons than statuses. */
function sortedByKey(statuses: readonly ObjectStatus[]): readonly ObjectStatus[] {
  const keyed = statuses.map((status) => ({ text: keyText(status.key), status }))
  return keyed.sort((a, b) => compareText(a.text, b.text)).map(({ status }) => status)
}

function comparePending(a: PendingProgrammed, b: PendingProgrammed): number {
  return compareText(keyText(a.owner), keyText(b.owner)) || compareText(a.listener, b.listener)
}

function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  return (
    compareText(a.origin.file, b.origin.file) ||
    a.origin.line - b.origin.line ||
    a.origin.column - b.origin.column ||
    compareText(a.message, b.message)
  )
}
