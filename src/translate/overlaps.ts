/**
 * OverlappingTLSConfig (digest section 2.6, GEP-3567): HTTPS and TLS listeners one of whose names
 * another listener on the same socket has too, so that a client may reuse a connection across them.
 */
import type { ListenerKey } from '../model/identity.ts'
import { displayListener, isOfListenerSet, type OwnListener } from './listeners.ts'
import type { Problem } from './problem.ts'

export type Overlaps = ReadonlyMap<ListenerKey, Problem<'OverlappingHostnames'>>

/** The message names the first listener, in the order given, that overlaps. */
export function findOverlaps(listeners: readonly OwnListener[]): Overlaps {
  const tls = listeners.filter(({ protocol }) => protocol?.ingress === 'tls')
  const order = new Map(tls.map((listener, index) => [listener, index]))
  const partners = new Map<OwnListener, OwnListener>()
  const note = (listener: OwnListener, other: OwnListener): void => {
    const known = partners.get(listener)
    if (known === undefined || (order.get(other) ?? 0) < (order.get(known) ?? 0)) {
      partners.set(listener, other)
    }
  }
  for (const onPort of Map.groupBy(tls, ({ spec }) => spec.port).values()) {
    for (const [broader, narrower] of overlappingPairs(onPort)) {
      note(broader, narrower)
      note(narrower, broader)
    }
  }
  return new Map([...partners].map(([listener, other]) => [listener.key, problem(listener, other)]))
}

function problem(listener: OwnListener, other: OwnListener): Problem<'OverlappingHostnames'> {
  const whose = isOfListenerSet(listener) ? 'another listener' : displayListener(other)
  const message = `The hostname overlaps that of ${whose}: a client that reuses a connection for a name of another listener is answered 421.`
  return { reason: 'OverlappingHostnames', message }
}

/** Patterns nest or are disjoint: one of two that overlap is among those that cover the other. */
function* overlappingPairs(
  listeners: readonly OwnListener[],
): Generator<readonly [broader: OwnListener, narrower: OwnListener]> {
  const byHostname = Map.groupBy(listeners, ({ hostname }) => hostname)
  for (const narrower of listeners) {
    for (const pattern of coveringPatterns(narrower.hostname)) {
      for (const broader of byHostname.get(pattern) ?? []) {
        if (broader !== narrower && meet(broader, narrower)) yield [broader, narrower]
      }
    }
  }
}

/** `a.b.c`: itself, `*.b.c`, `*.c` and ''. */
function* coveringPatterns(hostname: string): Generator<string> {
  if (hostname !== '') yield hostname
  const from = hostname.startsWith('*.') ? 2 : 0
  for (let dot = hostname.indexOf('.', from); dot !== -1; dot = hostname.indexOf('.', dot + 1)) {
    yield `*${hostname.slice(dot)}`
  }
  yield ''
}

function meet(a: OwnListener, b: OwnListener): boolean {
  if (a.gateway === b.gateway) return true
  return a.gateway.bindAddresses.some((address) => b.gateway.bindAddresses.includes(address))
}
