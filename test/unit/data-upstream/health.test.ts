/** Passive health: bad endpoints are avoided, but a verdict never becomes an outage. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { EndpointState } from '../../../src/data/upstream/contract.ts'
import {
  AFTER_CONNECT_FAILURE_MS,
  EJECTION_MS,
  FAILURES_TO_EJECT,
  MAX_EJECTION_MS,
} from '../../../src/data/upstream/health.ts'
import { addresses, endpointOf, find, Upstreams, upstreamOf } from '../../support/upstreams.ts'

const THREE = ['10.0.0.1', '10.0.0.2', '10.0.0.3']

describe('round robin over endpoints', () => {
  it('takes each in turn, and another than those that were tried', () => {
    const upstream = upstreamOf(setUp(THREE).acquire())
    assert.deepEqual(addresses(upstream, 4), ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1'])
    const tried = new Set<EndpointState>()
    for (let i = 0; i < 3; i++) tried.add(endpointOf(upstream, tried))
    assert.equal(tried.size, 3)
    assert.deepEqual(upstream.pick(tried), { kind: 'none', reason: 'no-endpoint' })
  })

  it('goes on from its position when the endpoints of an upstream change', () => {
    const { upstreams, acquire } = setUp(THREE)
    assert.deepEqual(addresses(upstreamOf(acquire()), 2), ['10.0.0.1', '10.0.0.2'])
    const grown = upstreams.acquire('rule', upstreams.backend('up', [...THREE, '10.0.0.4']))
    assert.deepEqual(addresses(upstreamOf(grown), 3), ['10.0.0.3', '10.0.0.4', '10.0.0.1'])
  })

  it('counts a place that is named twice once', () => {
    const upstream = upstreamOf(setUp(['10.0.0.1', '10.0.0.1', '10.0.0.2']).acquire())
    assert.deepEqual(addresses(upstream, 3), ['10.0.0.1', '10.0.0.2', '10.0.0.1'])
  })
})

describe('passive health', () => {
  it('prefers others for a second after a refused connection', () => {
    const { upstreams, acquire } = setUp(THREE)
    const upstream = upstreamOf(acquire())
    find(upstream, '10.0.0.2').failed('connect')
    assert.deepEqual(new Set(addresses(upstream, 6)), new Set(['10.0.0.1', '10.0.0.3']))
    upstreams.now += AFTER_CONNECT_FAILURE_MS / 2
    find(upstream, '10.0.0.2').failed('connect')
    upstreams.now += AFTER_CONNECT_FAILURE_MS / 2
    assert.deepEqual(new Set(addresses(upstream, 6)), new Set(THREE))
  })

  it('shares the work of an avoided endpoint evenly among the others', () => {
    const upstream = upstreamOf(setUp(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']).acquire())
    find(upstream, '10.0.0.2').failed('connect')
    const counts = Map.groupBy(addresses(upstream, 30), (address) => address)
    assert.deepEqual(
      [...counts.values()].map((list) => list.length),
      [10, 10, 10],
    )
  })

  it('does not mind single early resets, and ejects after five failures in a row', () => {
    const { acquire, health } = setUp(THREE)
    const upstream = upstreamOf(acquire())
    const endpoint = find(upstream, '10.0.0.2')
    fail(endpoint, FAILURES_TO_EJECT - 1)
    assert.equal(new Set(addresses(upstream, 3)).size, 3)
    endpoint.succeeded()
    fail(endpoint, FAILURES_TO_EJECT - 1)
    assert.equal(new Set(addresses(upstream, 3)).size, 3)
    fail(endpoint, 1)
    assert.deepEqual(new Set(addresses(upstream, 6)), new Set(['10.0.0.1', '10.0.0.3']))
    assert.deepEqual(health()[1], {
      upstream: 'up',
      endpoint: '10.0.0.2:80',
      healthy: false,
      ejectedForMs: EJECTION_MS,
    })
  })

  it('ejects for longer each time, up to a bound, until an attempt succeeds', () => {
    const { upstreams, acquire, health } = setUp(THREE)
    const endpoint = find(upstreamOf(acquire()), '10.0.0.1')
    fail(endpoint, FAILURES_TO_EJECT)
    const durations: (number | undefined)[] = []
    for (let i = 0; i < 8; i++) {
      durations.push(health()[0]?.ejectedForMs)
      assert.equal(health()[0]?.isOnTrial, undefined)
      upstreams.now += durations.at(-1) ?? 0
      assert.deepEqual([health()[0]?.healthy, health()[0]?.isOnTrial], [true, true])
      fail(endpoint, 1)
    }
    assert.deepEqual(durations.slice(0, 6), [10_000, 20_000, 40_000, 80_000, 160_000, 300_000])
    assert.equal(durations.at(-1), MAX_EJECTION_MS)
    endpoint.succeeded()
    assert.deepEqual([health()[0]?.healthy, health()[0]?.isOnTrial], [true, undefined])
    fail(endpoint, FAILURES_TO_EJECT)
    assert.equal(health()[0]?.ejectedForMs, EJECTION_MS)
  })

  it('learns nothing from attempts that were under way at the ejection', () => {
    const { acquire, health } = setUp(THREE)
    fail(find(upstreamOf(acquire()), '10.0.0.1'), 100)
    assert.equal(health()[0]?.ejectedForMs, EJECTION_MS)
  })

  it('avoids at most half of the endpoints, and none when all have failed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.nat(8), { maxLength: 12 }),
        (size, failing) => {
          const places = Array.from({ length: size }, (_, i) => `10.0.0.${i}`)
          const upstream = upstreamOf(setUp(places).acquire())
          const bad = new Set(failing.map((i) => `10.0.0.${i % size}`))
          for (const place of bad) fail(find(upstream, place), FAILURES_TO_EJECT)
          const used = new Set(addresses(upstream, size))
          const good = places.filter((place) => !bad.has(place))
          assert.ok(good.every((place) => used.has(place)))
          const avoided = bad.size === size ? 0 : Math.min(bad.size, Math.floor(size / 2))
          assert.equal(used.size, size - avoided)
        },
      ),
    )
  })

  it('uses an ejected endpoint when all others were tried', () => {
    const upstream = upstreamOf(setUp(['10.0.0.1', '10.0.0.2']).acquire())
    const ejected = find(upstream, '10.0.0.1')
    fail(ejected, FAILURES_TO_EJECT)
    const other = endpointOf(upstream)
    assert.notEqual(other, ejected)
    assert.equal(endpointOf(upstream, new Set([other])), ejected)
  })
})

function setUp(places: readonly string[]) {
  const upstreams = new Upstreams()
  const backend = upstreams.backend('up', places)
  return {
    upstreams,
    acquire: () => upstreams.acquire('rule', backend),
    health: () => upstreams.registry.health(),
  }
}

function fail(endpoint: EndpointState, times: number): void {
  for (let i = 0; i < times; i++) endpoint.failed('early-reset')
}
