/** Names: one clock each, the last good answer on failure, TTL within bounds. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { Names } from '../../../src/control/dns.ts'
import type { Lookup } from '../../../src/control/name-resolver.ts'
import type { ResolvedName } from '../../../src/ipc/messages.ts'

function found(ttlMs: number, ...addresses: string[]): Lookup {
  return { kind: 'addresses', addresses, ttlMs }
}

const ABSENT: Lookup = { kind: 'absent' }
const SERVFAIL: Lookup = { kind: 'failed', reason: 'ESERVFAIL' }

/** A resolver whose answers the test gives, and what the workers were told. */
function setUp() {
  const told: ResolvedName[] = []
  const asked: string[] = []
  const gone: string[] = []
  const pending = new Map<string, (lookup: Lookup) => void>()
  const names = new Names({
    lookUp: (name) => {
      asked.push(name)
      return new Promise((resolve) => pending.set(name, resolve))
    },
    onNames: (changed) => void told.push(...changed),
    onGone: (names) => void gone.push(...names),
    random: () => 0,
  })
  const answer = async (name: string, lookup: Lookup): Promise<void> => {
    pending.get(name)?.(lookup)
    // Promise reactions first, then the turn that flushes the answers.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { names, asked, gone, answer, take: () => told.splice(0) }
}

describe('Names', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
  afterEach(() => mock.timers.reset())

  it('asks each name once and tells its addresses', async () => {
    const { names, asked, answer, take } = setUp()
    names.watch(new Set(['a.test', 'b.test']))
    names.watch(new Set(['a.test', 'b.test']))
    assert.deepEqual(asked, ['a.test', 'b.test'])
    await answer('a.test', found(5000, '10.0.0.1'))
    assert.deepEqual(take(), [{ name: 'a.test', addresses: ['10.0.0.1'] }])
    assert.deepEqual(names.answers, [{ name: 'a.test', addresses: ['10.0.0.1'] }])
    names.stop()
  })

  it('a name that never answers stalls no other', async () => {
    const { names, answer, take } = setUp()
    names.watch(new Set(['slow.test', 'fast.test']))
    await answer('fast.test', found(5000, '10.0.0.2'))
    assert.deepEqual(take(), [{ name: 'fast.test', addresses: ['10.0.0.2'] }])
    names.stop()
  })

  it('asks again after the TTL, and tells only changes', async () => {
    const { names, asked, answer, take } = setUp()
    names.watch(new Set(['a.test']))
    await answer('a.test', found(5000, '10.0.0.1'))
    take()
    mock.timers.tick(4999)
    assert.equal(asked.length, 1)
    mock.timers.tick(1)
    assert.equal(asked.length, 2)
    await answer('a.test', found(5000, '10.0.0.1'))
    assert.deepEqual(take(), [])
    names.stop()
  })

  for (const [ttlMs, waitMs] of [
    [0, 1000],
    [3_600_000, 30_000],
  ] as const) {
    it(`waits ${waitMs} ms with a TTL of ${ttlMs} ms`, async () => {
      const { names, asked, answer } = setUp()
      names.watch(new Set(['a.test']))
      await answer('a.test', found(ttlMs, '10.0.0.1'))
      mock.timers.tick(waitMs - 1)
      assert.equal(asked.length, 1)
      mock.timers.tick(1)
      assert.equal(asked.length, 2)
      names.stop()
    })
  }

  it('keeps the last good answer over failures, and asks again ever later', async () => {
    const { names, asked, answer, take } = setUp()
    names.watch(new Set(['a.test']))
    await answer('a.test', found(1000, '10.0.0.1'))
    take()
    for (const waitMs of [1000, 1000, 2000, 4000]) {
      const before = asked.length
      mock.timers.tick(waitMs - 1)
      assert.equal(asked.length, before, `no question within ${waitMs} ms`)
      mock.timers.tick(1)
      assert.equal(asked.length, before + 1)
      await answer('a.test', SERVFAIL)
    }
    assert.deepEqual(take(), [])
    assert.deepEqual(names.answers, [{ name: 'a.test', addresses: ['10.0.0.1'] }])
    names.stop()
  })

  it('gives up the last addresses when the name is gone twice in a row', async () => {
    const { names, answer, take } = setUp()
    names.watch(new Set(['a.test']))
    await answer('a.test', found(1000, '10.0.0.1'))
    take()
    mock.timers.tick(1000)
    await answer('a.test', ABSENT)
    assert.deepEqual(take(), [])
    mock.timers.tick(1000)
    await answer('a.test', ABSENT)
    assert.deepEqual(take(), [{ name: 'a.test', addresses: [] }])
    names.stop()
  })

  it('says at once that a new name does not resolve', async () => {
    const { names, answer, take } = setUp()
    names.watch(new Set(['a.test', 'b.test']))
    await answer('a.test', ABSENT)
    await answer('b.test', SERVFAIL)
    assert.deepEqual(take(), [
      { name: 'a.test', addresses: [] },
      { name: 'b.test', addresses: [] },
    ])
    names.stop()
  })

  it('asks at once when connections fail, but not more than once a second', async () => {
    const { names, asked, answer } = setUp()
    names.watch(new Set(['a.test']))
    await answer('a.test', found(30_000, '10.0.0.1'))
    const clock = mock.method(performance, 'now', () => 1e9)
    names.failed('a.test')
    assert.equal(asked.length, 2)
    await answer('a.test', found(30_000, '10.0.0.1'))
    names.failed('a.test')
    assert.equal(asked.length, 2, 'within the second')
    clock.mock.mockImplementation(() => 1e9 + 1000)
    names.failed('a.test')
    assert.equal(asked.length, 3)
    names.failed('unknown.test')
    assert.equal(asked.length, 3)
    clock.mock.restore()
    names.stop()
  })

  it('forgets names that are no longer used, late answers included', async () => {
    const { names, gone, answer, take } = setUp()
    names.watch(new Set(['a.test', 'b.test']))
    names.watch(new Set(['b.test']))
    assert.deepEqual(gone, ['a.test'])
    await answer('a.test', found(1000, '10.0.0.1'))
    assert.deepEqual(take(), [])
    assert.deepEqual(names.answers, [])
    names.stop()
    assert.deepEqual(gone, ['a.test'])
  })

  it('asks many names in bounded numbers', async () => {
    const { names, asked, answer } = setUp()
    names.watch(new Set(Array.from({ length: 300 }, (_, i) => `n${i}.test`)))
    assert.equal(asked.length, 256)
    await answer('n0.test', ABSENT)
    assert.equal(asked.length, 257)
    names.stop()
  })

  it('a resolver that throws counts as a failure', async () => {
    const told: ResolvedName[] = []
    const names = new Names({
      lookUp: () => Promise.reject(new Error('no resolver')),
      onNames: (changed) => void told.push(...changed),
      onGone: () => assert.fail('it is watched'),
    })
    names.watch(new Set(['a.test']))
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(told, [{ name: 'a.test', addresses: [] }])
    names.stop()
  })
})
