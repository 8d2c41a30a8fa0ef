/**
 * What one pass hands to the next, so that a newcomer never takes away what is held: ports between
 * Gateways (DESIGN.md decision 6) and addresses of the pool (not reused within a run). Without it,
 * at a cold start, age decides.
 */
import { type OwnListener, portOf } from './listeners.ts'

export interface Holdings {
  /** Claims of the accepted listeners. */
  readonly claims: ReadonlySet<string>
  /** Address by `namespace/name` of its Gateway; those of Gateways that are gone stay reserved. */
  readonly poolAddresses: ReadonlyMap<string, string>
}

export function isSameClaims(a: Holdings, b: Holdings): boolean {
  const [mine, theirs] = [a.claims, b.claims]
  return mine === theirs || (mine.size === theirs.size && [...mine].every((one) => theirs.has(one)))
}

export function isSameAddresses(a: Holdings, b: Holdings): boolean {
  const [mine, theirs] = [a.poolAddresses, b.poolAddresses]
  return (
    mine === theirs ||
    (mine.size === theirs.size && [...mine].every(([name, held]) => theirs.get(name) === held))
  )
}

export const NO_HOLDINGS: Holdings = { claims: new Set(), poolAddresses: new Map() }

/** A listener with the place that it holds: one that moves to another port holds nothing there. */
export function claimOf(listener: OwnListener): string {
  const { key, hostname, gateway } = listener
  return JSON.stringify([key, portOf(listener), hostname, gateway.bindAddresses])
}
