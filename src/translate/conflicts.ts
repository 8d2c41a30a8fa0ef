/**
 * Which listeners cannot live side by side (digest sections 2.1 and 8, DESIGN.md decision 6). Inside
 * one object nobody wins; between a Gateway and its ListenerSets the first in precedence does;
 * between Gateways the holder keeps serving, and at a cold start age decides who holds.
 */
import type { ListenerKey } from '../model/identity.ts'
import { isWildcard, sharesSocket } from './addresses.ts'
import { claimOf } from './holdings.ts'
import {
  displayListener,
  isOfListenerSet,
  type OwnListener,
  portOf,
  transportOf,
} from './listeners.ts'
import type { Problem } from './problem.ts'
import { ACCEPT_PROXY_PROTOCOL } from './proxy-protocol.ts'

export interface ListenerConflict {
  /** Conflicted=True with this reason. Absent for PortUnavailable. */
  readonly conflicted?: Problem<'HostnameConflict' | 'ProtocolConflict'>
  /** Accepted=False with this reason. */
  readonly accepted: Problem<'HostnameConflict' | 'ProtocolConflict' | 'PortUnavailable'>
  /** For the diagnostic: the field that clashes. */
  readonly field: 'port' | 'hostname'
}

export type Conflicts = ReadonlyMap<ListenerKey, ListenerConflict>

/** `listeners` in order of precedence, Gateways by age; those with a claim of the last pass hold first. */
export function findConflicts(
  listeners: readonly OwnListener[],
  claims: ReadonlySet<string>,
): Conflicts {
  const supported = listeners.filter(({ protocol }) => protocol !== undefined)
  const conflicts = new Map<ListenerKey, ListenerConflict>()
  for (const ofGateway of Map.groupBy(supported, ({ gateway }) => gateway).values()) {
    for (const [{ key }, conflict] of judgeGateway(ofGateway)) conflicts.set(key, conflict)
  }
  const sound = supported.filter(({ key }) => !conflicts.has(key))
  const isHeld = new Map(sound.map((listener) => [listener, claims.has(claimOf(listener))]))
  const holders = new Holders()
  for (const listener of sound.sort((a, b) => Number(isHeld.get(b)) - Number(isHeld.get(a)))) {
    const conflict = holders.conflictWith(listener)
    if (conflict === undefined) holders.add(listener)
    else conflicts.set(listener.key, conflict)
  }
  return conflicts
}

/**
 * The clashes of one Gateway and its ListenerSets, object by object: what is taken by one before is
 * out first, and takes no sibling with it.
 */
function* judgeGateway(
  listeners: readonly OwnListener[],
): Generator<readonly [OwnListener, ListenerConflict]> {
  const held = new Map<string, Held>()
  for (const own of Map.groupBy(listeners, ({ owner }) => owner).values()) {
    const free: OwnListener[] = []
    for (const listener of own) {
      const conflict = precedenceClash(listener, held.get(portOf(listener)))
      if (conflict === undefined) free.push(listener)
      else yield [listener, conflict]
    }
    for (const [listener, conflict] of judgeInside(free)) {
      if (conflict === undefined) hold(held, portOf(listener), listener)
      else yield [listener, conflict]
    }
  }
}

/** `held`: by objects of higher precedence. */
function precedenceClash(
  listener: OwnListener,
  held: Held | undefined,
): ListenerConflict | undefined {
  if (held === undefined) return undefined
  if (held.first.protocol?.ingress !== listener.protocol?.ingress) {
    return taken(listener, 'ProtocolConflict', 'is used with another protocol')
  }
  const twin = held.byHostname.get(listener.hostname)
  if (twin === undefined) return undefined
  const sameFamily = twin.protocol?.family === listener.protocol?.family
  const reason = sameFamily ? 'HostnameConflict' : 'ProtocolConflict'
  return taken(listener, reason, `with ${describeHostname(listener)} is taken`)
}

function hold(held: Map<string, Held>, place: string, listener: OwnListener): void {
  const known = held.get(place) ?? { first: listener, byHostname: new Map() }
  held.set(place, known)
  known.byHostname.set(listener.hostname, listener)
}

/** Whoever wrote the set learns nothing about the Gateway and other sets. */
function taken(
  { spec }: OwnListener,
  reason: 'HostnameConflict' | 'ProtocolConflict',
  how: string,
): ListenerConflict {
  const message = `Port ${spec.port} ${how} by a listener that has precedence; this one is not served.`
  return conflicting({ reason, message }, reason === 'ProtocolConflict' ? 'port' : 'hostname')
}

/** Each listener of one object, with its clash: protocols before hostnames. */
function judgeInside(
  listeners: readonly OwnListener[],
): readonly (readonly [OwnListener, ListenerConflict | undefined])[] {
  return [...Map.groupBy(listeners, portOf).values()].flatMap((onPort) => {
    const byHostname = Map.groupBy(onPort, ({ hostname }) => hostname)
    return onPort.map((listener) => {
      const twins = byHostname.get(listener.hostname) ?? []
      return [listener, protocolClash(listener, onPort) ?? hostnameClash(listener, twins)] as const
    })
  })
}

function protocolClash(
  listener: OwnListener,
  onPort: readonly OwnListener[],
): ListenerConflict | undefined {
  const { spec, protocol } = listener
  const alien = onPort.find((other) => other.protocol?.ingress !== protocol?.ingress)
  if (alien === undefined) return undefined
  const message = `Protocol ${spec.protocol} cannot share port ${spec.port} with listener ${alien.spec.name} (${alien.spec.protocol}); neither is served.`
  return conflicting({ reason: 'ProtocolConflict', message }, 'port')
}

function hostnameClash(
  listener: OwnListener,
  twins: readonly OwnListener[],
): ListenerConflict | undefined {
  const twin = twins.find((other) => other !== listener)
  if (twin === undefined) return undefined
  const message = `Listener ${twin.spec.name} has the same port ${listener.spec.port} and ${describeHostname(listener)}; neither is served.`
  const sameFamily = twin.protocol?.family === listener.protocol?.family
  return conflicting(
    { reason: sameFamily ? 'HostnameConflict' : 'ProtocolConflict', message },
    'hostname',
  )
}

function conflicting(
  problem: Problem<'HostnameConflict' | 'ProtocolConflict'>,
  field: 'port' | 'hostname',
): ListenerConflict {
  return { conflicted: problem, accepted: problem, field }
}

/** Who holds a port, or one address of it: all have one ingress in common. */
interface Held {
  readonly first: OwnListener
  readonly byHostname: Map<string, OwnListener>
}

/** The listeners that stay. */
class Holders {
  /** By `portOf`, then by address. */
  readonly #ports = new Map<string, Map<string, Held>>()

  add(listener: OwnListener): void {
    const port = portOf(listener)
    const addresses = this.#ports.get(port) ?? new Map<string, Held>()
    this.#ports.set(port, addresses)
    for (const address of listener.gateway.bindAddresses) {
      hold(addresses, address, listener)
    }
  }

  conflictWith(listener: OwnListener): ListenerConflict | undefined {
    const held = this.#ports.get(portOf(listener))
    if (held === undefined) return undefined
    for (const mine of listener.gateway.bindAddresses) {
      for (const [theirs, holders] of held) {
        const conflict = clash(listener, mine, theirs, holders)
        if (conflict !== undefined) return conflict
      }
    }
    return undefined
  }
}

/** Why one socket cannot serve both; undefined: it can, or they need none in common. */
function clash(
  listener: OwnListener,
  mine: string,
  theirs: string,
  { first, byHostname }: Held,
): ListenerConflict | undefined {
  const same = mine === theirs
  if (!same && !sharesSocket(mine, theirs)) return undefined
  // A Gateway that names both wildcards excludes nobody: one socket serves them.
  const namesBoth = listener.gateway.bindAddresses.includes(theirs)
  if (!same && isWildcard(mine) && isWildcard(theirs) && !namesBoth) {
    const why = `addresses ${mine} and ${theirs} exclude each other`
    return unavailable(listener, first, why, 'port')
  }
  if (listener.protocol?.ingress !== first.protocol?.ingress) {
    const why = `protocols ${listener.spec.protocol} and ${first.spec.protocol} cannot share it`
    return unavailable(listener, first, why, 'port')
  }
  const { proxyProtocol = 'off' } = listener.gateway
  const { proxyProtocol: held = 'off' } = first.gateway
  // The header comes before anything that could tell the listeners apart.
  if (transportOf(listener) === 'tcp' && proxyProtocol !== held) {
    const why = `PROXY protocol is ${proxyProtocol} here and ${held} there (annotation ${ACCEPT_PROXY_PROTOCOL})`
    return unavailable(listener, first, why, 'port')
  }
  const twin = same ? byHostname.get(listener.hostname) : undefined
  if (twin === undefined) return undefined
  return unavailable(listener, twin, `both have ${describeHostname(listener)}`, 'hostname')
}

function unavailable(
  listener: OwnListener,
  holder: OwnListener,
  why: string,
  field: 'port' | 'hostname',
): ListenerConflict {
  const who = isOfListenerSet(listener) ? 'another Gateway' : displayListener(holder)
  const message = `Port ${listener.spec.port} is held by ${who}: ${why}.`
  return { accepted: { reason: 'PortUnavailable', message }, field }
}

function describeHostname({ hostname }: OwnListener): string {
  return hostname === '' ? 'no hostname' : `hostname ${hostname}`
}
