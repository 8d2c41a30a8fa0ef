/**
 * A chain table compiled for exchanges: which listener an authority belongs to and that listener's
 * route table. Replaced as a whole by a reload; the hosts in it are shared with the view before, so
 * that a reload compiles those alone that changed.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { type ListWindow, oldPlace, windowOf } from '../../base/lists.ts'
import { HostGroups } from '../../match/host-groups.ts'
import { HostTable } from '../../match/hostname.ts'
import type { HostRef, RouteTablePart } from '../../model/http.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { ChainTable, HttpListener, KeptPart } from '../../model/snapshot.ts'
import type { Slice } from '../slice.ts'
import type { HttpView } from './contract.ts'
import type { LiveHost, LiveHosts, LiveRule } from './live-hosts.ts'
import type { RequestHead } from './normalize.ts'

export interface LiveListener {
  readonly key: ListenerKey
  /** undefined: the name belongs to a listener that is not HTTP. */
  readonly routes: LiveRoutes | undefined
}

export interface LiveRoutes {
  readonly port: number
  readonly hosts: HostGroups<LiveHost>
  /** For gRPC calls, which fall to `hosts` when nothing here fits. */
  readonly grpc: HostGroups<LiveHost> | undefined
}

/** `host`: the normalised name of the authority, if it is one. */
export function findRule(
  { hosts, grpc }: LiveRoutes,
  { method, path, query, fields }: RequestHead,
  host: string | undefined,
  isGrpc: boolean,
): LiveRule | undefined {
  const header = (key: string): string | undefined => fields.get(key)
  const request = { host, method, path, query, header }
  const found = isGrpc ? grpc?.first(host, request, ruleIn) : undefined
  return found ?? hosts.first(host, request, ruleIn)
}

function ruleIn(host: LiveHost, request: Parameters<LiveHost['find']>[0]): LiveRule | undefined {
  return host.find(request)
}

/** The hosts of a list, in its order. */
interface HeldHosts {
  readonly refs: readonly HostRef[]
  readonly hosts: readonly LiveHost[]
  readonly groups: HostGroups<LiveHost>
}

const NO_HOSTS: HeldHosts = { refs: [], hosts: [], groups: new HostGroups<LiveHost>([]) }

/** A route table of a listener, counted by the views that have it. */
export class CompiledRoutes implements LiveRoutes {
  readonly digest: Digest
  readonly port: number
  readonly hosts: HostGroups<LiveHost>
  readonly grpc: HostGroups<LiveHost> | undefined
  readonly held: HeldHosts
  readonly heldGrpc: HeldHosts | undefined
  holders = 1

  constructor(digest: Digest, port: number, held: HeldHosts, heldGrpc: HeldHosts | undefined) {
    this.digest = digest
    this.port = port
    this.held = held
    this.heldGrpc = heldGrpc
    this.hosts = held.groups
    this.grpc = heldGrpc?.groups
  }
}

/** What views share, by digest: a worker has one. */
export interface SharedRoutes {
  readonly hosts: LiveHosts
  readonly tables: Map<Digest, CompiledRoutes>
}

interface HeldListener extends LiveListener {
  readonly routes: CompiledRoutes | undefined
}

type PartOf = (digest: Digest) => KeptPart

/**
 * Of 10,000 listeners and hosts an edit changes one. Compiled beside the view before, a view takes
 * over what stays by its place in the list, and costs two counters and a copy of the lookup tables.
 */
export class CompiledView implements HttpView {
  readonly listeners: HostTable<LiveListener>
  readonly #shared: SharedRoutes
  readonly refs: readonly HttpListener[]
  /** Of each of them, in their order. */
  readonly held: readonly HeldListener[]

  private constructor(
    listeners: HostTable<LiveListener>,
    shared: SharedRoutes,
    refs: readonly HttpListener[],
    held: readonly HeldListener[],
  ) {
    this.listeners = listeners
    this.#shared = shared
    this.refs = refs
    this.held = held
  }

  /**
   * `before`: not yet released; undefined: there is none. Throws what a defect in a part throws,
   * after releasing what was acquired.
   */
  static async compile(
    { listeners: refs }: ChainTable,
    part: PartOf,
    shared: SharedRoutes,
    slice: Slice,
    before?: CompiledView,
  ): Promise<CompiledView> {
    const window = windowOf(before?.refs ?? [], refs, isSameListener)
    const replaced = before && replacedIn(before, window)
    const held: HeldListener[] = []
    try {
      let place = 0
      for (const ref of refs) {
        const old = before?.held[oldPlace(window, place++) ?? -1]
        if (old === undefined) {
          const other = replaced?.get(ref.listener)
          held.push(await holdListener(ref, part, shared, slice, other))
          if (slice.isOver) await slice.breathe()
        } else {
          if (old.routes !== undefined) old.routes.holders += 1
          held.push(old)
        }
      }
      const names = before && changedNames(window, before.refs, refs)
      const table =
        before === undefined || names === undefined
          ? new HostTable(named(refs, held))
          : before.listeners.edited(firstOf(names, refs, held))
      return new CompiledView(table, shared, refs, held)
    } catch (error) {
      for (const { routes } of held) if (routes !== undefined) drop(routes, shared)
      throw error
    }
  }

  async release(slice: Slice): Promise<void> {
    for (const { routes } of this.held) {
      if (routes === undefined) continue
      for (const host of letGo(routes, this.#shared)) {
        if (this.#shared.hosts.drop(host) && slice.isOver) await slice.breathe()
      }
    }
  }
}

/** Route tables that others may take the place of, by listener. */
function replacedIn(
  { held }: CompiledView,
  { start, removed }: ListWindow,
): ReadonlyMap<ListenerKey, CompiledRoutes | undefined> {
  return new Map(held.slice(start, start + removed).map(({ key, routes }) => [key, routes]))
}

async function holdListener(
  { listener, routes }: HttpListener,
  part: PartOf,
  shared: SharedRoutes,
  slice: Slice,
  before: CompiledRoutes | undefined,
): Promise<HeldListener> {
  const held = routes === undefined ? undefined : await hold(routes, part, shared, slice, before)
  return { key: listener, routes: held }
}

/** The table itself, if any view has it. `before`: the one that it takes the place of. */
async function hold(
  digest: Digest,
  part: PartOf,
  { hosts, tables }: SharedRoutes,
  slice: Slice,
  before: CompiledRoutes | undefined,
): Promise<CompiledRoutes> {
  const known = tables.get(digest)
  if (known !== undefined) {
    known.holders += 1
    return known
  }
  const { port, hosts: refs, grpc } = routeTable(part(digest), digest)
  const held = await holdHosts(refs, before?.held, part, hosts, slice)
  try {
    const heldGrpc = grpc && (await holdHosts(grpc, before?.heldGrpc, part, hosts, slice))
    const made = new CompiledRoutes(digest, port, held, heldGrpc)
    // Configurations are compiled one after the other: nobody has made it meanwhile.
    tables.set(digest, made)
    return made
  } catch (error) {
    for (const host of held.hosts) hosts.drop(host)
    throw error
  }
}

async function holdHosts(
  refs: readonly HostRef[],
  before: HeldHosts = NO_HOSTS,
  part: PartOf,
  live: LiveHosts,
  slice: Slice,
): Promise<HeldHosts> {
  if (refs.length === 0) return NO_HOSTS
  const window = windowOf(before.refs, refs, isSameHost)
  const hosts: LiveHost[] = []
  try {
    let place = 0
    for (const { routes } of refs) {
      const old = before.hosts[oldPlace(window, place++) ?? -1]
      hosts.push(old?.hold() ?? live.hold(routes, part))
      if (old === undefined && slice.isOver) await slice.breathe()
    }
    const names = changedNames(window, before.refs, refs)
    const groups =
      names === undefined
        ? new HostGroups(named(refs, hosts))
        : before.groups.edited(names, named(refs, hosts, names))
    return { refs, hosts, groups }
  } catch (error) {
    for (const host of hosts) live.drop(host)
    throw error
  }
}

/** More names are not changed one by one. */
const FEW_NAMES = 64

interface Named {
  readonly hostname: string
}

/** The hostnames of what differs; undefined: too many, or there was nothing before. */
function changedNames(
  { start, removed, inserted }: ListWindow,
  before: readonly Named[],
  now: readonly Named[],
): ReadonlySet<string> | undefined {
  if (before.length === 0 || removed + inserted > FEW_NAMES) return undefined
  const changed = [...before.slice(start, start + removed), ...now.slice(start, start + inserted)]
  return new Set(changed.map(({ hostname }) => hostname))
}

/** What these names have in a list: the first that has one. */
function firstOf<T>(
  names: ReadonlySet<string>,
  refs: readonly Named[],
  values: readonly T[],
): ReadonlyMap<string, T | undefined> {
  const first = new Map<string, T | undefined>()
  for (const name of names) first.set(name, undefined)
  for (const [name, value] of named(refs, values, names)) {
    if (first.get(name) === undefined) first.set(name, value)
  }
  return first
}

/** Values by the hostnames of `refs`, which are as many; of these names alone, if there are some. */
function* named<T>(
  refs: readonly Named[],
  values: readonly T[],
  names?: ReadonlySet<string>,
): Generator<readonly [hostname: string, value: T]> {
  let at = 0
  for (const value of values) {
    const hostname = refs[at++]?.hostname
    if (hostname !== undefined && names?.has(hostname) !== false) yield [hostname, value]
  }
}

function isSameListener(a: HttpListener, b: HttpListener): boolean {
  return a.hostname === b.hostname && a.listener === b.listener && a.routes === b.routes
}

function isSameHost(a: HostRef, b: HostRef): boolean {
  return a.hostname === b.hostname && a.routes === b.routes
}

function drop(routes: CompiledRoutes, shared: SharedRoutes): void {
  for (const host of letGo(routes, shared)) shared.hosts.drop(host)
}

/** The hosts that nobody holds by this table any longer. */
function letGo(routes: CompiledRoutes, { tables }: SharedRoutes): readonly LiveHost[] {
  if (routes.holders === 0) {
    throw new GwProxyError(
      'GWP_DEFECT_INVARIANT',
      `released more often than held: ${routes.digest}`,
    )
  }
  routes.holders -= 1
  if (routes.holders > 0) return []
  tables.delete(routes.digest)
  return [...routes.held.hosts, ...(routes.heldGrpc?.hosts ?? [])]
}

function routeTable(part: KeptPart, digest: Digest): RouteTablePart {
  if (part.kind === 'route-table') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no route table`)
}

/** What a slot holds, which the L4 side cannot look into. */
export function compiledView(view: HttpView): CompiledView {
  if (view instanceof CompiledView) return view
  throw new GwProxyError('GWP_DEFECT_INVARIANT', 'a view of another make')
}
