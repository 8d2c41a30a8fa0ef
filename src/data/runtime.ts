/**
 * A snapshot compiled to live objects: per bind a table of chains. Compiling yields to the event
 * loop every few milliseconds; installing is a pointer per bind. A runtime is released as soon as
 * the next one is installed: connections keep what they use by other means.
 */
import type { Digest } from '../base/brand.ts'
import { GwProxyError } from '../base/errors.ts'
import { HostTable } from '../match/hostname.ts'
import { SniTable } from '../match/sni.ts'
import type { BindKey, ListenerKey } from '../model/identity.ts'
import type { BindPart, Chain, ChainTable, KeptPart, Manifest } from '../model/snapshot.ts'
import { ChainSlot } from './chain-slot.ts'
import type { Ingress, LiveChain } from './connection.ts'
import type { TcpAction } from './handlers/contract.ts'
import { compileAction } from './handlers/handlers.ts'
import type { HttpHub, HttpView } from './http/contract.ts'
import type { PartStore } from './part-store.ts'
import { Slice } from './slice.ts'
import type { TlsDomains } from './tls/contract.ts'
import { CompiledUdpBind } from './udp/compiled-bind.ts'
import type { Registry } from './upstream/contract.ts'

/**
 * What connections came in by: ingress, addresses and port. It is no socket: an own address may move
 * to a wildcard's and back while its connections stay.
 */
type Place = string

/** By listener and trust domain. */
type Slots = ReadonlyMap<string, ChainSlot>
const NO_SLOTS: Slots = new Map()

export type SlotsByPlace = ReadonlyMap<Place, Slots>

/** Those that are nowhere any more. A place whose chains stayed has the same map of thousands. */
export function goneSlots(before: SlotsByPlace, now: SlotsByPlace): readonly ChainSlot[] {
  const changed = [...before].filter(([place, slots]) => now.get(place) !== slots)
  if (changed.length === 0) return []
  const live = new Set([...now.values()].flatMap((slots) => [...slots.values()]))
  return changed.flatMap(([, slots]) => [...slots.values()].filter((slot) => !live.has(slot)))
}

export interface RuntimeContext {
  readonly store: PartStore
  readonly registry: Registry
  readonly tlsDomains: TlsDomains
  readonly httpHub: HttpHub
  /** The one that is installed. */
  readonly before: Runtime | undefined
  /** Those that live binds have now; connections of the new runtime share them. */
  readonly slots: SlotsByPlace
  /** Another worker may own it: then there is nothing to compile. */
  ownsUdp(bind: BindKey): boolean
}

export class Runtime {
  readonly manifest: Manifest
  /** TCP binds only. */
  readonly binds = new Map<BindKey, CompiledBind>()
  /** Those that this worker owns. */
  readonly udpBinds = new Map<BindKey, CompiledUdpBind>()

  private constructor(manifest: Manifest) {
    this.manifest = manifest
  }

  /** Throws what compiling throws, after releasing what was acquired: the worker nacks. */
  static async compile(manifest: Manifest, context: RuntimeContext): Promise<Runtime> {
    const runtime = new Runtime(manifest)
    const slice = new Slice()
    try {
      for (const digest of manifest.binds) {
        const part = context.store.bind(digest)
        if (part.transport === 'udp') {
          runtime.#compileUdp(part, context)
          continue
        }
        const bind = new CompiledBind(part)
        runtime.binds.set(part.key, bind)
        await bind.compile(part, context, slice)
      }
    } catch (error) {
      await runtime.release()
      throw error
    }
    return runtime
  }

  /** What exchanges see there. */
  viewAt(bind: BindKey, place: Place): HttpView | undefined {
    return this.binds.get(bind)?.viewAt(place)
  }

  /** What it made of a list of chains there. */
  chainsAt(bind: BindKey, place: Place, source: readonly Chain[]): CompiledChains | undefined {
    return this.binds.get(bind)?.chainsAt(place, source)
  }

  /** Lets go of upstreams, TLS servers and route tables, in slices as well. */
  async release(): Promise<void> {
    const slice = new Slice()
    for (const bind of this.binds.values()) await bind.release(slice)
    for (const bind of this.udpBinds.values()) bind.release()
  }

  #compileUdp(bind: BindPart, context: RuntimeContext): void {
    if (!context.ownsUdp(bind.key)) return
    const { registry, store } = context
    const compiled = new CompiledUdpBind(bind, { registry, part: (digest) => store.part(digest) })
    this.udpBinds.set(bind.key, compiled)
  }
}

/** What a runtime has for one bind. */
export class CompiledBind {
  readonly key: BindKey
  readonly ingress: Ingress
  #table: SniTable<LiveChain> = new SniTable([])
  readonly #tables: CompiledTable[] = []

  constructor(part: BindPart) {
    this.key = part.key
    const { ingress, proxyProtocol } = part
    this.ingress = { ingress, ...(proxyProtocol === undefined ? {} : { proxyProtocol }) }
  }

  get table(): SniTable<LiveChain> {
    return this.#table
  }

  async compile(part: BindPart, context: RuntimeContext, slice: Slice): Promise<void> {
    for (const source of part.tables) {
      const table = new CompiledTable(part, source)
      this.#tables.push(table)
      await table.compile(context, slice)
    }
    this.#table = new SniTable(this.#tables)
  }

  viewAt(place: Place): HttpView | undefined {
    return this.#tables.find((table) => table.place === place)?.view
  }

  chainsAt(place: Place, source: readonly Chain[]): CompiledChains | undefined {
    return this.#tables.find((table) => table.place === place)?.chainsOf(source)
  }

  /** The slots after this bind's install, given those of all binds before it. */
  settleSlots(before: SlotsByPlace): SlotsByPlace {
    return new Map(
      this.#tables.map((table) => [table.place, table.settle(before.get(table.place) ?? NO_SLOTS)]),
    )
  }

  async release(slice: Slice): Promise<void> {
    for (const table of this.#tables) await table.release(slice)
  }
}

/** A chain table of a bind: one set of local addresses. */
class CompiledTable {
  readonly place: Place
  readonly localAddresses: readonly string[]
  view: HttpView | undefined
  readonly #bind: BindPart
  readonly #source: ChainTable
  #chains: CompiledChains | undefined

  constructor(bind: BindPart, source: ChainTable) {
    this.#bind = bind
    this.#source = source
    this.localAddresses = source.localAddresses
    this.place = placeOf(bind, source)
  }

  get entries(): HostTable<LiveChain> | [] {
    return this.#chains?.table ?? []
  }

  async compile(context: RuntimeContext, slice: Slice): Promise<void> {
    const { store, httpHub, tlsDomains } = context
    const { chains } = this.#source
    if (chains.some(endsTls)) await tlsDomains.open()
    if (chains.some(speaksHttp)) {
      const before = context.before?.viewAt(this.#bind.key, this.place)
      const part = (digest: Digest): KeptPart => store.part(digest)
      this.view = await httpHub.compile(this.#source, part, slice, before)
    }
    const known = context.before?.chainsAt(this.#bind.key, this.place, chains)
    this.#chains = known?.hold() ?? new CompiledChains(this.#bind, this.place, chains)
    if (known === undefined) await this.#chains.compile(context, slice)
  }

  /** What was made of this very list. */
  chainsOf(source: readonly Chain[]): CompiledChains | undefined {
    return this.#chains?.source === source ? this.#chains : undefined
  }

  /**
   * The slots of its chains, refilled, and those of before whose listener and trust domain live on
   * although no chain of now would give them to a newcomer.
   */
  settle(before: Slots): Slots {
    const own = this.#chains?.slots ?? NO_SLOTS
    const kept =
      before === own ? [] : [...before].filter(([key, slot]) => !own.has(key) && this.#keeps(slot))
    const after = kept.length === 0 ? own : new Map([...own, ...kept])
    for (const slot of after.values()) slot.view = this.view
    return after
  }

  #keeps(slot: ChainSlot): boolean {
    const domains = this.#chains?.domainsOf(slot.listener)
    return domains !== undefined && (slot.domain === undefined || domains.has(slot.domain))
  }

  async release(slice: Slice): Promise<void> {
    await this.view?.release(slice)
    await this.#chains?.release(slice)
  }
}

/**
 * The chains of a table with what they hold. The list is the same object as long as none of it
 * changes, and so are they: an edit of a route behind 10,000 listeners compiles none of those.
 */
class CompiledChains {
  readonly source: readonly Chain[]
  readonly slots = new Map<string, ChainSlot>()
  /** The listeners of this table and their trust domains; made when a listener is gone. */
  #domains: ReadonlyMap<ListenerKey, Set<Digest>> | undefined
  #table: HostTable<LiveChain> | undefined
  readonly #bind: Pick<BindPart, 'key' | 'ingress'>
  readonly #place: Place
  /** In the order of the source. */
  readonly #live: LiveChain[] = []
  /** Runtimes that have it. */
  #holders = 1

  constructor({ key, ingress }: BindPart, place: Place, source: readonly Chain[]) {
    this.#bind = { key, ingress }
    this.#place = place
    this.source = source
  }

  get table(): HostTable<LiveChain> {
    this.#table ??= new HostTable(byHostname(this.#live))
    return this.#table
  }

  async compile(context: RuntimeContext, slice: Slice): Promise<void> {
    for (const chain of this.source) {
      const { action } = chain
      if (action.kind === 'udp-forward') throw defect(`a UDP chain on ${this.#bind.key}`)
      this.#live.push(this.#compileChain(chain, action, context))
      await slice.breathe()
    }
  }

  /** undefined: no chain of this table belongs to it. */
  domainsOf(listener: ListenerKey): ReadonlySet<Digest> | undefined {
    this.#domains ??= domainsIn(this.source)
    return this.#domains.get(listener)
  }

  hold(): this {
    this.#holders += 1
    return this
  }

  async release(slice: Slice): Promise<void> {
    this.#holders -= 1
    if (this.#holders > 0) return
    for (const { action } of this.#live) {
      action.release()
      await slice.breathe()
    }
  }

  #compileChain(chain: Chain, action: TcpAction, context: RuntimeContext): LiveChain {
    const slot = this.#slotFor(chain, context.slots.get(this.#place) ?? NO_SLOTS)
    const { store, registry, tlsDomains } = context
    const live = compileAction(action, {
      registry,
      tlsDomains,
      slot,
      part: (digest) => store.part(digest),
      key: (keyId) => store.key(keyId),
    })
    return { chain, slot, action: live }
  }

  /** On cleartext the authority chooses the listener, so all of a table share one slot. */
  #slotFor(chain: Chain, existing: Slots): ChainSlot {
    const domain = domainOf(chain.action)
    const key = this.#bind.ingress === 'http' ? '' : `${chain.listener} ${domain ?? ''}`
    const slot = this.slots.get(key) ?? existing.get(key) ?? new ChainSlot(chain.listener, domain)
    this.slots.set(key, slot)
    return slot
  }
}

function* byHostname(
  chains: readonly LiveChain[],
): Generator<readonly [pattern: string, value: LiveChain]> {
  for (const live of chains) yield [live.chain.hostname, live]
}

function domainsIn(chains: readonly Chain[]): ReadonlyMap<ListenerKey, Set<Digest>> {
  const all = new Map<ListenerKey, Set<Digest>>()
  for (const { listener, action } of chains) {
    const domains = all.get(listener) ?? new Set()
    all.set(listener, domains)
    const domain = domainOf(action)
    if (domain !== undefined) domains.add(domain)
  }
  return all
}

/** `*` are the socket's own. */
function placeOf({ ingress, address, port }: BindPart, { localAddresses }: ChainTable): Place {
  const addresses = localAddresses.map((local) => (local === '*' ? address : local))
  return `${ingress} ${addresses.join(',')} ${port}`
}

function domainOf(action: Chain['action']): Digest | undefined {
  return action.kind === 'tls-terminate' ? action.domain.id : undefined
}

function endsTls({ action }: Chain): boolean {
  return action.kind === 'tls-terminate'
}

function speaksHttp({ action }: Chain): boolean {
  return action.kind === 'http' || (action.kind === 'tls-terminate' && action.then.kind === 'http')
}

function defect(message: string): GwProxyError {
  return new GwProxyError('GWP_DEFECT_INVARIANT', message)
}
