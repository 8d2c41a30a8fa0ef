/**
 * What outlives reloads between a listener and its connections: a cell per ingress, address, port,
 * listener and trust domain. A connection holds the cell, never a runtime. When the listener or the
 * domain goes, the cell is retired and its connections are drained (DESIGN's reload table).
 */
import type { Digest } from '../base/brand.ts'
import { type Linked, LinkedList } from '../base/linked-list.ts'
import type { ListenerKey } from '../model/identity.ts'
import type { HttpSlot, HttpView } from './http/contract.ts'

/** A connection as its slot sees it. */
export interface SlotMember {
  /** The slot was retired: finish, or be cut after the drain deadline. */
  onRetired(): void
}

/** From its making until it is left. */
export class Membership implements Linked<Membership> {
  linkedIn: LinkedList<Membership> | undefined = undefined
  linkedNext: Membership | undefined = undefined
  linkedPrevious: Membership | undefined = undefined
  readonly member: SlotMember

  constructor(member: SlotMember, list: LinkedList<Membership>) {
    this.member = member
    list.add(this)
  }

  /** Idempotent. */
  leave(): void {
    this.linkedIn?.delete(this)
  }
}

export class ChainSlot implements HttpSlot {
  readonly listener: ListenerKey
  /** Trust domain of a terminating chain. */
  readonly domain: Digest | undefined
  /** Refilled by every reload. */
  view: HttpView | undefined
  /** Made for the first that joins: of 10,000 slots most stay empty. */
  #members: LinkedList<Membership> | undefined
  /** Told first. */
  #watchers: LinkedList<Membership> | undefined

  constructor(listener: ListenerKey, domain: Digest | undefined) {
    this.listener = listener
    this.domain = domain
  }

  join(member: SlotMember): Membership {
    this.#members ??= new LinkedList()
    return new Membership(member, this.#members)
  }

  onRetired(callback: () => void): () => void {
    this.#watchers ??= new LinkedList()
    const watcher = new Membership({ onRetired: callback }, this.#watchers)
    return () => watcher.leave()
  }

  /** The listener is gone or its trust domain changed. */
  retire(): void {
    this.view = undefined
    for (const { member } of this.#watchers?.toArray() ?? []) member.onRetired()
    for (const { member } of this.#members?.toArray() ?? []) member.onRetired()
  }
}
