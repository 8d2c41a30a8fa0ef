/**
 * What outlives reloads between a listener and its connections: a cell per ingress, address, port,
 * listener and trust domain. A connection holds the cell, never a runtime. When the listener or the
 * domain goes, the cell is retired and its connections are drained (DESIGN's reload table).
 */
import type { Digest } from '../base/brand.ts'
import type { ListenerKey } from '../model/identity.ts'
import type { HttpSlot, HttpView } from './http/contract.ts'

/** A connection as its slot sees it. */
export interface SlotMember {
  /** The slot was retired: finish, or be cut after the drain deadline. */
  onRetired(): void
}

export class ChainSlot implements HttpSlot {
  readonly listener: ListenerKey
  /** Trust domain of a terminating chain. */
  readonly domain: Digest | undefined
  /** Refilled by every reload. */
  view: HttpView | undefined
  readonly #members = new Set<SlotMember>()
  readonly #callbacks = new Set<() => void>()

  constructor(listener: ListenerKey, domain: Digest | undefined) {
    this.listener = listener
    this.domain = domain
  }

  join(member: SlotMember): void {
    this.#members.add(member)
  }

  leave(member: SlotMember): void {
    this.#members.delete(member)
  }

  onRetired(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  /** The listener is gone or its trust domain changed. */
  retire(): void {
    this.view = undefined
    for (const callback of [...this.#callbacks]) callback()
    this.#callbacks.clear()
    for (const member of [...this.#members]) member.onRetired()
  }
}
