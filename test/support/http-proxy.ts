/**
 * The HTTP layer alone: a HttpHub with the real registry behind a plain or TLS server of the test,
 * which hands every accepted socket in. One chain table, as a bind would have it.
 */
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import type { Digest } from '../../src/base/brand.ts'
import { messageOf } from '../../src/base/errors.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { HttpDownstream, HttpSlot, HttpView } from '../../src/data/http/contract.ts'
import { createHttpHub } from '../../src/data/http/hub.ts'
import { resetSocket } from '../../src/data/io/relay-end.ts'
import { Slice } from '../../src/data/slice.ts'
import { createRegistry } from '../../src/data/upstream/registry.ts'
import { DEFAULT_LIMITS, type Limits } from '../../src/ipc/messages.ts'
import type { AuthService, ExternalAuthFilter, HttpFilter } from '../../src/model/http-filter.ts'
import type { GrpcMatch, HttpMatch, HttpRule, RouteTablePart } from '../../src/model/http.ts'
import { type Outcome, outcomeRow } from '../../src/model/outcome.ts'
import type { ListenerKey } from '../../src/model/identity.ts'
import type { Part } from '../../src/model/snapshot.ts'
import type { UpstreamPart, UpstreamProtocol, WeightedUpstream } from '../../src/model/upstream.ts'
import type { ConnectionRecord, ExchangeRecord } from '../../src/observe/access-log.ts'
import { testCertificate } from './certificates.ts'
import { Parts } from './route-tables.ts'

export interface TestListener {
  readonly hostname: string
  readonly rules: readonly TestRule[]
  /** Rules of a GRPCRoute. */
  readonly grpc?: readonly TestGrpcRule[]
}

export interface TestGrpcRule extends Omit<TestRule, 'prefix' | 'match' | 'protocol'> {
  readonly call?: Partial<GrpcMatch>
}

export interface TestRule extends Partial<Omit<HttpRule, 'id' | 'route'>> {
  /** `/` by default. */
  readonly prefix?: string
  readonly match?: Partial<HttpMatch>
  /** Ports on 127.0.0.1: one backend each. */
  readonly ports?: readonly number[]
  readonly protocol?: UpstreamProtocol
  readonly backends?: readonly WeightedUpstream[]
  /** Weighted backends of the rule, by ports. */
  readonly shares?: readonly TestShare[]
  /** Mirrors of the rule: ports and shares. */
  readonly mirrors?: readonly TestMirror[]
  /** External auth services of the rule, before its other filters. */
  readonly auth?: readonly TestAuth[]
}

export interface TestShare {
  readonly weight: number
  readonly ports: readonly number[]
  readonly filters?: readonly HttpFilter[]
  readonly auth?: readonly TestAuth[]
}

export interface TestMirror {
  readonly port: number
  readonly numerator?: number
  readonly denominator?: number
}

/** Over HTTP unless it says otherwise. */
export interface TestAuth extends Partial<Omit<ExternalAuthFilter, 'kind' | 'id' | 'target'>> {
  readonly port: number
  /** That of the service by default. */
  readonly protocol?: UpstreamProtocol
}

export interface ProxyOptions {
  readonly listeners: readonly TestListener[]
  readonly tls?: boolean
  /** The listener that the SNI is taken to have chosen; by default none was. */
  readonly own?: string
  readonly limits?: Partial<Limits>
  readonly trustedProxies?: readonly string[]
  readonly sessionSecret?: string
}

export class TestSlot implements HttpSlot {
  view: HttpView | undefined
  readonly #callbacks = new Set<() => void>()

  onRetired(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  retire(): void {
    this.view = undefined
    for (const callback of this.#callbacks) callback()
  }
}

export type TestProxy = Awaited<ReturnType<typeof startProxy>>

export async function startProxy(options: ProxyOptions) {
  const records: ExchangeRecord[] = []
  const outcomes: Outcome[] = []
  const waiting = new Set<() => void>()
  const defects: unknown[] = []
  const registry = createRegistry({ clock: systemClock, onNameFailed: () => {}, keyOf: () => '' })
  const hub = createHttpHub({
    clock: systemClock,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    registry,
    trustedProxies: options.trustedProxies ?? [],
    sessionSecret: options.sessionSecret ?? '',
    onDefect: (error) => void defects.push(error),
    accessLog: {
      connection: (_record: ConnectionRecord) => {},
      exchange: (record) => {
        records.push(record)
        for (const wake of waiting) wake()
      },
    },
  })
  const slot = new TestSlot()
  const load = async (listeners: readonly TestListener[]) => {
    const before = slot.view
    slot.view = await compile(hub, listeners)
    await before?.release(new Slice())
  }
  await load(options.listeners)
  const sockets = new Set<net.Socket>()
  const accept = (socket: net.Socket) => {
    sockets.add(socket)
    const secure = socket instanceof tls.TLSSocket
    const h2 = secure ? socket.alpnProtocol === 'h2' : undefined
    const enter = (protocol: 'h2' | 'http/1.1') =>
      hub.accept(downstreamOf(socket, protocol, slot, options.own, outcomes))
    if (h2 !== undefined) enter(h2 ? 'h2' : 'http/1.1')
    else sniff(socket, enter)
  }
  const server = options.tls === true ? await tlsServer(accept) : plainServer(accept)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = (server.address() as net.AddressInfo).port
  return {
    port,
    hub,
    slot,
    records,
    outcomes,
    load,
    origin: `${options.tls === true ? 'https' : 'http'}://localhost:${port}`,
    /** The `count`th record from the start, once it is written. */
    async record(count = 1): Promise<ExchangeRecord> {
      for (;;) {
        const record = records[count - 1]
        if (record !== undefined) return record
        const { promise, resolve } = Promise.withResolvers<void>()
        waiting.add(resolve)
        await promise
        waiting.delete(resolve)
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await slot.view?.release(new Slice())
      server.close()
      await once(server, 'close')
    },
  }
}

function plainServer(accept: (socket: net.Socket) => void): net.Server {
  return net.createServer({ allowHalfOpen: true, noDelay: true }, accept)
}

async function tlsServer(accept: (socket: net.Socket) => void): Promise<net.Server> {
  const certificate = await testCertificate(['localhost'])
  return tls.createServer(
    { key: certificate.keyPem, cert: certificate.certPem, ALPNProtocols: ['h2', 'http/1.1'] },
    accept,
  )
}

/** As the L4 side does: the HTTP/2 preface decides on cleartext. */
function sniff(socket: net.Socket, enter: (protocol: 'h2' | 'http/1.1') => void): void {
  socket.once('error', () => {})
  socket.once('readable', () => {
    const head: Buffer = socket.read() ?? Buffer.alloc(0)
    if (head.length > 0) socket.unshift(head)
    enter(head.subarray(0, 3).toString('latin1') === 'PRI' ? 'h2' : 'http/1.1')
  })
}

function downstreamOf(
  socket: net.Socket,
  protocol: 'h2' | 'http/1.1',
  slot: HttpSlot,
  own: string | undefined,
  outcomes: Outcome[],
): HttpDownstream {
  const secure = socket instanceof tls.TLSSocket
  return {
    socket,
    protocol,
    connectionId: 'c1',
    peer: `127.0.0.1:${socket.remotePort ?? 0}`,
    ends: {
      source: { address: '127.0.0.1', port: socket.remotePort ?? 0 },
      destination: { address: '127.0.0.1', port: 8443 },
    },
    sni: undefined,
    tls: secure
      ? { version: 'TLSv1.3', cipher: '', group: undefined, alpn: protocol, resumed: false }
      : undefined,
    listener: own as ListenerKey | undefined,
    slot,
    exchangeStarted: () => {},
    end: (outcome) => {
      outcomes.push(outcome)
      // What the L4 side does with a connection that ended: by the outcome table.
      if (outcomeRow(outcome.reason).l4 === 'reset') resetSocket(socket)
      else socket.destroySoon()
    },
    fail(error) {
      this.end({ reason: 'internal-error', detail: messageOf(error) })
    },
  }
}

type Hub = ReturnType<typeof createHttpHub>

function compile(hub: Hub, listeners: readonly TestListener[]): Promise<HttpView> {
  const parts = new Parts()
  const add = (part: Part): Digest => parts.add(part)
  return hub.compile(
    {
      localAddresses: ['*'],
      chains: [],
      listeners: listeners.map((listener) => ({
        hostname: listener.hostname,
        listener: listenerKey(listener.hostname),
        routes: add(routeTable(listener, add)),
      })),
    },
    (digest) => {
      const part = parts.get(digest)
      if (part === undefined) throw new Error(`no part ${digest}`)
      return part
    },
    new Slice(),
  )
}

export function listenerKey(hostname: string): ListenerKey {
  return `Gateway/default/web/${hostname === '' ? 'any' : hostname}` as ListenerKey
}

function routeTable(listener: TestListener, add: (part: Part) => Digest): RouteTablePart {
  const { grpc = [] } = listener
  const rules = [
    ...listener.rules.map((rule, index) => httpRule(rule, index, add)),
    ...grpc.map(({ call: _, ...rule }, index) =>
      httpRule({ protocol: 'h2c', ...rule }, listener.rules.length + index, add),
    ),
  ]
  const matches = listener.rules.map(
    (rule, index): HttpMatch => ({
      path: { kind: 'prefix', value: (rule.prefix ?? '').replace(/\/$/, '') },
      headers: [],
      query: [],
      ...rule.match,
      rule: index,
    }),
  )
  const length = ({ path }: HttpMatch) => (path.kind === 'prefix' ? path.value.length : 10_000)
  return {
    kind: 'route-table',
    listener: listenerKey(listener.hostname),
    port: 8443,
    hosts: [
      {
        hostname: listener.hostname,
        routes: add({
          kind: 'http-host',
          rules,
          matches: matches.sort((a, b) => length(b) - length(a)),
        }),
      },
    ],
    ...(grpc.length > 0 && {
      grpc: [
        {
          hostname: listener.hostname,
          routes: add({
            kind: 'grpc-host',
            rules,
            matches: grpc.map(({ call }, index): GrpcMatch => {
              return { headers: [], ...call, rule: listener.rules.length + index }
            }),
          }),
        },
      ],
    }),
  }
}

function httpRule(rule: TestRule, index: number, add: (part: Part) => Digest): HttpRule {
  const { prefix: _p, match: _m, ports = [], protocol = 'http/1.1', backends, ...more } = rule
  const { mirrors = [], auth = [], shares = [{ weight: 1, ports }], ...rest } = more
  const weighted = shares.map((share: TestShare, place): WeightedUpstream => {
    const { weight, filters = [] } = share
    const target = { kind: 'upstream', upstream: add(upstreamPart(share.ports, protocol)) } as const
    const guards = share.auth?.map((guard) => authFilter(guard, `b${index}/${place}`, add)) ?? []
    return { weight, target, filters: [...guards, ...filters] }
  })
  const copies = mirrors.map(({ port, numerator = 1, denominator = 1 }, place): HttpFilter => {
    const target = { kind: 'upstream', upstream: add(upstreamPart([port], protocol)) } as const
    return { kind: 'request-mirror', id: `m${index}/${place}`, target, numerator, denominator }
  })
  const guards = auth.map((guard, place) => authFilter(guard, `a${index}/${place}`, add))
  return {
    id: `HTTPRoute/default/web/${index}`,
    route: { kind: 'HTTPRoute', namespace: 'default', name: 'web' },
    timeouts: {},
    action: {
      kind: 'forward',
      backends: backends ?? weighted,
    },
    ...rest,
    filters: [...guards, ...(rest.filters ?? []), ...copies],
  }
}

function authFilter(guard: TestAuth, id: string, add: (part: Part) => Digest): ExternalAuthFilter {
  const { port, service = httpAuth(), maxBodyBytes = 0 } = guard
  const { protocol = service.kind === 'grpc' ? 'h2c' : 'http/1.1' } = guard
  const target = { kind: 'upstream', upstream: add(upstreamPart([port], protocol)) } as const
  return { kind: 'external-auth', id, target, service, maxBodyBytes }
}

type HttpAuth = Extract<AuthService, { kind: 'http' }>

export function httpAuth(settings: Partial<HttpAuth> = {}): AuthService {
  const defaults = {
    kind: 'http',
    pathPrefix: '',
    requestHeaders: [],
    responseHeaders: 'all',
  } as const
  return { ...defaults, ...settings }
}

export function grpcAuth(requestHeaders: 'all' | readonly string[] = 'all'): AuthService {
  return { kind: 'grpc', authority: 'auth.default', requestHeaders }
}

function upstreamPart(ports: readonly number[], protocol: UpstreamProtocol): UpstreamPart {
  return {
    kind: 'upstream',
    name: `Service/default/web:${ports.join('+')}`,
    protocol,
    endpoints: ports.map((port) => ({ kind: 'ip', address: '127.0.0.1', port })),
  }
}
