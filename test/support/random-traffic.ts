/**
 * Random configurations and random requests that meet them, drawn from few names, paths and fields
 * so that rules overlap often: for tests that compare two opinions on who wins.
 */
import fc from 'fast-check'
import * as m from './manifests.ts'

export const PORTS = { http: 8080, tls: 8443 } as const

export interface Drawn {
  readonly kind: 'http' | 'https' | 'grpc' | 'grpcs' | 'tls'
  /** SNI behind TLS. */
  readonly host: string
  readonly authority: string
  readonly method: string
  readonly path: string
  readonly fields: Readonly<Record<string, string>>
}

const PATTERNS = [undefined, 'a.test', 'b.test', '*.a.test', 'x.a.test', '*.test'] as const
const NAMES = ['a.test', 'b.test', 'x.a.test', 'y.x.a.test', 'c.test', 'other.example'] as const
const PATHS = ['/', '/x', '/x/', '/x/1', '/xy', '/x/../y', '/y?q=1', '/y?q=2&q=1', '/%78', '/z.1']

const pattern = fc.constantFrom(...PATTERNS)
const hostnames = fc.uniqueArray(fc.constantFrom(...PATTERNS.filter((one) => one !== undefined)), {
  minLength: 1,
  maxLength: 3,
})

/** One of the two, or none that exists. */
const backends = fc
  .uniqueArray(fc.constantFrom('app', 'other', 'missing'), { maxLength: 2 })
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
    matches: fc.array(httpMatch, { minLength: 1, maxLength: 3 }),
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
const section = fc.option(fc.constantFrom('http-0', 'tls-0', 'tls-1'), { nil: undefined })
const parent = (sectionName: string | undefined) =>
  sectionName === undefined ? {} : { sectionName }

const routes = fc.record({
  http: fc.array(fc.tuple(fc.option(hostnames, { nil: undefined }), rules(httpRule), section), {
    minLength: 2,
    maxLength: 6,
  }),
  grpc: fc.array(fc.tuple(hostnames, rules(grpcRule), section), { maxLength: 3 }),
  tls: fc.array(fc.tuple(hostnames, backends, section), { maxLength: 4 }),
})

/** Each hostname once on a port: others are conflicts, where nobody serves. */
const listeners = fc.record({
  http: fc.uniqueArray(pattern, { minLength: 1, maxLength: 4 }),
  tls: fc.uniqueArray(
    fc.record({
      hostname: pattern,
      kind: fc.constantFrom('https', 'https', 'passthrough', 'terminate'),
      certificate: fc.constantFrom('cert-a', 'cert-b'),
    }),
    { minLength: 2, maxLength: 5, selector: ({ hostname }) => hostname },
  ),
})

/**
 * Listeners and routes; Services `app` and `other` and the two certificates are the test's own.
 * `prefix` of the routes' names: a daemon remembers how old a name is, and age decides conflicts.
 */
export function configuration(prefix: string): fc.Arbitrary<readonly m.Manifest[]> {
  return fc
    .record({ listeners, routes })
    .map(({ listeners: { http, tls }, routes: drawn }) => [
      m.gateway([
        ...http.map((hostname, i) => m.httpListener(`http-${i}`, PORTS.http, hostname)),
        ...tls.map(({ hostname, kind, certificate }, i) =>
          m.tlsListener(
            `tls-${i}`,
            PORTS.tls,
            hostname,
            kind === 'passthrough' ? 'passthrough' : [certificate],
            kind === 'https' ? 'HTTPS' : 'TLS',
          ),
        ),
      ]),
      ...drawn.http.map(([names, list, on], i) =>
        m.httpRoute(`${prefix}-h${i}`, names, list, parent(on)),
      ),
      ...drawn.grpc.map(([names, list, on], i) =>
        m.grpcRoute(`${prefix}-g${i}`, names, list, parent(on)),
      ),
      ...drawn.tls.map(([names, refs, on], i) =>
        m.tlsRoute(`${prefix}-t${i}`, names, refs, parent(on)),
      ),
    ])
}

const name = fc.constantFrom(...NAMES)
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
const place = fc
  .tuple(name, name, fc.nat(5))
  .map(([host, other, chance]) => ({ host, authority: chance === 0 ? other : host }))

export const request: fc.Arbitrary<Drawn> = fc
  .record({
    kind: fc.constantFrom('http', 'https', 'https', 'grpc', 'grpcs', 'tls'),
    place,
    method: fc.constantFrom('GET', 'POST', 'OPTIONS'),
    path: fc.constantFrom(...PATHS),
    call: fc.constantFrom('/s.One/Get', '/s.Two/Put', '/s.Three/Get', '/x'),
    fields,
  })
  .map(({ kind, place: { host, authority }, method, path: target, call, fields: list }) => {
    const isGrpc = kind === 'grpc' || kind === 'grpcs'
    return {
      kind,
      host,
      // Without TLS there is one name only.
      authority: kind === 'http' || kind === 'grpc' ? host : authority,
      method: isGrpc ? 'POST' : method,
      path: isGrpc ? call : target,
      fields: isGrpc ? { ...list, 'content-type': 'application/grpc', te: 'trailers' } : list,
    }
  })
