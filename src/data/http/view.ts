/**
 * A chain table compiled for exchanges: which listener an authority belongs to, that listener's
 * route table, and the live backends of each rule. Replaced as a whole by a reload.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { HostTable } from '../../match/hostname.ts'
import { compileRouteTable, type RouteTable } from '../../match/http/table.ts'
import type { HttpRule, RouteTablePart } from '../../model/http.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { ChainTable, HttpListener, Part } from '../../model/snapshot.ts'
import type { BackendSet, Registry } from '../upstream/contract.ts'
import type { HttpView } from './contract.ts'

export interface LiveListener {
  readonly key: ListenerKey
  /** undefined: the name belongs to a listener that is not HTTP. */
  readonly routes: LiveRoutes | undefined
}

export interface LiveRoutes {
  readonly port: number
  readonly table: RouteTable
  readonly rules: readonly LiveRule[]
}

export interface LiveRule {
  readonly rule: HttpRule
  /** For `forward` only. */
  readonly backends: BackendSet | undefined
}

export class CompiledView implements HttpView {
  readonly listeners: HostTable<LiveListener>
  #held: BackendSet[] = []

  /** Throws what a defect in a part throws, after releasing what was acquired. */
  constructor(table: ChainTable, part: (digest: Digest) => Part, registry: Registry) {
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
      routes: { port: source.port, table: compileRouteTable(source), rules },
    }
  }

  #rule(rule: HttpRule, part: (digest: Digest) => Part, registry: Registry): LiveRule {
    if (rule.action.kind !== 'forward') return { rule, backends: undefined }
    const backends = registry.acquire(rule.id, rule.action.backends, part)
    this.#held.push(backends)
    return { rule, backends }
  }
}

function routeTable(part: Part, digest: Digest): RouteTablePart {
  if (part.kind === 'route-table') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no route table`)
}
