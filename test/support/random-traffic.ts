/**
 * Random configurations and random requests that meet them, drawn from few names, paths and fields
 * so that rules overlap often: for tests that compare two opinions on who wins.
 */
import fc from 'fast-check'
import * as m from './manifests.ts'

export const PORTS = { http: 8080, tls: 8443 } as const

export interface Drawn {
  /** Index of the Gateway whose address the client connects to. */
  readonly gateway: number
  readonly kind: 'http' | 'https' | 'grpc' | 'grpcs' | 'tls'
  /** SNI behind TLS. */
  readonly host: string
  readonly authority: string
  readonly method: string
  readonly path: string
  readonly fields: Readonly<Record<string, string>>
}

const PATTERNS = [undefined, '*.test', 'a.test', 'b.test', '*.a.test', 'x.a.test'] as const
const NAMES = ['a.test', 'a.test', 'b.test', 'x.a.test', 'y.x.a.test', 'other.example'] as const
/** Names of their own: a GRPCRoute and an HTTPRoute with a name in common are a conflict. */
const CALLED = ['rpc.test', 'one.rpc.test'] as const
const PATHS = ['/', '/x', '/x/', '/x/1', '/xy', '/x/../y', '/y?q=1', '/y?q=2&q=1', '/%78', '/z.1']

const pattern = fc.constantFrom(...PATTERNS)
const named = <T>(...patterns: readonly T[]) =>
  fc.uniqueArray(fc.constantFrom(...patterns), { minLength: 1, maxLength: 3 })
const hostnames = named(...PATTERNS.filter((one) => one !== undefined))

/** One of the two, or none that exists. */
const backends = fc
  .uniqueArray(fc.constantFrom('app', 'app', 'other', 'missing'), { minLength: 1, maxLength: 2 })
  .map((names) => names.map((name) => m.backendRef(name)))

const headerMatch = fc.record({
  name: fc.constantFrom('x-a', 'X-B'),
  value: fc.constantFrom('1', '2'),
})
const regexMatch = fc.record({
  type: fc.constant('RegularExpression'),
  name: fc.constantFrom('x-a', 'x-b'),
  value: fc.constantFrom('[12]', '2+'),
})
const headers = fc.uniqueArray(fc.oneof(headerMatch, regexMatch), {
  minLength: 1,
  maxLength: 2,
  selector: ({ name: of }) => of.toLowerCase(),
})
const path = fc.oneof(
  fc.record({ type: fc.constant('Exact'), value: fc.constantFrom('/x', '/', '/x/1') }),
  fc.record({ type: fc.constant('PathPrefix'), value: fc.constantFrom('/', '/x', '/y', '/x/') }),
  fc.record({
    type: fc.constant('RegularExpression'),
    value: fc.constantFrom('/x.*', '/[xy]', '/z\\.1'),
  }),
)
const httpMatch = fc.record(
  {
    path,
    headers,
    method: fc.constantFrom('GET', 'POST', 'OPTIONS'),
    queryParams: fc.constant([{ name: 'q', value: '1' }]),
  },
  { requiredKeys: [] },
)
const httpFilter = fc.constantFrom(
  { type: 'URLRewrite', urlRewrite: { hostname: 'inner.test' } },
  {
    type: 'RequestHeaderModifier',
    requestHeaderModifier: { set: [{ name: 'x-a', value: 'changed' }] },
  },
  { type: 'RequestRedirect', requestRedirect: { hostname: 'moved.test', statusCode: 301 } },
  { type: 'CORS', cors: { allowOrigins: ['https://ok.test'], allowMethods: ['GET'] } },
)
const httpRule = fc.record(
  {
    matches: fc.array(httpMatch, { minLength: 1, maxLength: 2 }),
    filters: fc.array(httpFilter, { maxLength: 1 }),
    backendRefs: backends,
  },
  { requiredKeys: ['backendRefs'] },
)

const grpcMethod = fc.record(
  {
    type: fc.constantFrom('Exact', 'RegularExpression'),
    service: fc.constantFrom('s.One', 's.Two', 's.+'),
    method: fc.constantFrom('Get', 'Put'),
  },
  { requiredKeys: ['service'] },
)
const grpcMatch = fc.record({ method: grpcMethod, headers }, { requiredKeys: [] })
const grpcRule = fc.record(
  { matches: fc.array(grpcMatch, { minLength: 1, maxLength: 2 }), backendRefs: backends },
  { requiredKeys: ['backendRefs'] },
)

const rules = <T>(rule: fc.Arbitrary<T>) => fc.array(rule, { minLength: 1, maxLength: 3 })
const GATEWAYS = ['gw', 'second']
const parent = fc
  .record({
    gateway: fc.constantFrom(...GATEWAYS),
    sectionName: fc.constantFrom(undefined, undefined, undefined, 'http-0', 'tls-0'),
  })
  .map(({ gateway, sectionName }) =>
    sectionName === undefined ? { gateway } : { gateway, sectionName },
  )

const several = <T>(route: fc.Arbitrary<T>) => fc.array(route, { minLength: 3, maxLength: 8 })
const routes = fc.record({
  http: several(fc.tuple(hostnames, rules(httpRule), parent)),
  grpc: several(fc.tuple(named(...CALLED, '*.rpc.test'), rules(grpcRule), parent)),
  tls: several(fc.tuple(hostnames, backends, parent)),
})

/** Each hostname once on a port: others are conflicts, where nobody serves. */
const listeners = fc.record({
  http: fc.uniqueArray(pattern, { minLength: 2, maxLength: 5 }),
  tls: fc.uniqueArray(
    fc.record({
      hostname: pattern,
      kind: fc.constantFrom('https', 'https', 'https', 'passthrough', 'terminate'),
      certificates: fc.shuffledSubarray(['cert-a', 'cert-b'], { minLength: 1 }),
    }),
    { minLength: 3, maxLength: 6, selector: ({ hostname }) => hostname },
  ),
})

/**
 * A Gateway on each of the two addresses, and routes; Services `app` and `other` and the two
 * certificates are the test's own. `prefix` of the routes' names: a daemon remembers how old a name
 * is, and age decides conflicts.
 */
export function configuration(
  prefix: string,
  addresses: readonly string[],
): fc.Arbitrary<readonly m.Manifest[]> {
  return fc.record({ first: listeners, second: listeners, routes }).map((drawn) => [
    ...[drawn.first, drawn.second].map((own, i) =>
      m.gateway(listenersOf(own), {
        name: GATEWAYS[i] ?? '',
        addresses: [{ value: addresses[i] }],
      }),
    ),
    ...drawn.routes.http.map(([names, list, on], i) =>
      m.httpRoute(`${prefix}-h${i}`, names, list, on),
    ),
    ...drawn.routes.grpc.map(([names, list, on], i) =>
      m.grpcRoute(`${prefix}-g${i}`, names, list, on),
    ),
    ...drawn.routes.tls.map(([names, refs, on], i) =>
      m.tlsRoute(`${prefix}-t${i}`, names, refs, on),
    ),
  ])
}

type Listeners = typeof listeners extends fc.Arbitrary<infer T> ? T : never

function listenersOf({ http, tls }: Listeners): readonly m.Manifest[] {
  return [
    ...http.map((hostname, i) => m.httpListener(`http-${i}`, PORTS.http, hostname)),
    ...tls.map(({ hostname, kind, certificates }, i) =>
      m.tlsListener(
        `tls-${i}`,
        PORTS.tls,
        hostname,
        kind === 'passthrough' ? kind : certificates,
        kind === 'https' ? 'HTTPS' : 'TLS',
      ),
    ),
  ]
}

const fields = fc
  .record(
    {
      'x-a': fc.constantFrom('1', '2'),
      'x-b': fc.constantFrom('1', '22'),
      origin: fc.constantFrom('https://ok.test', 'https://evil.test'),
      'access-control-request-method': fc.constant('GET'),
    },
    { requiredKeys: [] },
  )
  .map((drawn): Readonly<Record<string, string>> => drawn)

/** Mostly the same name twice, sometimes what a client that reuses a connection sends. */
function place(...names: readonly string[]) {
  const name = fc.constantFrom(...names)
  return fc
    .tuple(name, name, fc.nat(5))
    .map(([host, other, chance]) => ({ host, authority: chance === 0 ? other : host }))
}

export const request: fc.Arbitrary<Drawn> = fc
  .record({
    gateway: fc.nat(1),
    kind: fc.constantFrom('http', 'https', 'https', 'grpc', 'grpcs', 'tls'),
    web: place(...NAMES),
    rpc: place(...CALLED, ...CALLED, 'a.test'),
    method: fc.constantFrom('GET', 'POST', 'OPTIONS'),
    path: fc.constantFrom(...PATHS),
    call: fc.constantFrom('/s.One/Get', '/s.Two/Put', '/s.Three/Get', '/x'),
    fields,
  })
  .map(({ gateway, kind, web, rpc, method, path: target, call, fields: list }) => {
    const isGrpc = kind === 'grpc' || kind === 'grpcs'
    const { host, authority } = isGrpc ? rpc : web
    return {
      gateway,
      kind,
      host,
      // Without TLS there is one name only.
      authority: kind === 'http' || kind === 'grpc' ? host : authority,
      method: isGrpc ? 'POST' : method,
      path: isGrpc ? call : target,
      fields: isGrpc ? { ...list, 'content-type': 'application/grpc', te: 'trailers' } : list,
    }
  })
