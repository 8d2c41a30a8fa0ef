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
import type { ChainTable, HttpListener, Part } from '../../model/snapshot.ts'
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

export class CompiledView implements HttpView {
  readonly listeners: HostTable<LiveListener>
  readonly #hosts: LiveHosts
  readonly #held: readonly Digest[]

  private constructor(
    listeners: HostTable<LiveListener>,
    hosts: LiveHosts,
    held: readonly Digest[],
  ) {
    this.listeners = listeners
    this.#hosts = hosts
    this.#held = held
  }

  /** Throws what a defect in a part throws, after releasing what was acquired. */
  static async compile(
    table: ChainTable,
    part: (digest: Digest) => Part,
    hosts: LiveHosts,
    slice: Slice,
  ): Promise<CompiledView> {
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
    const routesOf = async ({ routes }: HttpListener): Promise<LiveRoutes | undefined> => {
      if (routes === undefined) return undefined
      const source = routeTable(part(routes), routes)
      const { port, grpc } = source
      return { port, hosts: await groupsOf(source.hosts), grpc: grpc && (await groupsOf(grpc)) }
    }
    try {
      const listeners: [pattern: string, listener: LiveListener][] = []
      for (const listener of table.listeners) {
        const live = { key: listener.listener, routes: await routesOf(listener) }
        listeners.push([listener.hostname, live])
      }
      return new CompiledView(new HostTable(listeners), hosts, held)
    } catch (error) {
      for (const digest of held) hosts.drop(digest)
      throw error
    }
  }

  async release(slice: Slice): Promise<void> {
    for (const digest of this.#held) {
      this.#hosts.drop(digest)
      await slice.breathe()
    }
  }
}

function routeTable(part: Part, digest: Digest): RouteTablePart {
  if (part.kind === 'route-table') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no route table`)
}

/** What a slot holds, which the L4 side cannot look into. */
export function compiledView(view: HttpView): CompiledView {
  if (view instanceof CompiledView) return view
  throw new GwProxyError('GWP_DEFECT_INVARIANT', 'a view of another make')
}
