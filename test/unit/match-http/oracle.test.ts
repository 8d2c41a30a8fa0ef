/**
 * The fast table against a naive matcher that follows the text of HTTPRouteRule.matches: collect
 * every match of every hostname that fits, then take the best by the list of the specification.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { httpLookup } from '../../support/route-tables.ts'
import type { HttpMatch, PathMatch } from '../../../src/model/http.ts'

interface Spec extends Omit<HttpMatch, 'rule'> {
  readonly hostname: string
}

interface Request {
  readonly host: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
}

const element = fc.constantFrom('a', 'b', 'ab', 'A', '')
const elements = fc.array(element, { maxLength: 3 })
const path = elements.map((list) => `/${list.join('/')}`)
const pathMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  path.map((value) => ({ kind: 'exact' as const, value })),
  path.map((value) => ({ kind: 'prefix' as const, value: value.replace(/\/+$/, '') })),
  fc.constantFrom('/a.*', '/[ab]+', '.*b').map((value) => ({ kind: 'regex' as const, value })),
)
const names = fc.constantFrom('x', 'y')
const values = fc.constantFrom('1', '2')
const conditions = fc.uniqueArray(
  fc.record({ name: names, kind: fc.constant('exact' as const), value: values }),
  { selector: ({ name }) => name },
)
const hostname = fc.constantFrom('', '*.test', 'a.test', '*.a.test', 'b.a.test')
const spec: fc.Arbitrary<Spec> = fc
  .record({
    hostname,
    path: pathMatch,
    method: fc.option(fc.constantFrom('GET', 'POST'), { nil: undefined }),
    headers: conditions,
    query: conditions,
  })
  .map(({ method, ...rest }) => (method === undefined ? rest : { ...rest, method }))
const request: fc.Arbitrary<Request> = fc.record({
  host: fc.constantFrom('test', 'a.test', 'b.a.test', 'c.a.test', 'z.test', 'other'),
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  path,
  headers: fc.dictionary(names, values),
  query: fc.dictionary(names, values),
})

describe('route table against the text of the specification', () => {
  it('chooses the same rule on random tables and requests', () => {
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 12 }), fc.array(request, { maxLength: 8 }), check),
      { numRuns: 500 },
    )
  })
})

function check(specs: readonly Spec[], requests: readonly Request[]): void {
  const table = httpLookup(grouped(specs))
  for (const wanted of requests) {
    const found = table({
      host: wanted.host,
      method: wanted.method,
      path: wanted.path,
      query: new URLSearchParams(wanted.query).toString(),
      header: (name) => (Object.hasOwn(wanted.headers, name) ? wanted.headers[name] : undefined),
    })
    assert.equal(found?.rule, naive(specs, wanted))
  }
}

/** What translate hands over: grouped by hostname, each group sorted. `rule` is the list position. */
function grouped(specs: readonly Spec[]): { hostname: string; matches: HttpMatch[] }[] {
  const hosts = new Map<string, HttpMatch[]>()
  const ranked = specs.map((spec, rule) => ({ spec, rule })).sort(best)
  for (const { spec, rule } of ranked) {
    const { hostname: host, ...rest } = spec
    hosts.set(host, [...(hosts.get(host) ?? []), { ...rest, rule }])
  }
  return [...hosts].map(([host, matches]) => ({ hostname: host, matches }))
}

function naive(specs: readonly Spec[], wanted: Request): number | undefined {
  return specs
    .map((spec, rule) => ({ spec, rule }))
    .filter(({ spec }) => fits(spec, wanted))
    .sort(best)[0]?.rule
}

interface Ranked {
  readonly spec: Spec
  readonly rule: number
}

function best(a: Ranked, b: Ranked): number {
  const keys = ({ spec: { hostname: host, path: p, method, headers, query }, rule }: Ranked) => [
    host === '' || host.startsWith('*') ? 0 : host.length,
    host.length,
    p.kind === 'exact' ? 2 : p.kind === 'regex' ? 1 : 0,
    p.kind === 'prefix' ? p.value.length : 0,
    method === undefined ? 0 : 1,
    headers.length,
    query.length,
    -rule,
  ]
  const [left, right] = [keys(a), keys(b)]
  const differing = left.findIndex((value, i) => value !== right[i])
  return (right[differing] ?? 0) - (left[differing] ?? 0)
}

function fits({ hostname: host, path: p, method, headers, query }: Spec, wanted: Request): boolean {
  const hostFits =
    host === '' ||
    host === wanted.host ||
    (host.startsWith('*') && wanted.host.endsWith(host.slice(1)))
  const pathFits = {
    exact: () => wanted.path === p.value,
    prefix: () => wanted.path === p.value || wanted.path.startsWith(`${p.value}/`),
    regex: () => new RegExp(`^(?:${p.value})$`).test(wanted.path),
  }[p.kind]
  return (
    hostFits &&
    pathFits() &&
    (method === undefined || method === wanted.method) &&
    headers.every(({ name, value }) => wanted.headers[name] === value) &&
    query.every(({ name, value }) => wanted.query[name] === value)
  )
}
