/**
 * Which chain a connection gets: by the local address it came to, then by its SNI. Used by the
 * data plane and by `explain`. Names go through the one normaliser of match/hostname.
 */
import { HostTable, parseHost } from './hostname.ts'

/** One set of patterns and the local addresses that it serves (ChainTable of model/snapshot). */
export interface SniTableSource<T> {
  /** Normalised; `*` is every address that no other table names. */
  readonly localAddresses: readonly string[]
  readonly entries: Iterable<readonly [pattern: string, value: T]> | HostTable<T>
}

export type SniChoice<T> =
  | { readonly kind: 'found'; readonly value: T; readonly name: string | undefined }
  | { readonly kind: 'none'; readonly name: string | undefined }
  /** The name is none that a client may send; it is never routed, not even to a default. */
  | { readonly kind: 'invalid' }

export class SniTable<T> {
  readonly #byAddress = new Map<string, HostTable<T>>()
  readonly #other: HostTable<T> | undefined

  /** The first table that names an address has it. */
  constructor(sources: Iterable<SniTableSource<T>>) {
    let other: HostTable<T> | undefined
    for (const { localAddresses, entries } of sources) {
      const table = entries instanceof HostTable ? entries : new HostTable(entries)
      for (const address of localAddresses) {
        if (address === '*') other ??= table
        else if (!this.#byAddress.has(address)) this.#byAddress.set(address, table)
      }
    }
    this.#other = other
  }

  /** `sni` is as sent; undefined: none was. An address counts as none. */
  choose(localAddress: string, sni: string | undefined): SniChoice<T> {
    const host = sni === undefined ? undefined : parseHost(sni)
    if (host?.kind === 'invalid') return host
    const name = host?.kind === 'name' ? host.name : undefined
    const value = (this.#byAddress.get(localAddress) ?? this.#other)?.lookup(name)
    return value === undefined ? { kind: 'none', name } : { kind: 'found', value, name }
  }
}
