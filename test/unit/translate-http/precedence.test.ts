import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Resource } from '../../../src/api/resource.ts'
import type { ValueMatch } from '../../../src/model/http.ts'
import type { LoweredMatch } from '../../../src/translate/routes/http-match.ts'
import {
  comparePrecedence,
  type RankedMatch,
} from '../../../src/translate/routes/http-precedence.ts'
import { httpRoute, resourceOf } from './fixture.ts'

const value = (name: string): ValueMatch => ({ name, kind: 'exact', value: '1' })
const match = (fields: Partial<LoweredMatch>): LoweredMatch => ({
  path: { kind: 'prefix', value: '' },
  headers: [],
  query: [],
  ...fields,
})
const route = (name: string, createdAt?: number, namespace = 'default'): Resource<unknown> =>
  resourceOf(httpRoute(name, {}, namespace), createdAt)
const ranked = (fields: Partial<RankedMatch>): RankedMatch => ({
  match: match({}),
  route: route('r'),
  rule: 0,
  position: 0,
  ...fields,
})

describe('comparePrecedence', () => {
  // Best first: each beats all that follow, whatever later criteria say.
  const order: readonly (readonly [string, RankedMatch])[] = [
    ['an exact path', ranked({ match: match({ path: { kind: 'exact', value: '/' } }), rule: 9 })],
    [
      'a regular expression with a method',
      ranked({ match: match({ path: { kind: 'regex', value: '/a' }, method: 'GET' }), rule: 9 }),
    ],
    [
      'a regular expression, however long',
      ranked({ match: match({ path: { kind: 'regex', value: '/a.*b.*c' } }), rule: 9 }),
    ],
    [
      'a longer prefix',
      ranked({ match: match({ path: { kind: 'prefix', value: '/aa' } }), rule: 9 }),
    ],
    [
      'a shorter prefix with everything else',
      ranked({
        match: match({
          path: { kind: 'prefix', value: '/a' },
          method: 'GET',
          headers: [value('a'), value('b')],
          query: [value('a')],
        }),
      }),
    ],
    ['a method', ranked({ match: match({ method: 'GET' }), rule: 9 })],
    ['two headers', ranked({ match: match({ headers: [value('a'), value('b')] }), rule: 9 })],
    [
      'one header and two parameters',
      ranked({ match: match({ headers: [value('a')], query: [value('a'), value('b')] }), rule: 9 }),
    ],
    [
      'one header and one parameter',
      ranked({ match: match({ headers: [value('a')], query: [value('a')] }), rule: 9 }),
    ],
    ['two parameters', ranked({ match: match({ query: [value('a'), value('b')] }), rule: 9 })],
    ['an old route', ranked({ route: route('z', 1, 'z'), rule: 9 })],
    ['a younger route', ranked({ route: route('y', 2, 'y'), rule: 9 })],
    ['no age, first namespace', ranked({ route: route('z', undefined, 'a'), rule: 9 })],
    ['no age, first name', ranked({ route: route('a'), rule: 9 })],
    ['first rule', ranked({ route: route('b'), position: 9 })],
    ['first match', ranked({ route: route('b'), rule: 1 })],
    ['second match', ranked({ route: route('b'), rule: 1, position: 1 })],
  ]
  for (const [index, [what, better]] of order.entries()) {
    it(`ranks ${what} before all that follows`, () => {
      for (const [other, worse] of order.slice(index + 1)) {
        assert.ok(comparePrecedence(better, worse) < 0, other)
        assert.ok(comparePrecedence(worse, better) > 0, other)
      }
    })
  }

  const anyMatch = fc.record({
    path: fc.record({
      kind: fc.constantFrom('exact', 'prefix', 'regex'),
      value: fc.constantFrom('', '/a', '/b', '/a/b'),
    }),
    headers: fc.uniqueArray(fc.constantFrom('a', 'b').map(value), {
      maxLength: 2,
      selector: (v) => v.name,
    }),
    query: fc.uniqueArray(fc.constantFrom('a', 'b').map(value), {
      maxLength: 2,
      selector: (v) => v.name,
    }),
  })
  const withMethod = fc
    .tuple(anyMatch, fc.option(fc.constant('GET'), { nil: undefined }))
    .map(
      ([fields, method]): LoweredMatch => (method === undefined ? fields : { ...fields, method }),
    )
  const routes = ['a', 'b'].flatMap((name) =>
    ['x', 'y'].flatMap((ns) =>
      [undefined, 1, 2].map((age) => route(`${name}${age ?? ''}`, age, ns)),
    ),
  )
  const anyRanked: fc.Arbitrary<RankedMatch> = fc.record({
    match: withMethod,
    route: fc.constantFrom(...routes),
    rule: fc.nat(2),
    position: fc.nat(2),
  })

  it('is antisymmetric and transitive', () => {
    fc.assert(
      fc.property(anyRanked, anyRanked, anyRanked, (a, b, c) => {
        assert.equal(Math.sign(comparePrecedence(a, b)), -Math.sign(comparePrecedence(b, a)) + 0)
        if (comparePrecedence(a, b) <= 0 && comparePrecedence(b, c) <= 0) {
          assert.ok(comparePrecedence(a, c) <= 0)
        }
      }),
    )
  })

  it('is 0 for nothing but the same place', () => {
    fc.assert(
      fc.property(anyRanked, anyRanked, (a, b) => {
        const samePlace = a.route === b.route && a.rule === b.rule && a.position === b.position
        if (!samePlace) assert.notEqual(comparePrecedence(a, b), 0)
        assert.equal(comparePrecedence(a, a), 0)
      }),
    )
  })
})
