/**
 * The one table of TCP sockets (decision 2): bound once, kept over generations and worker restarts,
 * closed when no manifest names them and every worker has let go. A bind that fails is tried again
 * while it is wanted, since whoever holds the port may leave.
 */
import type { NativeTcpHandle } from '../ipc/bound-handle.ts'
import type { BindKey } from '../model/identity.ts'
import type { BindPart } from '../model/snapshot.ts'
import type { BindResult } from '../model/status.ts'
import { type BindAttempt, type BindError, bindTcp } from './bind-tcp.ts'
import { OwnAddresses } from './own-addresses.ts'

export type BindFunction = (address: string, port: number) => BindAttempt

/** What control knows about a wanted bind. */
export type SocketState =
  | { readonly kind: 'open'; readonly handle: NativeTcpHandle }
  | { readonly kind: 'failed'; readonly error: BindError }

interface Entry {
  readonly address: string
  readonly port: number
  state: SocketState
}

export class Sockets {
  readonly #entries = new Map<BindKey, Entry>()
  readonly #bind: BindFunction
  readonly #ownAddresses: OwnAddresses

  constructor(bind: BindFunction = bindTcp) {
    this.#bind = bind
    this.#ownAddresses = new OwnAddresses(bind)
  }

  /** Binds what is new among these and TCP. Binds that are no longer named stay open until `retain`. */
  open(binds: readonly BindPart[]): void {
    this.#ownAddresses.watch(binds)
    for (const { key, address, port, transport } of binds) {
      // UDP sockets are opened by the worker that owns the bind (decision 15).
      if (transport === 'udp' || this.#entries.has(key)) continue
      this.#entries.set(key, { address, port, state: this.#attempt(address, port) })
    }
  }

  /** Tries failed binds again; true when one of them came open or fails for another reason now. */
  retry(): boolean {
    let changed = this.#ownAddresses.retry()
    for (const entry of this.#entries.values()) {
      if (entry.state.kind === 'open') continue
      const before = entry.state.error.errno
      entry.state = this.#attempt(entry.address, entry.port)
      changed ||= entry.state.kind === 'open' || entry.state.error.errno !== before
    }
    return changed
  }

  /** Closes every socket but these; true when one was closed. */
  retain(keep: ReadonlySet<BindKey>): boolean {
    let closed = false
    for (const [key, entry] of this.#entries) {
      if (keep.has(key)) continue
      this.#entries.delete(key)
      if (entry.state.kind === 'failed') continue
      entry.state.handle.close()
      closed = true
    }
    return closed
  }

  /**
   * A socket that was closed under us is bound anew: with `--workers 0` worker and control hold one
   * handle, and the worker closes it when it drops the bind.
   */
  state(key: BindKey): SocketState | undefined {
    const entry = this.#entries.get(key)
    if (entry?.state.kind === 'open' && entry.state.handle.getsockname({}) !== 0) {
      entry.state = this.#attempt(entry.address, entry.port)
    }
    return entry?.state
  }

  get hasFailures(): boolean {
    return (
      this.#ownAddresses.hasFailures ||
      [...this.#entries.values()].some((entry) => entry.state.kind === 'failed')
    )
  }

  /** Whether this machine has the addresses that wildcard sockets serve. */
  get ownAddresses(): readonly BindResult[] {
    return this.#ownAddresses.results
  }

  #attempt(address: string, port: number): SocketState {
    const attempt = this.#bind(address, port)
    return attempt.kind === 'bound' ? { kind: 'open', handle: attempt.handle } : attempt
  }
}
