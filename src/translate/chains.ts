/**
 * From listeners and their routes to the chains of one chain table. SNI first picks the listener,
 * then the route (listener isolation, digest section 2.5): flattened into one lookup, a chain is
 * dropped where a more specific listener owns its name.
 */
import type { Digest } from '../base/brand.ts'
import { digestOf } from '../base/digest.ts'
import { MappedList, windowOf } from '../base/lists.ts'
import { compareSpecificity, HostTable } from '../match/hostname.ts'
import type {
  Chain,
  ChainAction,
  ChainTable,
  HttpListener,
  ResetAction,
  TcpForwardAction,
  TlsTerminateAction,
  UdpForwardAction,
} from '../model/snapshot.ts'
import type { BackendUse } from './backends.ts'
import { terminatesTls } from './listeners.ts'
import type { ListenerVerdict } from './listener-verdicts.ts'
import type { AttachedRoute } from './routes/attached.ts'
import { type L4RouteKind, type RouteOutcome, useOf } from './routes/collect.ts'
import type { Forward } from './routes/l4-route.ts'

/** A listener with everything that its chains are made of. */
export interface Member {
  readonly verdict: ListenerVerdict
  /** Accepted routes, oldest first within a kind. */
  readonly routes: readonly AttachedRoute[]
  /** Digest of its RouteTablePart, for HTTP and HTTPS listeners that serve. */
  readonly routeTable?: Digest
}

export function serves({ notServed }: ListenerVerdict): boolean {
  return notServed === undefined
}

/**
 * What one chain table is for, kept from pass to pass: members have one ingress in common; those that
 * serve differ in hostname.
 */
export class TableOfChains {
  readonly #localAddresses: readonly string[]
  /** Where the owners of the names stand among all members, those of the most specific names first. */
  readonly #places: readonly number[]
  readonly #ingress: Ingress | undefined
  readonly #listeners = new MappedList(toHttpListener)
  #owners: readonly Member[] = []
  #table: ChainTable | undefined

  /** `places`: those of the table's listeners among `verdicts`. */
  constructor(
    localAddresses: readonly string[],
    places: readonly number[],
    verdicts: readonly ListenerVerdict[],
  ) {
    this.#localAddresses = localAddresses
    this.#places = oneOwnerPerHostname(places, verdicts)
    const broadest = this.#places.at(-1)
    const { protocol } = (broadest === undefined ? undefined : verdicts[broadest])?.listener ?? {}
    this.#ingress = protocol?.ingress
  }

  /** The same table as long as its members are. */
  next(members: readonly Member[]): ChainTable {
    const before = this.#owners
    const owners = this.#places.flatMap((place) => members[place] ?? [])
    const { start, removed, inserted } = windowOf(before, owners)
    if (this.#table !== undefined && removed + inserted === 0) return this.#table
    this.#owners = owners
    const changed = [
      ...before.slice(start, start + removed),
      ...owners.slice(start, start + inserted),
    ]
    this.#table = this.#build(owners, changed)
    return this.#table
  }

  #build(owners: readonly Member[], changed: readonly Member[]): ChainTable {
    const localAddresses = this.#localAddresses
    const broadest = owners.at(-1)
    if (broadest === undefined) return { localAddresses, chains: [], listeners: [] }
    switch (this.#ingress) {
      case 'tls': {
        // Chains of HTTPS lead to HTTP whatever the routes.
        const known = changed.every(isHttps) ? this.#table?.chains : undefined
        const listeners = this.#listeners.next(owners)
        return { localAddresses, chains: known ?? tlsChains(owners), listeners }
      }
      case 'http': {
        const chains = [chainOf(broadest, '', { kind: 'http' })]
        return { localAddresses, chains, listeners: this.#listeners.next(owners) }
      }
      case 'tcp': {
        const chains = [chainOf(broadest, '', tcpAction(broadest.routes, 'tcp'))]
        return { localAddresses, chains, listeners: [] }
      }
      case 'udp':
        return {
          localAddresses,
          chains: [chainOf(broadest, '', udpAction(broadest.routes))],
          listeners: [],
        }
      case undefined:
        return { localAddresses, chains: [], listeners: [] }
    }
  }
}

type Ingress = NonNullable<ListenerVerdict['listener']['protocol']>['ingress']

function isHttps({ verdict }: Member): boolean {
  return verdict.listener.protocol?.family === 'HTTPS'
}

/** Most specific first. A listener that does not serve holds its name unless another serves it. */
function oneOwnerPerHostname(
  places: readonly number[],
  verdicts: readonly ListenerVerdict[],
): readonly number[] {
  const owners = new Map<string, { readonly place: number; readonly verdict: ListenerVerdict }>()
  for (const place of places) {
    const verdict = verdicts[place]
    if (verdict === undefined) continue
    const { hostname } = verdict.listener
    const holder = owners.get(hostname)
    if (holder === undefined || (!serves(holder.verdict) && serves(verdict))) {
      owners.set(hostname, { place, verdict })
    }
  }
  return [...owners].sort(([a], [b]) => compareSpecificity(a, b)).map(([, { place }]) => place)
}

function tlsChains(owners: readonly Member[]): readonly Chain[] {
  const ownerOf = new HostTable(owners.map((owner) => [hostnameOf(owner), owner] as const))
  return owners
    .flatMap((owner) =>
      [...tlsActions(owner)]
        .filter(([hostname]) => ownerOf.lookup(hostname === '' ? undefined : hostname) === owner)
        .map(([hostname, action]) => chainOf(owner, hostname, action)),
    )
    .sort((a, b) => compareSpecificity(a.hostname, b.hostname))
}

function hostnameOf({ verdict }: Member): string {
  return verdict.listener.hostname
}

function chainOf(owner: Member, hostname: string, action: ChainAction): Chain {
  return { hostname, listener: owner.verdict.listener.key, action }
}

function toHttpListener({ verdict: { listener }, routeTable }: Member): HttpListener {
  const { key, hostname } = listener
  return { hostname, listener: key, ...(routeTable === undefined ? {} : { routes: routeTable }) }
}

/** What each name leads to; the listener's own hostname is always among them. */
function tlsActions(member: Member): ReadonlyMap<string, ChainAction> {
  const { verdict } = member
  const { listener } = verdict
  if (!serves(verdict)) return new Map([[listener.hostname, refusedAction(verdict)]])
  if (listener.protocol?.family === 'HTTPS') {
    return new Map([[listener.hostname, terminate(verdict, { kind: 'http' })]])
  }
  const actions = new Map<string, ChainAction>()
  for (const { hostname, outcome } of tlsClaims(member.routes)) {
    if (!actions.has(hostname)) actions.set(hostname, tlsRouteAction(verdict, outcome))
  }
  if (!actions.has(listener.hostname)) {
    actions.set(listener.hostname, fallbackAction(verdict, member.routes))
  }
  return actions
}

type L4Outcome = RouteOutcome & { readonly kind: L4RouteKind }

/** Which TLSRoute claims which name, best first: the more specific own hostname, then the oldest. */
function tlsClaims(
  routes: readonly AttachedRoute[],
): readonly { readonly hostname: string; readonly outcome: L4Outcome }[] {
  return routes
    .flatMap(({ outcome, hostnames }) =>
      outcome.kind === 'TLSRoute'
        ? hostnames.map(({ hostname, own }) => ({ hostname, own, outcome }))
        : [],
    )
    .sort((a, b) => compareSpecificity(a.own, b.own))
}

function tlsRouteAction(verdict: ListenerVerdict, outcome: L4Outcome): ChainAction {
  const { mode } = verdict.listener
  const forward = outcome.forwards.get(useOf(outcome.kind, terminatesTls(verdict.listener)))
  const reset = resetInstead(forward)
  if (forward === undefined || reset !== undefined)
    return reset ?? { kind: 'reset', reason: 'no-route' }
  return mode === 'Passthrough'
    ? { kind: 'tls-passthrough', ...forward }
    : terminate(verdict, { kind: 'tcp-forward', ...forward })
}

/** Names that no TLSRoute claims: the oldest TCPRoute on Terminate (digest section 2.3), else none. */
function fallbackAction(verdict: ListenerVerdict, routes: readonly AttachedRoute[]): ChainAction {
  const action = tcpAction(routes, 'decrypted')
  return action.kind === 'reset' ? action : terminate(verdict, action)
}

/** The oldest TCPRoute alone carries traffic (digest section 7). */
function tcpAction(
  routes: readonly AttachedRoute[],
  use: 'tcp' | 'decrypted',
): TcpForwardAction | ResetAction {
  const forward = oldestForward(routes, 'TCPRoute', use)
  return forward.kind === 'reset' ? forward : { ...forward, kind: 'tcp-forward' }
}

/** The oldest UDPRoute alone carries traffic; a reset drops the datagrams (digest sections 3.3, 7). */
function udpAction(routes: readonly AttachedRoute[]): UdpForwardAction | ResetAction {
  const forward = oldestForward(routes, 'UDPRoute', 'udp')
  return forward.kind === 'reset' ? forward : { ...forward, kind: 'udp-forward' }
}

function oldestForward(
  routes: readonly AttachedRoute[],
  kind: L4RouteKind,
  use: BackendUse,
): (Forward & { readonly kind: 'forward' }) | ResetAction {
  const oldest = routes.map(({ outcome }) => outcome).find((outcome) => outcome.kind === kind)
  const forward =
    oldest !== undefined && 'forwards' in oldest ? oldest.forwards.get(use) : undefined
  const reset = resetInstead(forward)
  if (forward === undefined || reset !== undefined)
    return reset ?? { kind: 'reset', reason: 'no-route' }
  return { kind: 'forward', ...forward }
}

/**
 * A route none of whose weight leads to a valid backend: refused before a handshake is answered, as
 * the specification wants the connection closed without a TLS alert (digest section 7).
 */
function resetInstead(forward: Forward | undefined): ResetAction | undefined {
  if (forward === undefined) return undefined
  const isHopeless = forward.backends.every(
    ({ weight, target }) => weight === 0 || target.kind === 'invalid',
  )
  return isHopeless ? { kind: 'reset', reason: 'invalid-backend', route: forward.route } : undefined
}

function terminate(
  { listener, certificates, clientAuth }: ListenerVerdict,
  then: TlsTerminateAction['then'],
): TlsTerminateAction {
  return {
    kind: 'tls-terminate',
    domain: { id: digestOf([listener.key, clientAuth]), clientAuth },
    certificates,
    alpn: listener.protocol?.alpn ?? [],
    then,
  }
}

/** Holds the names of a listener that cannot serve, so that no broader one takes them over. */
function refusedAction({ listener, certificates }: ListenerVerdict): ResetAction {
  const lacksCertificate = listener.mode === 'Terminate' && certificates.length === 0
  return { kind: 'reset', reason: lacksCertificate ? 'no-certificate' : 'no-route' }
}
