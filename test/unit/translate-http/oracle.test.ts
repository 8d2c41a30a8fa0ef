/**
 * Lowering, precedence and lookup together against a naive reading of the Gateway API's own text:
 * every match of every route is tried, and the best is found by comparing pairs.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { HTTPMatch } from '../../../src/api/http-match.ts'
import type { HTTPRoute } from '../../../src/api/http-route.ts'
import type { Resource } from '../../../src/api/resource.ts'
import { httpLookup, Parts, ruleOf, wholeHosts } from '../../support/route-tables.ts'
import type { ListenerKey } from '../../../src/model/identity.ts'
import { lowerHttpRoute } from '../../../src/translate/routes/http-route.ts'
import { RouteTables } from '../../../src/translate/routes/route-table.ts'
import { contextOf, httpRoute, resourceOf } from './fixture.ts'

interface Request {
  readonly host: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
}

interface Candidate {
  readonly route: Resource<HTTPRoute>
  readonly hostname: string
  readonly rule: number
  readonly position: number
  readonly match: HTTPMatch
}

function naiveWinner(routes: readonly Resource<HTTPRoute>[], request: Request): string | undefined {
  const candidates = routes.flatMap((route) =>
    (route.object.spec.hostnames ?? ['']).flatMap((hostname) =>
      route.object.spec.rules.flatMap(({ matches }, rule) =>
        matches.map((match, position): Candidate => ({ route, hostname, rule, position, match })),
      ),
    ),
  )
  const fitting = candidates.filter(
    ({ hostname, match }) => fitsHost(hostname, request.host) && fits(match, request),
  )
  const best = fitting.find((one) => fitting.every((other) => one === other || beats(one, other)))
  assert.equal(best === undefined, fitting.length === 0, 'exactly one match wins')
  return best && `${best.route.key.name}/${best.rule}`
}

function fitsHost(pattern: string, host: string): boolean {
  if (pattern === '') return true
  return pattern.startsWith('*') ? host.endsWith(pattern.slice(1)) : host === pattern
}

function fits(
  { path, method, headers = [], queryParams = [] }: HTTPMatch,
  request: Request,
): boolean {
  return (
    fitsPath(path, request.path) &&
    (method === undefined || method === request.method) &&
    headers.every(({ type, name, value }) => fitsValue(type, value, request.headers[name])) &&
    queryParams.every(({ type, name, value }) => fitsValue(type, value, request.query[name]))
  )
}

function fitsPath({ type, value }: HTTPMatch['path'], path: string): boolean {
  switch (type) {
    case 'Exact':
      return path === value
    case 'RegularExpression':
      return new RegExp(`^(?:${value})$`).test(path)
    case 'PathPrefix': {
      const elements = value.split('/').filter((element) => element !== '')
      const given = path.slice(1).split('/')
      return elements.every((element, index) => given[index] === element)
    }
  }
}

function fitsValue(type: string, wanted: string, value: string | undefined): boolean {
  if (value === undefined) return false
  return type === 'Exact' ? value === wanted : new RegExp(`^(?:${wanted})$`).test(value)
}

/** The list of criteria of the specification; the first that tells two matches apart decides. */
function beats(a: Candidate, b: Candidate): boolean {
  const criteria: readonly ((candidate: Candidate) => number | string)[] = [
    ({ hostname }) => (hostname.startsWith('*') ? 0 : -hostname.length),
    ({ hostname }) => -hostname.length,
    ({ match }) => ['Exact', 'RegularExpression', 'PathPrefix'].indexOf(match.path.type),
    ({ match: { path } }) =>
      path.type === 'PathPrefix' ? -path.value.split('/').filter(Boolean).join('/').length : 0,
    ({ match }) => (match.method === undefined ? 1 : 0),
    ({ match }) => -(match.headers ?? []).length,
    ({ match }) => -(match.queryParams ?? []).length,
    ({ route }) => route.createdAt ?? Number.MAX_SAFE_INTEGER,
    ({ route }) => `${route.key.namespace}/${route.key.name}`,
    ({ rule }) => rule,
    ({ position }) => position,
  ]
  for (const criterion of criteria) {
    const [left, right] = [criterion(a), criterion(b)]
    if (left !== right) return left < right
  }
  return false
}

const HOSTS = ['www.example.com', 'a.example.com', 'b.a.example.com', 'example.org']
const NAMES = ['x', 'y']
const VALUES = ['1', '2']
const METHODS = ['GET', 'POST']

const valueMatch = fc.record({
  name: fc.constantFrom(...NAMES),
  type: fc.constantFrom('Exact', 'RegularExpression'),
  value: fc.constantFrom(...VALUES, '1|2'),
})
const valueMatches = fc.uniqueArray(valueMatch, { maxLength: 2, selector: ({ name }) => name })
const anyPath = fc.oneof(
  fc.record({
    type: fc.constant('PathPrefix'),
    value: fc.constantFrom('/', '/a', '/a/', '/a/b', '/ab'),
  }),
  fc.record({ type: fc.constant('Exact'), value: fc.constantFrom('/', '/a', '/a/', '/a/b') }),
  fc.record({
    type: fc.constant('RegularExpression'),
    value: fc.constantFrom('/a.*', '/[ab]/b', '/a'),
  }),
)
const anyMatch = fc.record(
  {
    path: anyPath,
    method: fc.constantFrom(...METHODS),
    headers: valueMatches,
    queryParams: valueMatches,
  },
  { requiredKeys: [] },
)
const anyRule = fc.record({ matches: fc.array(anyMatch, { minLength: 1, maxLength: 3 }) })
const anyRoute = fc.record({
  createdAt: fc.option(fc.nat(2), { nil: undefined }),
  hostnames: fc.option(
    fc.uniqueArray(fc.constantFrom(...HOSTS, '*.example.com', '*.a.example.com'), {
      minLength: 1,
      maxLength: 2,
    }),
    { nil: undefined },
  ),
  rules: fc.array(anyRule, { minLength: 1, maxLength: 3 }),
})
const anyRequest: fc.Arbitrary<Request> = fc.record({
  host: fc.constantFrom(...HOSTS),
  method: fc.constantFrom(...METHODS),
  path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/b/b', '/c'),
  headers: fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)),
  query: fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)),
})

describe('a route table', () => {
  it('gives every request the rule that the specification names', () => {
    const routes = fc
      .array(anyRoute, { minLength: 1, maxLength: 4 })
      .map((list) => list.map((spec, index) => toResource(`r${index}`, spec)))
    fc.assert(
      fc.property(
        routes,
        fc.array(anyRequest, { minLength: 5, maxLength: 10 }),
        (list, requests) => {
          const lookup = compile(list)
          for (const request of requests) assert.equal(lookup(request), naiveWinner(list, request))
        },
      ),
      { numRuns: 300 },
    )
  })
})

function toResource(
  name: string,
  {
    createdAt,
    hostnames,
    rules,
  }: { createdAt: number | undefined; hostnames: unknown; rules: unknown },
): Resource<HTTPRoute> {
  const spec = { rules, ...(hostnames === undefined ? {} : { hostnames }) }
  return resourceOf(httpRoute(name, spec), createdAt) as Resource<HTTPRoute>
}

function compile(routes: readonly Resource<HTTPRoute>[]): (request: Request) => string | undefined {
  const context = contextOf([])
  const parts = new Parts()
  const come = routes.map((resource) => ({
    resource,
    lowered: lowerHttpRoute(context, resource),
    hostnames: (resource.object.spec.hostnames ?? ['']).map((hostname) => ({
      hostname,
      own: hostname,
    })),
  }))
  const table = new RouteTables('Gateway/default/gw/http' as ListenerKey, 80).next(
    { http: { gone: [], come }, grpc: { gone: [], come: [] } },
    (digest, part) => parts.set(digest, part),
  )
  const hosts = wholeHosts(table.hosts, parts)
  const http = hosts.flatMap((host) => (host.kind === 'http-host' ? host : []))
  const lookup = httpLookup(http)
  return ({ host, method, path, headers, query }) => {
    const found = lookup({
      host,
      method,
      path,
      query: new URLSearchParams(query).toString(),
      header: (name) => headers[name],
    })
    const own = found && http.find(({ matches }) => matches.includes(found))
    return own && ruleOf(own, found).id.replace('HTTPRoute/default/', '')
  }
}
