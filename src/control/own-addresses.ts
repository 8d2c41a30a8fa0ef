/**
 * Own addresses of Gateways that a wildcard socket serves (decision 6). They are never bound
 * themselves, so whether this machine has them is tried with a socket that is closed at once.
 */
import { bindKey, type BindKey } from '../model/identity.ts'
import type { BindPart } from '../model/snapshot.ts'
import type { BindResult } from '../model/status.ts'
import { bindFailureMessage } from '../translate/status/programmed.ts'
import type { BindFunction } from './sockets.ts'

interface Place {
  readonly address: string
  readonly port: number
}

/** What a bind's socket serves besides its own address, as the listeners that wait for it know it. */
export function ownAddressesOf(bind: BindPart): ReadonlyMap<BindKey, Place> {
  const { port, transport, tables } = bind
  const addresses = tables.flatMap(({ localAddresses }) => localAddresses)
  return new Map(
    addresses
      .filter((address) => address !== '*')
      .map((address) => [bindKey(transport, address, port), { address, port }]),
  )
}

export class OwnAddresses {
  readonly #bind: BindFunction
  #places: ReadonlyMap<BindKey, Place> = new Map()
  #results: readonly BindResult[] = []

  constructor(bind: BindFunction) {
    this.#bind = bind
  }

  /** One for each address and port. */
  get results(): readonly BindResult[] {
    return this.#results
  }

  get hasFailures(): boolean {
    return this.#results.some(({ error }) => error !== undefined)
  }

  /** Forgets those that no bind of these serves. */
  watch(binds: readonly BindPart[]): void {
    this.#places = new Map(binds.flatMap((bind) => [...ownAddressesOf(bind)]))
    this.retry()
  }

  /** True when an address came or went. */
  retry(): boolean {
    const before = this.#results.map(({ error }) => error?.errno)
    this.#results = [...this.#places].map(([bind, { address }]) => this.#probe(bind, address))
    return this.#results.some(({ error }, index) => error?.errno !== before[index])
  }

  #probe(bind: BindKey, address: string): BindResult {
    const attempt = this.#bind(address, 0)
    if (attempt.kind === 'failed') {
      const { errno } = attempt.error
      return {
        bind,
        error: { errno, message: bindFailureMessage(bind, attempt.error, process.execPath) },
      }
    }
    attempt.handle.close()
    return { bind }
  }
}
