/** What outlives a reload: pools of endpoints that stay, and uses of endpoints that leave. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { EndpointState } from '../../../src/data/upstream/contract.ts'
import { endpointOf, find, Upstreams, upstreamOf } from '../../support/upstreams.ts'

class Pool {
  closed = 0
  close(): void {
    this.closed += 1
  }
}

describe('an endpoint', () => {
  it('keeps its resources while a configuration names it, and closes them after', () => {
    const upstreams = new Upstreams()
    const before = upstreams.acquire('rule', upstreams.backend('a', ['10.0.0.1']))
    const endpoint = endpointOf(upstreamOf(before))
    const pool = endpoint.resource('h1', () => new Pool())
    assert.equal(
      endpoint.resource('h1', () => assert.fail()),
      pool,
    )
    const after = upstreams.acquire('rule', upstreams.backend('a', ['10.0.0.1', '10.0.0.2']))
    before.release()
    assert.equal(pool.closed, 0)
    assert.equal(
      find(upstreamOf(after), '10.0.0.1').resource('h1', () => assert.fail()),
      pool,
    )
    after.release()
    assert.equal(pool.closed, 1)
  })

  it('of a backend without weight is kept for sessions alone', () => {
    const upstreams = new Upstreams()
    const backends = [upstreams.backend('a', ['10.0.0.1'], 0), upstreams.backend('b', ['10.0.0.2'])]
    const held = () => upstreams.registry.health().map(({ endpoint }) => endpoint)
    const plain = upstreams.acquire('plain', ...backends)
    assert.deepEqual(held(), ['10.0.0.2:80'])
    const sticky = upstreams.acquireAll('sticky', ...backends)
    assert.deepEqual(held().sort(), ['10.0.0.1:80', '10.0.0.2:80'])
    assert.deepEqual(
      sticky.choices.map(({ kind }) => kind),
      ['upstream', 'upstream'],
    )
    for (let n = 0; n < 3; n += 1) assert.equal(sticky.choose(), sticky.choices[1])
    sticky.release()
    assert.deepEqual(held(), ['10.0.0.2:80'])
    plain.release()
    assert.deepEqual(held(), [])
  })

  it('lives on until the uses of it end', () => {
    const upstreams = new Upstreams()
    const set = upstreams.acquire('rule', upstreams.backend('a', ['10.0.0.1']))
    const endpoint = endpointOf(upstreamOf(set))
    const pool = endpoint.resource('h1', () => new Pool())
    endpoint.begin()
    endpoint.begin()
    set.release()
    endpoint.end()
    assert.equal(pool.closed, 0)
    endpoint.end()
    assert.equal(pool.closed, 1)
  })

  it('comes back as itself while it is still in use', () => {
    const upstreams = new Upstreams()
    const backend = upstreams.backend('a', ['10.0.0.1'])
    const set = upstreams.acquire('rule', backend)
    const endpoint = endpointOf(upstreamOf(set))
    endpoint.begin()
    set.release()
    const again = upstreams.acquire('rule', backend)
    assert.equal(endpointOf(upstreamOf(again)), endpoint)
    endpoint.end()
  })

  it('does not take its successor along when a late use of it ends', () => {
    const upstreams = new Upstreams()
    const backend = upstreams.backend('a', ['10.0.0.1'])
    const set = upstreams.acquire('rule', backend)
    const gone = endpointOf(upstreamOf(set))
    set.release()
    const successor = endpointOf(upstreamOf(upstreams.acquire('rule', backend)))
    assert.notEqual(successor, gone)
    const pool = gone.resource('h1', () => new Pool())
    gone.begin()
    gone.end()
    assert.equal(pool.closed, 1)
    const other = upstreams.acquire('other', upstreams.backend('b', ['10.0.0.1']))
    assert.equal(endpointOf(upstreamOf(other)), successor)
  })

  it('is not held by an acquisition that failed', () => {
    const upstreams = new Upstreams()
    const missing = new Upstreams().backend('b', ['10.0.0.2'])
    assert.throws(() => upstreams.acquire('r', upstreams.backend('a', ['10.0.0.1']), missing))
    assert.deepEqual(upstreams.registry.health(), [])
  })

  it('is shared by the upstreams that name it', () => {
    const upstreams = new Upstreams()
    const one = upstreams.acquire('one', upstreams.backend('a', ['10.0.0.1']))
    const two = upstreams.acquire('two', upstreams.backend('b', ['10.0.0.1', '10.0.0.2']))
    const endpoint = endpointOf(upstreamOf(one))
    endpoint.failed('connect')
    assert.equal(endpointOf(upstreamOf(two)).text, '10.0.0.2:80')
  })

  it('keeps the pools of endpoints that stay over any sequence of reloads', () => {
    const places = fc.uniqueArray(fc.nat(6), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.array(places, { minLength: 1, maxLength: 8 }), (reloads) => {
        const upstreams = new Upstreams()
        const open = new Map<string, Pool>()
        let set = upstreams.acquire('empty')
        for (const numbers of reloads) {
          const names = numbers.map((n) => `10.0.0.${n}`)
          const next = upstreams.acquire('rule', upstreams.backend('a', names))
          set.release()
          set = next
          const pools = poolsOf(set)
          for (const [text, pool] of open) {
            assert.equal(pool.closed, pools.has(text) ? 0 : 1)
            if (pools.has(text)) assert.equal(pools.get(text), pool)
            else open.delete(text)
          }
          for (const [text, pool] of pools) open.set(text, pool)
        }
        set.release()
        assert.ok([...open.values()].every(({ closed }) => closed === 1))
      }),
    )
  })
})

function poolsOf(set: ReturnType<Upstreams['acquire']>): Map<string, Pool> {
  const upstream = upstreamOf(set)
  const tried = new Set<EndpointState>()
  const pools = new Map<string, Pool>()
  for (;;) {
    const pick = upstream.pick(tried)
    if (pick.kind !== 'endpoint') return pools
    tried.add(pick.endpoint)
    pools.set(
      pick.endpoint.text,
      pick.endpoint.resource('h1', () => new Pool()),
    )
  }
}
