/**
 * The UDP binds that this worker owns. Control gives each to one worker, which opens the sockets
 * itself: a flow lives in one process, and there is no accept queue that would outlive a worker.
 */
import type { NativeUdpHandle } from '../../ipc/datagram-handle.ts'
import type { BindKey } from '../../model/identity.ts'
import type { BindResult } from '../../model/status.ts'
import type { CompiledUdpBind } from './compiled-bind.ts'
import type { FlowContext } from './flow.ts'
import { FlowBudget } from './flow-table.ts'
import { UdpBind } from './udp-bind.ts'

/** How often interfaces are looked at and failed addresses tried again. */
const RESCAN_MS = 5000

export class UdpBinds {
  readonly #context: FlowContext
  readonly #budget: FlowBudget
  readonly #onChanged: () => void
  readonly #binds = new Map<BindKey, UdpBind>()
  #rescan: NodeJS.Timeout | undefined
  #isDraining = false

  /** `onChanged`: what was acknowledged for a bind is no longer so. */
  constructor(context: FlowContext, maxFlows: number, onChanged: () => void) {
    this.#context = context
    this.#budget = new FlowBudget(maxFlows)
    this.#onChanged = onChanged
  }

  /** Control gave it to this worker. */
  own(key: BindKey): void {
    if (this.#isDraining || this.#binds.has(key)) return
    const isOwn = (address: string, port: number): boolean => this.#listensOn(address, port)
    this.#binds.set(key, new UdpBind(key, this.#context, this.#budget, isOwn))
  }

  /** The socket for one address of a bind that it owns. `isKept`: control has it, too. */
  adopt(key: BindKey, address: string, handle: NativeUdpHandle | undefined, isKept: boolean): void {
    if (handle === undefined) return
    const bind = this.#isDraining ? undefined : this.#binds.get(key)
    if (bind === undefined) handle.close()
    else bind.adopt(address, handle, isKept)
  }

  /** Those that nobody else has, for the process that may take over; they go on being read from. */
  lend(take: (key: BindKey, address: string, handle: NativeUdpHandle) => void): void {
    for (const [key, bind] of this.#binds) bind.lend((...socket) => take(key, ...socket))
  }

  owns(key: BindKey): boolean {
    return this.#binds.has(key)
  }

  /** A publish came: it names every bind that is this worker's by now. */
  published(): void {
    for (const bind of this.#binds.values()) bind.isFresh = false
  }

  /** Resolves when every socket is open or has failed. */
  async install(compiled: ReadonlyMap<BindKey, CompiledUdpBind>): Promise<BindResult[]> {
    const installing: Promise<BindResult>[] = []
    for (const [key, bind] of this.#binds) {
      const next = compiled.get(key)
      if (next !== undefined) installing.push(bind.install(next))
      else if (!bind.isFresh) {
        bind.remove()
        this.#binds.delete(key)
      }
    }
    this.#watchInterfaces()
    return await Promise.all(installing)
  }

  /** No new flows. */
  drain(): void {
    this.#isDraining = true
    clearInterval(this.#rescan)
    for (const bind of this.#binds.values()) bind.drain()
  }

  /** After `drain`: another process takes over. What was lent is its from now on, it waits for the rest. */
  release(): void {
    for (const bind of this.#binds.values()) bind.release()
  }

  #listensOn(address: string, port: number): boolean {
    return [...this.#binds.values()].some((bind) => bind.listensOn(address, port))
  }

  #watchInterfaces(): void {
    clearInterval(this.#rescan)
    if (this.#binds.size === 0 || this.#isDraining) return
    this.#rescan = setInterval(() => void this.#openSockets(), RESCAN_MS)
    this.#rescan.unref()
  }

  async #openSockets(): Promise<void> {
    const before = this.#results()
    await Promise.all([...this.#binds.values()].map((bind) => bind.openSockets()))
    if (!this.#isDraining && this.#results() !== before) this.#onChanged()
  }

  #results(): string {
    return JSON.stringify([...this.#binds.values()].map(({ result }) => result))
  }
}
