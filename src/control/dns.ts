/**
 * Keeps the addresses of every name that the snapshot uses, for all workers at once (decision 8).
 * Each name has its own clock, so that a slow one stalls no other; answers that change go out as
 * `names` messages and make no new generation.
 */
import { messageOf } from '../base/errors.ts'
import type { ResolvedName } from '../ipc/messages.ts'
import type { LookUp, Lookup } from './name-resolver.ts'

export interface NamesOptions {
  readonly lookUp: LookUp
  /** Names whose addresses changed. */
  readonly onNames: (names: readonly ResolvedName[]) => void
  /** Names that are in use no more: workers need not remember them either. */
  readonly onGone: (names: readonly string[]) => void
  /** In [0, 1): spreads the questions in time. */
  readonly random?: () => number
}

const MIN_TTL_MS = 1000
const MAX_TTL_MS = 30_000
/** A worker's report of dead addresses asks anew, at most so often per name. */
const REASK_MS = 1000
/** Questions on their way at once: bounds sockets and memory with very many names. */
const MAX_RUNNING = 256
/** A name that is gone is asked once more before its last addresses are given up. */
const ABSENCES = 2

interface Entry {
  readonly name: string
  /** undefined: never answered. */
  addresses: readonly string[] | undefined
  timer: NodeJS.Timeout | undefined
  asking: boolean
  /** No new question before: the limit for reports of workers. */
  notBefore: number
  failures: number
  absences: number
}

export class Names {
  readonly #options: NamesOptions
  readonly #entries = new Map<string, Entry>()
  readonly #queue = new Set<Entry>()
  readonly #changed = new Map<string, readonly string[]>()
  #running = 0

  constructor(options: NamesOptions) {
    this.#options = options
  }

  /** The names in use from now on: new ones are asked at once, others forgotten. */
  watch(names: ReadonlySet<string>): void {
    const gone = [...this.#entries.values()].filter(({ name }) => !names.has(name))
    for (const entry of gone) this.#forget(entry)
    if (gone.length > 0) this.#options.onGone(gone.map(({ name }) => name))
    for (const name of names) {
      if (this.#entries.has(name)) continue
      const entry: Entry = {
        name,
        addresses: undefined,
        timer: undefined,
        asking: false,
        notBefore: 0,
        failures: 0,
        absences: 0,
      }
      this.#entries.set(name, entry)
      this.#ask(entry)
    }
  }

  /** Connections to all of its addresses fail: they may be old. */
  failed(name: string): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined && performance.now() >= entry.notBefore) this.#ask(entry)
  }

  /** All answers so far, for a worker that starts. */
  get answers(): readonly ResolvedName[] {
    return [...this.#entries.values()].flatMap(({ name, addresses }) =>
      addresses === undefined ? [] : [{ name, addresses }],
    )
  }

  /** undefined: never answered, or not in use. */
  addressesOf(name: string): readonly string[] | undefined {
    return this.#entries.get(name)?.addresses
  }

  stop(): void {
    for (const entry of this.#entries.values()) this.#forget(entry)
  }

  #forget(entry: Entry): void {
    clearTimeout(entry.timer)
    this.#queue.delete(entry)
    this.#changed.delete(entry.name)
    this.#entries.delete(entry.name)
  }

  #ask(entry: Entry): void {
    if (entry.asking) return
    clearTimeout(entry.timer)
    this.#queue.add(entry)
    this.#next()
  }

  #next(): void {
    for (const entry of this.#queue) {
      if (this.#running >= MAX_RUNNING) return
      this.#queue.delete(entry)
      this.#running += 1
      entry.asking = true
      entry.notBefore = performance.now() + REASK_MS
      void this.#lookUp(entry.name).then((lookup) => {
        this.#running -= 1
        entry.asking = false
        // The name may have left the snapshot, or left and returned as another entry.
        if (this.#entries.get(entry.name) === entry) this.#answered(entry, lookup)
        this.#next()
      })
    }
  }

  async #lookUp(name: string): Promise<Lookup> {
    try {
      return await this.#options.lookUp(name)
    } catch (error) {
      return { kind: 'failed', reason: messageOf(error) }
    }
  }

  #answered(entry: Entry, lookup: Lookup): void {
    entry.failures = lookup.kind === 'failed' ? entry.failures + 1 : 0
    entry.absences = lookup.kind === 'absent' ? entry.absences + 1 : 0
    if (lookup.kind === 'addresses') this.#set(entry, lookup.addresses)
    // With nothing known so far, an early "no" is better than connections that wait.
    else if (entry.addresses === undefined || entry.absences >= ABSENCES) this.#set(entry, [])
    const delayMs = this.#jittered(waitMs(entry, lookup))
    entry.timer = setTimeout(() => this.#ask(entry), delayMs)
    entry.timer.unref()
  }

  #set(entry: Entry, addresses: readonly string[]): void {
    const same = entry.addresses?.length === addresses.length
    if (same && addresses.every((address, i) => address === entry.addresses?.[i])) return
    entry.addresses = addresses
    // Answers of one turn travel in one message.
    if (this.#changed.size === 0) setImmediate(() => this.#flush())
    this.#changed.set(entry.name, addresses)
  }

  #flush(): void {
    if (this.#changed.size === 0) return
    const names = [...this.#changed].map(([name, addresses]) => ({ name, addresses }))
    this.#changed.clear()
    this.#options.onNames(names)
  }

  /** Up to a fifth earlier, so that names of one answer time do not stay in step. */
  #jittered(ms: number): number {
    const random = this.#options.random ?? Math.random
    return Math.max(MIN_TTL_MS, ms * (1 - random() / 5))
  }
}

/** The TTL within its bounds; without an answer, from one second up to the longest TTL. */
function waitMs({ failures, absences }: Entry, lookup: Lookup): number {
  switch (lookup.kind) {
    case 'addresses':
      return Math.min(MAX_TTL_MS, Math.max(MIN_TTL_MS, lookup.ttlMs))
    case 'failed':
      return Math.min(MAX_TTL_MS, MIN_TTL_MS * 2 ** Math.min(failures - 1, 5))
    case 'absent':
      return Math.min(MAX_TTL_MS, MIN_TTL_MS * 2 ** Math.min(absences - 1, 5))
  }
}
