/**
 * The names that control resolves for all workers (decision 8), as this worker knows them. A name
 * is pending until its first answer; an answer without addresses means that it does not resolve.
 */
import type { Clock } from '../../base/clock.ts'
import type { ResolvedName } from '../../ipc/messages.ts'

const FAILURE_INTERVAL_MS = 1_000

export interface NameTableOptions {
  readonly clock: Clock
  onNameFailed(name: string): void
}

interface Entry {
  /** undefined: never answered. */
  addresses: readonly string[] | undefined
  readonly listeners: Set<() => void>
  lastFailure: number
  /** Control resolves it no more: kept for those that still listen. */
  isGone: boolean
}

export class NameTable {
  readonly #entries = new Map<string, Entry>()
  readonly #options: NameTableOptions

  constructor(options: NameTableOptions) {
    this.#options = options
  }

  /** Names that are not mentioned keep their addresses. */
  update(names: readonly ResolvedName[]): void {
    for (const { name, addresses } of names) {
      const entry = this.#entry(name)
      entry.isGone = false
      const known = entry.addresses
      if (known !== undefined && equal(known, addresses)) continue
      entry.addresses = addresses
      for (const listener of [...entry.listeners]) listener()
    }
  }

  /** Control resolves these no more. What runs keeps the addresses that it has. */
  forget(names: readonly string[]): void {
    for (const name of names) {
      const entry = this.#entries.get(name)
      if (entry === undefined) continue
      entry.isGone = true
      this.#dropUnused(name, entry)
    }
  }

  /** undefined: pending; empty: does not resolve. */
  addresses(name: string): readonly string[] | undefined {
    return this.#entries.get(name)?.addresses
  }

  /** Calls back after each change of the name's addresses. Returns unsubscribe. */
  subscribe(name: string, listener: () => void): () => void {
    const entry = this.#entry(name)
    entry.listeners.add(listener)
    return () => {
      entry.listeners.delete(listener)
      this.#dropUnused(name, entry)
    }
  }

  /** A connection to one of its addresses failed: asks control for a fresh answer, rate-limited. */
  failed(name: string): void {
    const entry = this.#entries.get(name)
    const now = this.#options.clock.monotonic()
    if (entry === undefined || now - entry.lastFailure < FAILURE_INTERVAL_MS) return
    entry.lastFailure = now
    this.#options.onNameFailed(name)
  }

  /** An answer that nobody uses yet stays: it may have come before the snapshot that needs it. */
  #dropUnused(name: string, entry: Entry): void {
    if (entry.listeners.size > 0 || (entry.addresses !== undefined && !entry.isGone)) return
    if (this.#entries.get(name) === entry) this.#entries.delete(name)
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      entry = {
        addresses: undefined,
        listeners: new Set(),
        lastFailure: Number.NEGATIVE_INFINITY,
        isGone: false,
      }
      this.#entries.set(name, entry)
    }
    return entry
  }
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((address, i) => address === b[i])
}
