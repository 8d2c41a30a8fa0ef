/**
 * A chain table compiled for exchanges: which listener an authority belongs to, that listener's
 * route table, and the live backends of each rule. Replaced as a whole by a reload.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { HostTable } from '../../match/hostname.ts'
import { compileGrpcTable, type GrpcTable } from '../../match/grpc/table.ts'
import { compileRouteTable, type RouteTable } from '../../match/http/table.ts'
import type { ExternalAuthFilter, HttpFilter, MirrorFilter } from '../../model/http-filter.ts'
import type { HttpRule, RouteTablePart } from '../../model/http.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { ChainTable, HttpListener, Part } from '../../model/snapshot.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
import type { BackendSet, Holds, Registry } from '../upstream/contract.ts'
import type { Guards } from './auth/authorize.ts'
import type { HttpView } from './contract.ts'
import type { RequestHead } from './normalize.ts'
import { RuleSessions, type SessionOptions } from './session.ts'

export interface LiveListener {
  readonly key: ListenerKey
  /** undefined: the name belongs to a listener that is not HTTP. */
  readonly routes: LiveRoutes | undefined
}

export interface LiveRoutes {
  readonly port: number
  readonly table: RouteTable
  /** For gRPC calls, which fall to `table` when nothing here fits. */
  readonly grpc: GrpcTable | undefined
  readonly rules: readonly LiveRule[]
}

export interface LiveRule {
  readonly rule: HttpRule
  /** For `forward` only. */
  readonly backends: BackendSet | undefined
  /** Of a rule whose clients stay where they were. */
  readonly sessions: RuleSessions | undefined
  /** The share of each mirror, at rule and at backend level. */
  readonly mirrors: ReadonlyMap<HttpFilter, BackendSet>
  /** The service of each external auth filter, as mirrors; undefined: there is none. */
  readonly guards: Guards | undefined
}

/** `host`: the normalised name of the authority, if it is one. */
export function findRule(
  { table, grpc, rules }: LiveRoutes,
  { method, path, query, fields }: RequestHead,
  host: string | undefined,
  isGrpc: boolean,
): LiveRule | undefined {
  const header = (key: string): string | undefined => fields.get(key)
  const request = { host, method, path, query, header }
  const match = (isGrpc ? grpc?.lookup(request) : undefined) ?? table.lookup(request)
  return match && rules[match.rule]
}

export class CompiledView implements HttpView {
  readonly listeners: HostTable<LiveListener>
  readonly #sessions: SessionOptions
  #held: BackendSet[] = []

  /** Throws what a defect in a part throws, after releasing what was acquired. */
  constructor(
    table: ChainTable,
    part: (digest: Digest) => Part,
    registry: Registry,
    sessions: SessionOptions,
  ) {
    this.#sessions = sessions
    try {
      const listeners = table.listeners.map(
        (listener) => [listener.hostname, this.#listener(listener, part, registry)] as const,
      )
      this.listeners = new HostTable(listeners)
    } catch (error) {
      this.release()
      throw error
    }
  }

  release(): void {
    const held = this.#held
    this.#held = []
    for (const backends of held) backends.release()
  }

  #listener(
    { listener, routes }: HttpListener,
    part: (digest: Digest) => Part,
    registry: Registry,
  ): LiveListener {
    if (routes === undefined) return { key: listener, routes: undefined }
    const source = routeTable(part(routes), routes)
    const rules = source.rules.map((rule) => this.#rule(rule, part, registry))
    return {
      key: listener,
      routes: {
        port: source.port,
        table: compileRouteTable(source),
        grpc: source.grpc && compileGrpcTable(source.grpc),
        rules,
      },
    }
  }

  #rule(rule: HttpRule, part: (digest: Digest) => Part, registry: Registry): LiveRule {
    const { session, action } = rule
    const hold = (id: string, list: readonly WeightedUpstream[], holds?: Holds): BackendSet => {
      const held = registry.acquire(id, list, part, holds)
      this.#held.push(held)
      return held
    }
    const mirrors = new Map<HttpFilter, BackendSet>()
    const guards = new Map<HttpFilter, BackendSet>()
    const backendsOf = action.kind === 'forward' ? action.backends : []
    const filters = [rule, ...backendsOf].flatMap((owner) => owner.filters)
    for (const filter of action.kind === 'fail' ? [] : filters) {
      if (filter.kind === 'request-mirror') mirrors.set(filter, hold(filter.id, shareOf(filter)))
      if (filter.kind === 'external-auth') guards.set(filter, hold(filter.id, [wholly(filter)]))
    }
    const own = { rule, mirrors, guards: guards.size === 0 ? undefined : guards }
    if (action.kind !== 'forward') return { ...own, backends: undefined, sessions: undefined }
    const backends = hold(rule.id, action.backends, session && 'all')
    const sessions = session && new RuleSessions(session, action.backends, backends, this.#sessions)
    return { ...own, backends, sessions }
  }
}

function wholly({ target }: ExternalAuthFilter): WeightedUpstream {
  return { weight: 1, target, filters: [] }
}

/** A mirror is a weighted choice between its target and nothing: exact shares, evenly spread. */
function shareOf({ target, numerator, denominator }: MirrorFilter): readonly WeightedUpstream[] {
  return [
    { weight: numerator, target, filters: [] },
    { weight: denominator - numerator, target: NOTHING, filters: [] },
  ]
}

const NOTHING = { kind: 'invalid', name: '', message: 'not mirrored' } as const

function routeTable(part: Part, digest: Digest): RouteTablePart {
  if (part.kind === 'route-table') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no route table`)
}
