/** Hosts that make their rules at the first request: what they hold, they hold from the beginning. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Digest } from '../../../src/base/brand.ts'
import { LiveHosts } from '../../../src/data/http/live-hosts.ts'
import { packPart } from '../../../src/ipc/packed-part.ts'
import type { MatchRequest } from '../../../src/match/http/table.ts'
import type { HttpHostPart, HttpMatch, HttpRule } from '../../../src/model/http.ts'
import type { KeptPart } from '../../../src/model/snapshot.ts'
import type { WeightedUpstream } from '../../../src/model/upstream.ts'
import { Upstreams } from '../../support/upstreams.ts'

const SESSIONS = { clock: { now: () => 0, monotonic: () => 0 }, secret: '' }
const route = { kind: 'HTTPRoute', namespace: 'default', name: 'r' } as const

function rule(id: string, ...backends: readonly WeightedUpstream[]): HttpRule {
  return { id, route, filters: [], action: { kind: 'forward', backends }, timeouts: {} }
}

function prefix(value: string, index: number): HttpMatch {
  return { path: { kind: 'prefix', value }, headers: [], query: [], rule: index }
}

class World {
  readonly upstreams = new Upstreams()
  readonly hosts = new LiveHosts(this.upstreams.registry, SESSIONS)
  readonly #parts = new Map<Digest, KeptPart>()

  hold(digest: string, rules: readonly HttpRule[], matches: readonly HttpMatch[]) {
    const part: HttpHostPart = { kind: 'http-host', rules, matches }
    this.#parts.set(digest as Digest, packPart(part))
    return this.hosts.hold(digest as Digest, (asked) => this.#parts.get(asked) ?? this.part(asked))
  }

  part(digest: Digest): KeptPart {
    return this.upstreams.part(digest)
  }

  get held(): readonly string[] {
    return this.upstreams.registry.health().map(({ endpoint }) => endpoint)
  }
}

function request(path: string): MatchRequest {
  return { host: 'a.test', method: 'GET', path, query: '', header: () => undefined }
}

describe('a host', () => {
  it('holds the backends of all its rules before anybody asks, and gives each rule its own', () => {
    const world = new World()
    const { upstreams } = world
    const mirror = upstreams.backend('m', ['10.0.0.3'])
    assert.ok(mirror.target.kind === 'upstream')
    const one: HttpRule = {
      ...rule('one', upstreams.backend('a', ['10.0.0.1'])),
      filters: [
        {
          kind: 'request-mirror',
          id: 'one/0',
          target: mirror.target,
          numerator: 1,
          denominator: 1,
        },
      ],
    }
    const two = rule('two', upstreams.backend('b', ['10.0.0.2']))
    const host = world.hold('x', [one, two], [prefix('/one', 0), prefix('/two', 1)])
    assert.deepEqual([...world.held].sort(), ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'])
    const nameIn = (path: string): string | undefined => {
      const choice = host.find(request(path))?.backends?.choose()
      return choice?.kind === 'upstream' ? choice.upstream.name : choice?.kind
    }
    assert.equal(nameIn('/two'), 'b')
    assert.equal(nameIn('/one'), 'a')
    assert.equal(host.find(request('/other')), undefined)
    const [shadow] = host.find(request('/one'))?.mirrors.values() ?? []
    const choice = shadow?.choose()
    assert.equal(choice?.kind === 'upstream' && choice.upstream.name, 'm')
    assert.equal(host.find(request('/one')), host.find(request('/one')))
    world.hosts.drop(host)
    assert.deepEqual(world.held, [])
  })

  it('goes on with the turns of the host before it', () => {
    const world = new World()
    const backends = [
      world.upstreams.backend('a', ['10.0.0.1'], 1),
      world.upstreams.backend('b', ['10.0.0.2'], 1),
    ]
    const before = world.hold('x', [rule('r', ...backends)], [prefix('', 0)])
    const first = before.find(request('/'))?.backends
    const names = [first?.choose(), first?.choose(), first?.choose()]
    const after = world.hold('y', [rule('r', ...backends)], [prefix('/new', 0)])
    world.hosts.drop(before)
    const next = after.find(request('/new'))?.backends?.choose()
    assert.equal(names[0], names[2])
    assert.equal(next, names[1])
  })

  it('refuses an expression that cannot be used at once, and holds nothing then', () => {
    const world = new World()
    const rules = [rule('r', world.upstreams.backend('a', ['10.0.0.1']))]
    const path = { kind: 'regex', value: '(' } as const
    const bad: readonly HttpMatch[] = [
      { path, headers: [], query: [], rule: 0 },
      { ...prefix('', 0), headers: [{ name: 'a', ...path }] },
      { ...prefix('', 0), query: [{ name: 'a', ...path }] },
    ]
    for (const match of bad) {
      assert.throws(() => world.hold('x', rules, [match]), { code: 'GWP_DEFECT_INVARIANT' })
      assert.deepEqual(world.held, [])
    }
  })

  it('is held by nobody when a part is missing', () => {
    const world = new World()
    const missing = new Upstreams().backend('b', ['10.0.0.9'])
    const rules = [rule('r', world.upstreams.backend('a', ['10.0.0.1'])), rule('s', missing)]
    assert.throws(() => world.hold('x', rules, []))
    assert.deepEqual(world.held, [])
  })
})
