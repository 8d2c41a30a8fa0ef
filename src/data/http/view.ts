/**
 * A chain table compiled for exchanges: which listener an authority belongs to and that listener's
 * route table. Replaced as a whole by a reload; the hosts in it are shared with the view before, so
 * that a reload compiles those alone that changed.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { HostGroups } from '../../match/host-groups.ts'
import { HostTable } from '../../match/hostname.ts'
import type { HostRef, RouteTablePart } from '../../model/http.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { ChainTable, KeptPart } from '../../model/snapshot.ts'
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

/** A route table of a listener, counted by the views that have it. */
export class CompiledRoutes implements LiveRoutes {
  readonly port: number
  readonly hosts: HostGroups<LiveHost>
  readonly grpc: HostGroups<LiveHost> | undefined
  readonly held: readonly Digest[]
  holders = 1

  constructor(
    { hosts, grpc, port }: { [Key in keyof LiveRoutes]: LiveRoutes[Key] },
    held: readonly Digest[],
  ) {
    this.port = port
    this.hosts = hosts
    this.grpc = grpc
    this.held = held
  }
}

/** What views share, by digest: a worker has one. */
export interface SharedRoutes {
  readonly hosts: LiveHosts
  readonly tables: Map<Digest, CompiledRoutes>
}

export class CompiledView implements HttpView {
  readonly listeners: HostTable<LiveListener>
  readonly #shared: SharedRoutes
  readonly #held: readonly Digest[]

  private constructor(
    listeners: HostTable<LiveListener>,
    shared: SharedRoutes,
    held: readonly Digest[],
  ) {
    this.listeners = listeners
    this.#shared = shared
    this.#held = held
  }

  /** Throws what a defect in a part throws, after releasing what was acquired. */
  static async compile(
    table: ChainTable,
    part: (digest: Digest) => KeptPart,
    shared: SharedRoutes,
    slice: Slice,
  ): Promise<CompiledView> {
    const held: Digest[] = []
    try {
      const listeners: [pattern: string, listener: LiveListener][] = []
      for (const { hostname, listener, routes } of table.listeners) {
        const live = routes === undefined ? undefined : await hold(routes, part, shared, slice)
        if (routes !== undefined) held.push(routes)
        listeners.push([hostname, { key: listener, routes: live }])
        await slice.breathe()
      }
      return new CompiledView(new HostTable(listeners), shared, held)
    } catch (error) {
      for (const digest of held) for (const host of drop(digest, shared)) shared.hosts.drop(host)
      throw error
    }
  }

  async release(slice: Slice): Promise<void> {
    for (const digest of this.#held) {
      for (const host of drop(digest, this.#shared)) {
        this.#shared.hosts.drop(host)
        await slice.breathe()
      }
      await slice.breathe()
    }
  }
}

/** The table itself, if any view has it. */
async function hold(
  digest: Digest,
  part: (digest: Digest) => KeptPart,
  { hosts, tables }: SharedRoutes,
  slice: Slice,
): Promise<CompiledRoutes> {
  const known = tables.get(digest)
  if (known !== undefined) {
    known.holders += 1
    return known
  }
  const held: Digest[] = []
  const groupsOf = async (refs: readonly HostRef[]): Promise<HostGroups<LiveHost>> => {
    const entries: [hostname: string, host: LiveHost][] = []
    for (const { hostname, routes } of refs) {
      entries.push([hostname, hosts.hold(routes, part)])
      held.push(routes)
      await slice.breathe()
    }
    return new HostGroups(entries)
  }
  try {
    const { port, hosts: refs, grpc } = routeTable(part(digest), digest)
    const groups = { hosts: await groupsOf(refs), grpc: grpc && (await groupsOf(grpc)) }
    const made = new CompiledRoutes({ port, ...groups }, held)
    // Configurations are compiled one after the other: nobody has made it meanwhile.
    tables.set(digest, made)
    return made
  } catch (error) {
    for (const host of held) hosts.drop(host)
    throw error
  }
}

/** The hosts that nobody holds by this table any longer. */
function drop(digest: Digest, { tables }: SharedRoutes): readonly Digest[] {
  const table = tables.get(digest)
  if (table === undefined) {
    throw new GwProxyError('GWP_DEFECT_INVARIANT', `released more often than held: ${digest}`)
  }
  table.holders -= 1
  if (table.holders > 0) return []
  tables.delete(digest)
  return table.held
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
