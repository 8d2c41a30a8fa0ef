import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FloodGuard } from '../../../src/data/http/h2/flood-guard.ts'

/** What comes at once, or each second, beside everything that serves. */
const FREE = 131_072
const FREE_PER_SECOND = 4096
const WINDOW = 65_535
const PIECE = 64

function guarded() {
  const ticker = { now: 0 }
  return { ticker, guard: new FloodGuard(ticker) }
}

describe('the guard against floods', () => {
  it('ends what is more than is free', () => {
    const { guard } = guarded()
    assert.ok(guard.useless(FREE))
    assert.ok(!guard.useless(1))
  })

  it('forgives some of it each second, for ever', () => {
    const { guard, ticker } = guarded()
    for (let i = 0; i < 1000; i += 1) {
      assert.ok(guard.useless(FREE_PER_SECOND))
      ticker.now += 1000
    }
    let seconds = 0
    while (guard.useless(2 * FREE_PER_SECOND)) {
      ticker.now += 1000
      seconds += 1
    }
    assert.ok(seconds > 20 && seconds < 70, `${seconds} s`)
  })

  it('a long silence earns no more than a short one', () => {
    const { guard, ticker } = guarded()
    ticker.now += 3_600_000
    assert.ok(guard.useless(FREE))
    assert.ok(!guard.useless(1))
  })

  it('messages and content pay for what comes with them, but for nothing later', () => {
    const { guard } = guarded()
    for (let i = 0; i < 100_000; i += 1) {
      guard.content()
      assert.ok(guard.useless(PIECE))
      guard.message()
      assert.ok(guard.useless(2 * PIECE))
    }
    for (let i = 0; i < 10_000; i += 1) guard.content()
    assert.ok(guard.useless(FREE))
    assert.ok(!guard.useless(1))
  })

  it('lets the window of each stream that was cut off come, now or later', () => {
    const { guard } = guarded()
    for (let i = 0; i < 300; i += 1) guard.cutStream()
    assert.ok(guard.late(100 * WINDOW))
    assert.ok(guard.late(FREE))
    assert.ok(!guard.late(1))
  })
})
