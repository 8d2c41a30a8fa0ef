/**
 * The UDP sockets that workers lend for a successor: each worker is asked once, and what it lends is
 * kept until all have answered. Workers go on reading from them.
 */
import { GwProxyError } from '../base/errors.ts'
import type { BindKey } from '../model/identity.ts'

/** A worker's place, as Publisher's. */
type Slot = number

export interface LentDatagrams {
  readonly bind: BindKey
  readonly address: string
  readonly fd: number
  /** Ours, where the worker is a process of its own. */
  close(): void
}

export class UdpLoan {
  /** Tells its answers from late ones to a loan before. */
  readonly turn: number
  readonly #owing: Set<Slot>
  readonly #lent: LentDatagrams[] = []
  readonly #done = Promise.withResolvers<readonly LentDatagrams[]>()
  readonly #limit: NodeJS.Timeout

  constructor(turn: number, slots: Iterable<Slot>, limitMs: number) {
    this.turn = turn
    this.#owing = new Set(slots)
    this.#limit = setTimeout(() => this.#fail(), limitMs)
    this.#check()
  }

  /**
   * Resolves when all have answered; whoever asked for them closes them.
   * @throws GwProxyError GWP_UPGRADE_FAILED: a worker hangs, and would keep what nobody reads
   */
  get sockets(): Promise<readonly LentDatagrams[]> {
    return this.#done.promise
  }

  add(slot: Slot, lent: LentDatagrams): void {
    if (this.#owing.has(slot)) this.#lent.push(lent)
    else lent.close()
  }

  /** The worker has lent all that it has, or is gone. */
  finished(slot: Slot): void {
    if (this.#owing.delete(slot)) this.#check()
  }

  #check(): void {
    if (this.#owing.size > 0) return
    clearTimeout(this.#limit)
    this.#done.resolve(this.#lent)
  }

  #fail(): void {
    const [slot] = this.#owing
    this.#owing.clear()
    for (const lent of this.#lent) lent.close()
    const message = `worker ${slot} does not answer: try again when it was replaced`
    this.#done.reject(new GwProxyError('GWP_UPGRADE_FAILED', message))
  }
}
