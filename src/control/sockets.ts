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

export type BindFunction = (address: string, port: number, context?: BindContext) => BindAttempt

/** What may find a socket that came with the process. */
export interface BindContext {
  /** Of the bind's listeners: `https`, `default/edge/https`. */
  readonly names: ReadonlySet<string>
  /** Where all binds are. */
  readonly wanted: readonly Pick<BindPart, 'address' | 'port'>[]
}

/** What control knows about a wanted bind. */
export type SocketState =
  | { readonly kind: 'open'; readonly handle: NativeTcpHandle }
  | { readonly kind: 'failed'; readonly error: BindError }

interface Entry {
  readonly address: string
  readonly port: number
  context: BindContext
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
    // UDP sockets are opened by the worker that owns the bind (decision 15).
    const wanted = binds.filter(({ transport }) => transport === 'tcp')
    for (const bind of wanted) {
      const { key, address, port } = bind
      const context = contextOf(bind, wanted)
      const entry = this.#entries.get(key)
      if (entry !== undefined) entry.context = context
      else {
        const state = this.#attempt({ address, port, context })
        this.#entries.set(key, { address, port, context, state })
      }
    }
  }

  /** Tries failed binds again; true when one of them came open or fails for another reason now. */
  retry(): boolean {
    let changed = this.#ownAddresses.retry()
    for (const entry of this.#entries.values()) {
      if (entry.state.kind === 'open') continue
      const before = entry.state.error.errno
      entry.state = this.#attempt(entry)
      changed ||= entry.state.kind === 'open' || entry.state.error.errno !== before
    }
    return changed
  }

  /** Those that are open. */
  get handles(): ReadonlyMap<BindKey, NativeTcpHandle> {
    const open = [...this.#entries.keys()].flatMap((key) => {
      const state = this.state(key)
      return state?.kind === 'open' ? [[key, state.handle] as const] : []
    })
    return new Map(open)
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
      entry.state = this.#attempt(entry)
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

  #attempt({ address, port, context }: Omit<Entry, 'state'>): SocketState {
    const attempt = this.#bind(address, port, context)
    return attempt.kind === 'bound' ? { kind: 'open', handle: attempt.handle } : attempt
  }
}

/** The names are put together when a socket is bound: a bind may have 10,000. */
function contextOf(bind: BindPart, wanted: BindContext['wanted']): BindContext {
  return {
    get names() {
      return listenerNames(bind)
    },
    wanted,
  }
}

function listenerNames({ tables }: BindPart): ReadonlySet<string> {
  const keys = tables.flatMap(({ chains, listeners }) =>
    [...chains, ...listeners].map(({ listener }) => listener.split('/')),
  )
  return new Set(keys.flatMap((parts) => [parts.at(-1) ?? '', parts.slice(1).join('/')]))
}
