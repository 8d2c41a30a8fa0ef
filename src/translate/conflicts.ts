/**
 * Which listeners cannot live side by side (digest section 2.1, DESIGN.md decision 6). Inside a
 * Gateway nobody wins; between Gateways the holder keeps serving, and at a cold start age decides
 * who holds. Also OverlappingTLSConfig (digest section 2.6).
 */
import type { ListenerKey } from '../model/snapshot.ts'
import { isWildcard, sharesSocket } from './addresses.ts'
import { displayListener, hostnamesOverlap, type OwnListener } from './listeners.ts'
import type { Problem } from './problem.ts'

export interface ListenerConflict {
  /** Conflicted=True with this reason. Absent for PortUnavailable. */
  readonly conflicted?: Problem<'HostnameConflict' | 'ProtocolConflict'>
  /** Accepted=False with this reason. */
  readonly accepted: Problem<'HostnameConflict' | 'ProtocolConflict' | 'PortUnavailable'>
  /** For the diagnostic: the field that clashes. */
  readonly field: 'port' | 'hostname'
}

export type Conflicts = ReadonlyMap<ListenerKey, ListenerConflict>

/** `listeners` in age order of their Gateways. */
export function findConflicts(listeners: readonly OwnListener[]): Conflicts {
  const conflicts = new Map<ListenerKey, ListenerConflict>()
  for (const listener of listeners) {
    const conflict = conflictInside(listener, listeners)
    if (conflict !== undefined) conflicts.set(listener.key, conflict)
  }
  const holders: OwnListener[] = []
  for (const listener of listeners) {
    if (listener.protocol === undefined || conflicts.has(listener.key)) continue
    const conflict = conflictBetween(listener, holders)
    if (conflict === undefined) holders.push(listener)
    else conflicts.set(listener.key, conflict)
  }
  return conflicts
}

/** HTTPS and TLS listeners whose names overlap another's on a socket that they share. */
export function findOverlaps(
  listeners: readonly OwnListener[],
): ReadonlyMap<ListenerKey, Problem<'OverlappingHostnames'>> {
  const tls = listeners.filter(({ protocol }) => protocol?.ingress === 'tls')
  const overlaps = new Map<ListenerKey, Problem<'OverlappingHostnames'>>()
  for (const listener of tls) {
    const other = tls.find(
      (candidate) =>
        candidate !== listener &&
        candidate.spec.port === listener.spec.port &&
        hostnamesOverlap(candidate, listener) &&
        (candidate.gateway === listener.gateway || haveCommonAddress(candidate, listener)),
    )
    if (other === undefined) continue
    overlaps.set(listener.key, {
      reason: 'OverlappingHostnames',
      message: `The hostname overlaps that of ${displayListener(other)}: a client that reuses a connection for a name of another listener is answered 421.`,
    })
  }
  return overlaps
}

/** The first clash in order of the spec, protocols before hostnames. */
function conflictInside(
  listener: OwnListener,
  listeners: readonly OwnListener[],
): ListenerConflict | undefined {
  const { protocol } = listener
  if (protocol === undefined) return undefined
  const siblings = listeners.filter(
    (other) =>
      other !== listener &&
      other.gateway === listener.gateway &&
      other.spec.port === listener.spec.port &&
      other.protocol !== undefined,
  )
  const port = listener.spec.port
  const alien = siblings.find((other) => other.protocol?.ingress !== protocol.ingress)
  if (alien !== undefined) {
    const message = `Protocol ${listener.spec.protocol} cannot share port ${port} with listener ${alien.spec.name} (${alien.spec.protocol}); neither is served.`
    return conflicting({ reason: 'ProtocolConflict', message }, 'port')
  }
  const twin = siblings.find((other) => other.hostname === listener.hostname)
  if (twin === undefined) return undefined
  const message = `Listener ${twin.spec.name} has the same port ${port} and ${describeHostname(listener)}; neither is served.`
  const reason = twin.protocol?.family === protocol.family ? 'HostnameConflict' : 'ProtocolConflict'
  return conflicting({ reason, message }, 'hostname')
}

function conflicting(
  problem: Problem<'HostnameConflict' | 'ProtocolConflict'>,
  field: 'port' | 'hostname',
): ListenerConflict {
  return { conflicted: problem, accepted: problem, field }
}

function conflictBetween(
  listener: OwnListener,
  holders: readonly OwnListener[],
): ListenerConflict | undefined {
  for (const holder of holders) {
    if (holder.gateway === listener.gateway || holder.spec.port !== listener.spec.port) continue
    const obstacle = obstacleTo(listener, holder)
    if (obstacle === undefined) continue
    const message = `Port ${listener.spec.port} is held by ${displayListener(holder)}: ${obstacle.why}.`
    return { accepted: { reason: 'PortUnavailable', message }, field: obstacle.field }
  }
  return undefined
}

interface Obstacle {
  readonly why: string
  readonly field: 'port' | 'hostname'
}

/** Why the two cannot be served by one socket; undefined: they can, or need none in common. */
function obstacleTo(listener: OwnListener, holder: OwnListener): Obstacle | undefined {
  for (const mine of listener.gateway.bindAddresses) {
    for (const theirs of holder.gateway.bindAddresses) {
      const same = mine === theirs
      if (!same && !sharesSocket(mine, theirs)) continue
      if (!same && isWildcard(mine) && isWildcard(theirs)) {
        return { why: `addresses ${mine} and ${theirs} exclude each other`, field: 'port' }
      }
      if (listener.protocol?.ingress !== holder.protocol?.ingress) {
        const why = `protocols ${listener.spec.protocol} and ${holder.spec.protocol} cannot share it`
        return { why, field: 'port' }
      }
      if (same && (listener.hostname === holder.hostname || listener.protocol?.ingress === 'tcp')) {
        return { why: `both listeners have ${describeHostname(listener)}`, field: 'hostname' }
      }
    }
  }
  return undefined
}

function haveCommonAddress(a: OwnListener, b: OwnListener): boolean {
  return a.gateway.bindAddresses.some((address) => b.gateway.bindAddresses.includes(address))
}

function describeHostname({ hostname }: OwnListener): string {
  return hostname === '' ? 'no hostname' : `hostname ${hostname}`
}
