/**
 * The compiler: resources in, sockets and statuses out. Pure and synchronous; a user's mistake is a
 * condition and a diagnostic, never a throw. Reads like the table of contents of the Gateway API.
 */
import type { ResourceSet } from '../api/resource-set.ts'
import type { Digest } from '../base/brand.ts'
import { compareText } from '../base/byte-order.ts'
import { digestOf } from '../base/digest.ts'
import { MappedList, sameItems } from '../base/lists.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { ListenerKey } from '../model/identity.ts'
import { keyText, type ResourceKey } from '../model/resource-key.ts'
import type { BindPart, Manifest, Part } from '../model/snapshot.ts'
import type { ObjectStatus, PendingProgrammed } from '../model/status.ts'
import type { KeyMaterial } from '../model/tls.ts'
import { groupByParent, type ListenersByParent } from './attachment.ts'
import { Binds, planPending } from './binds.ts'
import { createContext, type PartStore, type TranslateContext } from './context.ts'
import { poolAddressesOf } from './gateway-addresses.ts'
import { ownGatewayClasses } from './gateway-classes.ts'
import { type OwnGateway, ownGateways } from './gateways.ts'
import { claimOf, type Holdings, isSameAddresses, isSameClaims, NO_HOLDINGS } from './holdings.ts'
import { type OwnListenerSet, ownListenerSets } from './listener-sets.ts'
import { judgeListeners, type ListenerVerdict } from './listener-verdicts.ts'
import { ownListeners } from './listeners.ts'
import { Members } from './members.ts'
import type { TranslateOptions } from './options.ts'
import { PassMemory } from './pass-memory.ts'
import { backendTlsStatuses } from './policies/backend-tls.ts'
import { type PartChange, ReachableParts } from './reachable.ts'
import { AttachedRoutes } from './routes/attached.ts'
import { type RouteOutcome, RouteOutcomes } from './routes/collect.ts'
import { gatewayStatus } from './status/gateway.ts'
import { gatewayClassStatus } from './status/gateway-class.ts'
import { isAccepted, listenerSetStatus } from './status/listener-set.ts'
import { routeStatus } from './status/route.ts'

export interface Translation {
  /** The generation is the publisher's to count. */
  readonly manifest: Omit<Manifest, 'generation' | 'parts'>
  /** Those of the manifest. A later translation with the same memory may go on with the same map. */
  readonly parts: ReadonlyMap<Digest, Part>
  /** Since the translation before, if that gave the very same map; else all of it has come. */
  readonly change: PartChange
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
  const memory = options.memory ?? new PassMemory()
  memory.begin(resources)
  const context = createContext(resources, options, memory.parts)
  const parents = parentsOf(context, memory)
  const kept = memory.keep(parents, () => new Kept(parents, context))
  kept.next(context)
  const outcomes = kept.outcomes.all
  const statuses = [
    ...[...parents.classes.values()].map(gatewayClassStatus),
    ...parentStatuses(context, memory, parents, kept.attached),
    ...kept.routeStatuses.next(outcomes).flatMap((status) => status ?? []),
    ...backendTlsStatuses(context, outcomes),
  ]
  const { pending, holdings } = parents
  const { parts, change, keys, binds } = kept
  memory.end(parts.size)
  return {
    manifest: { digest: digestOf(binds), binds },
    parts,
    change,
    keys,
    statuses: memory.sortedByKey(statuses, keyText),
    pending,
    diagnostics: context.diagnostics.all.toSorted(compareDiagnostics),
    holdings,
  }
}

/** What follows from the parents and the routes, and is kept as long as the parents are the same. */
class Kept {
  readonly outcomes: RouteOutcomes
  readonly attached = new AttachedRoutes()
  readonly routeStatuses: MappedList<RouteOutcome, ObjectStatus | undefined>
  readonly #members: Members
  readonly #binds: Binds
  readonly #bindDigests: MappedList<BindPart, Digest>
  readonly #reachable = new ReachableParts()
  binds: readonly Digest[] = []
  change: PartChange = { come: [], gone: [] }
  keys: readonly KeyMaterial[] = []

  constructor({ byName, verdicts }: Parents, { options, parts }: TranslateContext) {
    const { controllerName } = options
    this.routeStatuses = new MappedList((outcome) => routeStatus(outcome, controllerName))
    this.outcomes = new RouteOutcomes(byName)
    this.#members = new Members(verdicts)
    this.#binds = new Binds(verdicts)
    this.#bindDigests = new MappedList((bind) => parts.add(bind))
  }

  get parts(): ReadonlyMap<Digest, Part> {
    return this.#reachable.all
  }

  next(context: TranslateContext): void {
    const { parts } = context
    const changed = this.attached.next(this.outcomes.next(context))
    const members = this.#members.next(context, this.attached, changed)
    this.binds = this.#bindDigests.next(this.#binds.next(members))
    this.change = this.#reachable.next(this.binds, (digest) => parts.get(digest))
    for (const [digest, part] of this.change.gone) if (!isRemembered(part)) parts.drop(digest)
    if (hasCertificate(this.change.come) || hasCertificate(this.change.gone)) {
      this.keys = keysOf(this.parts.values(), parts)
    }
  }
}

/** What was made of a route or listener knows these by their digests; the others are added again. */
function isRemembered({ kind }: Part): boolean {
  return kind === 'upstream' || kind === 'certificate'
}

function hasCertificate(changed: PartChange['come']): boolean {
  return changed.some(([, { kind }]) => kind === 'certificate')
}

function keysOf(all: Iterable<Part>, parts: PartStore): readonly KeyMaterial[] {
  const keys = new Map<Digest, KeyMaterial>()
  for (const part of all) {
    const key = part.kind === 'certificate' ? parts.key(part.keyId) : undefined
    if (key !== undefined) keys.set(key.keyId, key)
  }
  return [...keys.values()]
}

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

function parentStatuses(
  context: TranslateContext,
  memory: PassMemory,
  { gateways, sets, verdictsOf, setsOf }: Parents,
  attached: AttachedRoutes,
): readonly ObjectStatus[] {
  const attachedRoutes = (key: ListenerKey): number => attached.of(key).length
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
