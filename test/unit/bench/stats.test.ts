import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { median, pairedRatio, shuffled, spread } from '../../bench/stats.ts'

describe('bench statistics', () => {
  it('the median is the middle, or the mean of both middles, whatever the order', () => {
    assert.equal(median([3]), 3)
    assert.equal(median([9, 1, 5]), 5)
    assert.equal(median([10, 2, 4, 100]), 7)
    assert.throws(() => median([]), RangeError)
  })

  it('the spread is the width as a share of the median', () => {
    assert.equal(spread([100, 95, 105]), 0.1)
    assert.equal(spread([0, 0, 0]), 0)
  })

  it('ratios are made within a round, so that a slow round of the machine does not count', () => {
    assert.deepEqual(pairedRatio([50, 5, 50], [100, 10, 100]), { median: 0.5, low: 0.5, high: 0.5 })
    assert.deepEqual(pairedRatio([1, 2, 6], [1, 1, 2]), { median: 2, low: 1, high: 3 })
  })

  it('a rival that gave nothing in a round makes no ratio of it', () => {
    assert.deepEqual(pairedRatio([4, 6], [0, 3]), { median: 2, low: 2, high: 2 })
  })

  it('shuffling loses and adds nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (items) => {
        const order = shuffled(items)
        assert.deepEqual(
          [...order].sort((a, b) => a - b),
          [...items].sort((a, b) => a - b),
        )
      }),
    )
  })
})
