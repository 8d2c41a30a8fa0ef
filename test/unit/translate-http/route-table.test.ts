import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { HTTPRoute } from '../../../src/api/http-route.ts'
import type { Resource } from '../../../src/api/resource.ts'
import type { ListenerKey } from '../../../src/model/identity.ts'
import { lowerHttpRoute } from '../../../src/translate/routes/http-route.ts'
import { type AttachedHttpRoute, RouteTables } from '../../../src/translate/routes/route-table.ts'
import { Parts, ruleOf, wholeHosts } from '../../support/route-tables.ts'
import { contextOf, httpRoute, resourceOf } from './fixture.ts'

const listener = 'Gateway/default/gw/http' as ListenerKey
const prefix = (value: string) => ({ matches: [{ path: { value } }] })
const exact = (value: string) => ({ matches: [{ path: { type: 'Exact', value } }] })

const served = (hostname: string) => ({ hostname, own: hostname })

function attached(
  name: string,
  hostnames: readonly string[],
  rules: readonly unknown[],
  createdAt?: number,
): AttachedHttpRoute {
  const resource = resourceOf(httpRoute(name, { rules }), createdAt) as Resource<HTTPRoute>
  return {
    resource,
    hostnames: hostnames.map(served),
    lowered: lowerHttpRoute(contextOf([]), resource),
  }
}

function table(routes: readonly AttachedHttpRoute[]) {
  const parts = new Parts()
  const part = new RouteTables(listener, 8080).next(
    { http: { gone: [], come: routes }, grpc: { gone: [], come: [] } },
    (digest, host) => parts.set(digest, host),
  )
  return { part, hosts: wholeHosts(part.hosts, parts) }
}

/** `host: path->rule id` of each match, in order. */
function describeTable(routes: readonly AttachedHttpRoute[]): string[] {
  return table(routes).hosts.map((host) => {
    const matches = host.matches.map((match) => {
      const path = 'path' in match ? match.path.value : ''
      return `${path}->${ruleOf(host, match).id.replace('HTTPRoute/default/', '')}`
    })
    return `${host.hostname}: ${matches.join(' ')}`
  })
}

describe('RouteTables', () => {
  it('is empty without routes', () => {
    assert.deepEqual(table([]).part, { kind: 'route-table', listener, port: 8080, hosts: [] })
  })

  it('puts the most specific hostname first and one rule under each hostname of its route', () => {
    const routes = [
      attached('any', [''], [prefix('/')]),
      attached('names', ['*.example.com', 'www.example.com', '*.a.example.com'], [prefix('/x')]),
    ]
    assert.deepEqual(describeTable(routes), [
      'www.example.com: /x->names/0',
      '*.a.example.com: /x->names/0',
      '*.example.com: /x->names/0',
      ': ->any/0',
    ])
  })

  it('gives the hostnames of one route one part, which knows neither', () => {
    const [first, second, other] = table([
      attached('names', ['www.example.com', 'api.example.com'], [prefix('/x')]),
      attached('other', ['b.example.com'], [prefix('/x')]),
    ]).part.hosts.toSorted((a, b) => (b.hostname < a.hostname ? -1 : 1))
    assert.ok(first && second && other)
    assert.equal(first.hostname, 'www.example.com')
    assert.equal(second.hostname, 'b.example.com')
    assert.equal(first.routes, other.routes)
    assert.notEqual(first.routes, second.routes)
  })

  it('mixes the matches of all routes of a hostname by precedence', () => {
    const routes = [
      attached('young', [''], [prefix('/a/b'), exact('/a')], 2),
      attached('old', [''], [prefix('/'), prefix('/a'), prefix('/a/b')], 1),
    ]
    assert.deepEqual(describeTable(routes), [
      ': /a->young/1 /a/b->old/2 /a/b->young/0 /a->old/1 ->old/0',
    ])
  })

  it('is the same whatever the order of the routes', () => {
    const rule = fc.constantFrom(prefix('/'), prefix('/a'), exact('/a'), {
      matches: [{ method: 'GET' }],
    })
    const host = fc.constantFrom('', '*.example.com', 'www.example.com')
    const route = fc.record({
      age: fc.option(fc.nat(2), { nil: undefined }),
      hosts: fc.uniqueArray(host, { minLength: 1 }),
      rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
    })
    const routes = fc
      .array(route, { maxLength: 6 })
      .map((list) => list.map(({ age, hosts, rules }, i) => attached(`r${i}`, hosts, rules, age)))
    const permuted = routes.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    )
    fc.assert(
      fc.property(permuted, ([list, shuffled]) => {
        assert.deepEqual(table(shuffled), table(list))
      }),
      { numRuns: 50 },
    )
  })
})
