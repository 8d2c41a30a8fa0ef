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
import { keyText, type ResourceKey } from '../model/resource-key.ts'
import type { Manifest, Part } from '../model/snapshot.ts'
import type { ObjectStatus, PendingProgrammed } from '../model/status.ts'
import type { KeyMaterial } from '../model/tls.ts'
import { groupByParent, type ListenersByParent } from './attachment.ts'
import { planBinds, planPending } from './binds.ts'
import { type Member, serves } from './chains.ts'
import { showToForwards, showToRules } from './client-identity.ts'
import { createContext, type TranslateContext } from './context.ts'
import { poolAddressesOf } from './gateway-addresses.ts'
import { ownGatewayClasses } from './gateway-classes.ts'
import { type OwnGateway, ownGateways } from './gateways.ts'
import { claimOf, type Holdings, isSameAddresses, isSameClaims, NO_HOLDINGS } from './holdings.ts'
import { type OwnListenerSet, ownListenerSets } from './listener-sets.ts'
import { judgeListeners, type ListenerVerdict } from './listener-verdicts.ts'
import { ownListeners } from './listeners.ts'
import type { TranslateOptions } from './options.ts'
import { PassMemory, sameItems } from './pass-memory.ts'
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
  readonly manifest: Omit<Manifest, 'generation' | 'parts'>
  /** Those of the manifest. */
  readonly parts: ReadonlyMap<Digest, Part>
  /** The private keys of its certificates. Secrets. */
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
  const memory = options.memory ?? new PassMemory()
  memory.begin(resources)
  const parents = parentsOf(context, memory)
  const outcomes = collectRoutes(context, memory, parents.byName)
  const attached = attachedByListener(outcomes)
  const members = parents.verdicts.map((verdict) =>
    memberOf(context, memory, verdict, attached.get(verdict.listener.key) ?? NO_ROUTES),
  )
  const statuses = [
    ...[...parents.classes.values()].map(gatewayClassStatus),
    ...parentStatuses(context, memory, parents, attached),
    ...outcomes.flatMap((outcome) => routeStatus(outcome, options.controllerName) ?? []),
    ...backendTlsStatuses(context, outcomes),
  ]
  const { pending, holdings } = parents
  return {
    ...collectParts(
      context,
      planBinds(members).map((bind) => context.parts.add(bind)),
    ),
    statuses: memory.sortedByKey(statuses, keyText),
    pending,
    diagnostics: context.diagnostics.all.toSorted(compareDiagnostics),
    holdings,
  }
}

const NO_ROUTES: readonly AttachedRoute[] = []

/** All that routes attach to. */
interface Parents {
  readonly classes: ReturnType<typeof ownGatewayClasses>
  readonly gateways: readonly OwnGateway[]
  readonly sets: readonly OwnListenerSet[]
  readonly byName: ListenersByParent
  readonly verdicts: readonly ListenerVerdict[]
  readonly verdictsOf: ReadonlyMap<ResourceKey, readonly ListenerVerdict[]>
  readonly setsOf: ReadonlyMap<OwnGateway, readonly OwnListenerSet[]>
  readonly pending: readonly PendingProgrammed[]
  /** Those before it, which it was made with. */
  readonly held: Holdings
  readonly holdings: Holdings
}

function parentsOf(context: TranslateContext, memory: PassMemory): Parents {
  const { holdings = NO_HOLDINGS } = context.options
  // Claims decide who wins where something is contested: without losers they change nothing.
  const isStill = ({ held, verdicts }: Parents): boolean =>
    isSameAddresses(held, holdings) && (isSameClaims(held, holdings) || !verdicts.some(hasLost))
  return memory.recall(context, PARENTS, judgeParents, isStill)
}

const PARENTS = {}

function hasLost({ accepted }: ListenerVerdict): boolean {
  return accepted?.reason === 'PortUnavailable'
}

function judgeParents(context: TranslateContext): Parents {
  const classes = ownGatewayClasses(context)
  const gateways = ownGateways(context, classes)
  const sets = ownListenerSets(context, gateways)
  const listeners = ownListeners(context, gateways, sets)
  const verdicts = judgeListeners(context, listeners)
  return {
    classes,
    gateways,
    sets,
    byName: groupByParent(listeners, sets),
    verdicts,
    verdictsOf: Map.groupBy(verdicts, ({ listener }) => listener.owner.key),
    setsOf: Map.groupBy(sets, ({ gateway }) => gateway),
    pending: sortedPending(planPending(verdicts)),
    held: context.options.holdings ?? NO_HOLDINGS,
    holdings: { claims: claimsOf(verdicts), poolAddresses: poolAddressesOf(context, gateways) },
  }
}

function memberOf(
  context: TranslateContext,
  memory: PassMemory,
  verdict: ListenerVerdict,
  attached: readonly AttachedRoute[],
): Member {
  const make = (own: TranslateContext): MadeMember => ({
    attached,
    member: toMember(own, verdict, attached),
  })
  return memory.recall(context, verdict, make, (known) => sameItems(known.attached, attached))
    .member
}

interface MadeMember {
  readonly attached: readonly AttachedRoute[]
  readonly member: Member
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
  if (!serves(verdict) || (family !== 'HTTP' && family !== 'HTTPS')) return member
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
  context: TranslateContext,
  memory: PassMemory,
  { gateways, sets, verdictsOf, setsOf }: Parents,
  attached: AttachedRoutes,
): readonly ObjectStatus[] {
  const attachedRoutes = (key: ListenerKey): number => attached.get(key)?.length ?? 0
  const verdictsFor = ({ resource }: OwnGateway | OwnListenerSet): readonly ListenerVerdict[] =>
    verdictsOf.get(resource.key) ?? []
  const statusOf = (
    parent: OwnGateway | OwnListenerSet,
    make: () => ObjectStatus,
  ): ObjectStatus => {
    const counts = verdictsFor(parent).map(({ listener: { key } }) => attachedRoutes(key))
    return memory.recall(
      context,
      parent,
      (): MadeStatus => ({ counts, status: make() }),
      (known) => sameItems(known.counts, counts),
    ).status
  }
  return [
    ...gateways.map((gateway) =>
      statusOf(gateway, () => {
        const own = setsOf.get(gateway)
        const accepted = own?.filter((set) => isAccepted(set, verdictsFor(set))).length
        return gatewayStatus(gateway, verdictsFor(gateway), accepted, attachedRoutes)
      }),
    ),
    ...sets.map((set) =>
      statusOf(set, () => listenerSetStatus(set, verdictsFor(set), attachedRoutes)),
    ),
  ]
}

interface MadeStatus {
  readonly counts: readonly number[]
  readonly status: ObjectStatus
}

function collectParts(
  context: TranslateContext,
  binds: readonly Digest[],
): Pick<Translation, 'manifest' | 'parts' | 'keys'> {
  const parts = reachableParts(binds, (digest) => context.parts.get(digest))
  const keys = new Map<Digest, KeyMaterial>()
  for (const part of parts.values()) {
    const key = part.kind === 'certificate' ? context.parts.key(part.keyId) : undefined
    if (key !== undefined) keys.set(key.keyId, key)
  }
  return {
    manifest: { digest: digestOf(binds), binds },
    parts,
    keys: [...keys.values()],
  }
}

function claimsOf(verdicts: readonly ListenerVerdict[]): Holdings['claims'] {
  // A CA that is missing for a while must not open the name to another Gateway.
  const holding = verdicts.filter(
    ({ accepted }) => accepted === undefined || accepted.reason === 'NoValidCACertificate',
  )
  return new Set(holding.map(({ listener }) => claimOf(listener)))
}

function sortedPending(pending: readonly PendingProgrammed[]): readonly PendingProgrammed[] {
  return pending
    .map((one) => ({ owner: keyText(one.owner), one }))
    .sort((a, b) => compareText(a.owner, b.owner) || compareText(a.one.listener, b.one.listener))
    .map(({ one }) => one)
}

function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  return (
    compareText(a.origin.file, b.origin.file) ||
    a.origin.line - b.origin.line ||
    a.origin.column - b.origin.column ||
    compareText(a.message, b.message)
  )
}
