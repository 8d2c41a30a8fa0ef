/**
 * Flows in the order in which something last moved on them, the longest silent first. Intrusive, so
 * that moving, evicting and expiring cost the same however many there are.
 */
import type { Flow } from './flow.ts'

/** A flow's place in the list that has it. */
export interface FlowLinks {
  list: FlowList | undefined
  previous: Flow | undefined
  next: Flow | undefined
}

export class FlowList {
  /** How long a flow may be silent; milliseconds. */
  holdMs: number
  #head: Flow | undefined
  #tail: Flow | undefined

  constructor(holdMs: number) {
    this.holdMs = holdMs
  }

  /** The longest silent flow. */
  get head(): Flow | undefined {
    return this.#head
  }

  /** When the longest silent flow is to end; Infinity: the list is empty. */
  get dueAt(): number {
    return this.#head === undefined ? Infinity : this.#head.movedAt + this.holdMs
  }

  /** Takes the flow out of whatever list has it and appends it here. */
  append(flow: Flow): void {
    FlowList.remove(flow)
    const { links } = flow
    links.list = this
    links.previous = this.#tail
    if (this.#tail === undefined) this.#head = flow
    else this.#tail.links.next = flow
    this.#tail = flow
  }

  static remove({ links }: Flow): void {
    const { list, previous, next } = links
    if (list === undefined) return
    if (previous === undefined) list.#head = next
    else previous.links.next = next
    if (next === undefined) list.#tail = previous
    else next.links.previous = previous
    links.list = undefined
    links.previous = undefined
    links.next = undefined
  }
}
