import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MatchRequest } from '../../../src/match/http/table.ts'
import { httpLookup } from '../../support/route-tables.ts'
import type { HttpMatch, PathMatch, ValueMatch } from '../../../src/model/http.ts'

function match(path: PathMatch, rule: number, more: Partial<HttpMatch> = {}): HttpMatch {
  return { path, headers: [], query: [], rule, ...more }
}

const prefix = (value: string): PathMatch => ({ kind: 'prefix', value })
const exact = (value: string): PathMatch => ({ kind: 'exact', value })
const regex = (value: string): PathMatch => ({ kind: 'regex', value })

function request(target: string, more: Partial<MatchRequest> = {}): MatchRequest {
  const [path = '', query = ''] = target.split('?')
  return { host: 'a.test', method: 'GET', path, query, header: () => undefined, ...more }
}

function ruleOf(matches: readonly HttpMatch[], wanted: MatchRequest): number | undefined {
  return httpLookup([{ hostname: '', matches }])(wanted)?.rule
}

describe('route table', () => {
  it('matches prefixes by element, the longest first', () => {
    const matches = [match(prefix('/foo/bar'), 2), match(prefix('/foo'), 1), match(prefix(''), 0)]
    const cases: readonly (readonly [string, number])[] = [
      ['/foo', 1],
      ['/foo/', 1],
      ['/foo/x', 1],
      ['/foobar', 0],
      ['/foo/bar', 2],
      ['/foo/bar/x/y', 2],
      ['/foo/barx', 1],
      ['/', 0],
      ['/FOO', 0],
      ['/a//foo', 0],
      ['/foo//bar', 1],
    ]
    for (const [path, rule] of cases) assert.equal(ruleOf(matches, request(path)), rule, path)
    assert.equal(ruleOf([match(prefix('/foo'), 1)], request('/')), undefined)
  })

  it('ranks exact, expression, prefix, and falls through when the rest does not fit', () => {
    const matches = [
      match(exact('/v1/x'), 0, { method: 'POST' }),
      match(regex('/v[0-9]/.*'), 1, { headers: [{ name: 'x', kind: 'exact', value: '1' }] }),
      match(prefix('/v1/x'), 2, { query: [{ name: 'q', kind: 'exact', value: 'a b' }] }),
      match(prefix('/v1'), 3),
    ]
    const header = (name: string) => (name === 'x' ? '1' : undefined)
    assert.equal(ruleOf(matches, request('/v1/x', { method: 'POST', header })), 0)
    assert.equal(ruleOf(matches, request('/v1/x', { header })), 1)
    assert.equal(ruleOf(matches, request('/v1/x?q=a+b&q=c')), 2)
    assert.equal(ruleOf(matches, request('/v1/x?q=c&q=a+b')), 3)
    assert.equal(ruleOf(matches, request('/v2/x')), undefined)
  })

  it('compares values case-sensitively and decodes parameters', () => {
    const header: ValueMatch = { name: 'x-a', kind: 'exact', value: 'One' }
    const values = (value: string) => ({ header: () => value })
    assert.equal(
      ruleOf([match(prefix(''), 0, { headers: [header] })], request('/', values('One'))),
      0,
    )
    assert.equal(
      ruleOf([match(prefix(''), 0, { headers: [header] })], request('/', values('one'))),
      undefined,
    )
    const query: ValueMatch[] = [{ name: 'naïve', kind: 'regex', value: 'a.*' }]
    assert.equal(ruleOf([match(prefix(''), 0, { query })], request('/?na%C3%AFve=a%2Cb')), 0)
    assert.equal(ruleOf([match(prefix(''), 0, { query })], request('/?NAIVE=a')), undefined)
    const broken: ValueMatch[] = [{ name: '%', kind: 'exact', value: '%zz' }]
    assert.equal(ruleOf([match(prefix(''), 0, { query: broken })], request('/?%=%zz')), 0)
  })

  it('sees a rule and a request in the same form of the path', () => {
    assert.equal(ruleOf([match(exact('/%61b%2c'), 0)], request('/ab%2C')), 0)
  })

  it('tries less specific hostnames after the more specific ones', () => {
    const lookup = httpLookup([
      { hostname: 'a.test', matches: [match(prefix('/a'), 0)] },
      { hostname: '*.test', matches: [match(prefix('/w'), 1)] },
      { hostname: '', matches: [match(prefix(''), 2)] },
    ])
    const rule = (path: string, host: string | undefined) => lookup(request(path, { host }))?.rule
    assert.equal(rule('/a', 'a.test'), 0)
    assert.equal(rule('/w', 'a.test'), 1)
    assert.equal(rule('/a', 'b.test'), 2)
    assert.equal(rule('/w', undefined), 2)
  })

  it('costs no more for a path of slashes than for the longest rule', () => {
    const matches = [match(prefix(`/${'x'.repeat(1000)}`), 0)]
    const lookup = httpLookup([{ hostname: '', matches }])
    const start = performance.now()
    for (let i = 0; i < 20; i += 1) lookup(request('/'.repeat(60_000)))
    assert.ok(performance.now() - start < 1000)
  })

  it('finds one of 10,000 routes as fast as one of 10', () => {
    const lookupMs = (routes: number) => {
      const matches = Array.from({ length: routes }, (_, i) => match(prefix(`/r${i}`), i))
      const lookup = httpLookup([{ hostname: '', matches }])
      const wanted = request(`/r${routes - 1}/x`)
      const start = performance.now()
      for (let i = 0; i < 2000; i += 1) assert.equal(lookup(wanted)?.rule, routes - 1)
      return performance.now() - start
    }
    lookupMs(10)
    assert.ok(lookupMs(10_000) < 20 * lookupMs(10) + 50)
  })
})
