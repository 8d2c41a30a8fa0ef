/** Names that control resolves: pending, answered, changed in place, asked for again. */
import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import {
  addresses,
  endpointOf,
  find,
  NONE_TRIED,
  Upstreams,
  upstreamOf,
} from '../../support/upstreams.ts'

describe('a name', () => {
  it('is pending until its first answer, then round robin over its addresses', () => {
    const upstreams = new Upstreams()
    const upstream = upstreamOf(upstreams.acquire('rule', upstreams.backend('a', ['web.test'])))
    assert.deepEqual(upstream.pick(NONE_TRIED), { kind: 'pending' })
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1', '10.0.0.2'] }])
    assert.deepEqual(addresses(upstream, 3), ['10.0.0.1', '10.0.0.2', '10.0.0.1'])
  })

  it('may be answered before anybody uses it', () => {
    const upstreams = new Upstreams()
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1'] }])
    const upstream = upstreamOf(upstreams.acquire('rule', upstreams.backend('a', ['web.test'])))
    assert.deepEqual(addresses(upstream, 1), ['10.0.0.1'])
  })

  it('changes its endpoints in place and keeps the pools of those that stay', () => {
    const upstreams = new Upstreams()
    const upstream = upstreamOf(upstreams.acquire('rule', upstreams.backend('a', ['web.test'])))
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1', '10.0.0.2'] }])
    const closed: string[] = []
    const stays = find(upstream, '10.0.0.2')
    for (const endpoint of [find(upstream, '10.0.0.1'), stays]) {
      endpoint.resource('h1', () => ({ close: () => closed.push(endpoint.text) }))
    }
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.2', '10.0.0.3'] }])
    assert.deepEqual(closed, ['10.0.0.1:80'])
    assert.deepEqual(new Set(addresses(upstream, 4)), new Set(['10.0.0.2', '10.0.0.3']))
    assert.equal(find(upstream, '10.0.0.2'), stays)
  })

  it('that control resolves no more is forgotten with its last user', () => {
    const upstreams = new Upstreams()
    const backend = upstreams.backend('a', ['web.test'])
    const runs = upstreams.acquire('rule', backend)
    upstreams.registry.updateNames([
      { name: 'web.test', addresses: ['10.0.0.1'] },
      { name: 'unused.test', addresses: ['10.0.0.2'] },
    ])
    upstreams.registry.forgetNames(['web.test', 'unused.test', 'never.test'])
    assert.deepEqual(addresses(upstreamOf(runs), 1), ['10.0.0.1'])
    const next = upstreams.acquire('next', backend)
    runs.release()
    assert.deepEqual(addresses(upstreamOf(next), 1), ['10.0.0.1'])
    next.release()
    for (const name of ['web.test', 'unused.test']) {
      const after = upstreams.acquire('after', upstreams.backend('b', [name]))
      assert.deepEqual(upstreamOf(after).pick(NONE_TRIED), { kind: 'pending' }, name)
    }
  })

  it('that returns before its last user has gone is kept', () => {
    const upstreams = new Upstreams()
    const backend = upstreams.backend('a', ['web.test'])
    const runs = upstreams.acquire('rule', backend)
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1'] }])
    upstreams.registry.forgetNames(['web.test'])
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1'] }])
    runs.release()
    const after = upstreams.acquire('after', backend)
    assert.deepEqual(addresses(upstreamOf(after), 1), ['10.0.0.1'])
  })

  it('that does not resolve is told from an upstream without endpoints', () => {
    const upstreams = new Upstreams()
    const named = upstreamOf(upstreams.acquire('one', upstreams.backend('a', ['web.test'])))
    const empty = upstreamOf(upstreams.acquire('two', upstreams.backend('b', [])))
    upstreams.registry.updateNames([{ name: 'web.test', addresses: [] }])
    assert.deepEqual(named.pick(NONE_TRIED), { kind: 'none', reason: 'name-unresolved' })
    assert.deepEqual(empty.pick(NONE_TRIED), { kind: 'none', reason: 'no-endpoint' })
  })

  it('is asked for again after a failed connection, once a second', () => {
    const upstreams = new Upstreams()
    const places = ['web.test', '10.0.0.9']
    const upstream = upstreamOf(upstreams.acquire('rule', upstreams.backend('a', places)))
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1'] }])
    const [resolved, literal] = [endpointOf(upstream), endpointOf(upstream)]
    literal.failed()
    resolved.failed('early-reset')
    assert.deepEqual(upstreams.failedNames, [])
    for (const [now, asked] of [
      [0, 1],
      [999, 1],
      [1000, 2],
      [1500, 2],
      [2000, 3],
    ] as const) {
      upstreams.now = now
      resolved.failed()
      assert.equal(upstreams.failedNames.length, asked)
    }
    assert.deepEqual(new Set(upstreams.failedNames), new Set(['web.test']))
  })
})

describe('whenResolved', () => {
  it('calls back once, at the answer', () => {
    const upstreams = new Upstreams()
    const upstream = upstreamOf(upstreams.acquire('rule', upstreams.backend('a', ['web.test'])))
    let calls = 0
    upstream.whenResolved(60_000, () => {
      calls += 1
    })
    upstreams.registry.updateNames([{ name: 'elsewhere.test', addresses: ['10.0.0.1'] }])
    assert.equal(calls, 0)
    upstreams.registry.updateNames([{ name: 'web.test', addresses: [] }])
    upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1'] }])
    assert.equal(calls, 1)
  })

  it('calls back at the time limit, and never after cancel', () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const upstreams = new Upstreams()
      const upstream = upstreamOf(upstreams.acquire('rule', upstreams.backend('a', ['web.test'])))
      const calls: string[] = []
      upstream.whenResolved(100, () => calls.push('waited'))
      const cancel = upstream.whenResolved(100, () => calls.push('cancelled'))
      mock.timers.tick(99)
      assert.deepEqual(calls, [])
      cancel()
      mock.timers.tick(1)
      assert.deepEqual(calls, ['waited'])
      upstreams.registry.updateNames([{ name: 'web.test', addresses: ['10.0.0.1'] }])
      assert.deepEqual(calls, ['waited'])
    } finally {
      mock.timers.reset()
    }
  })
})
