/** Times of log lines are those of Date, in whatever order they come. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { isoTime } from '../../../src/observe/iso-time.ts'

it('writes what Date writes', () => {
  const near = fc.integer({ min: 1_767_323_000_000, max: 1_767_323_003_000 })
  const any = fc.integer({ min: -8_000_000_000_000, max: 8_000_000_000_000 })
  fc.assert(
    fc.property(fc.array(fc.oneof(near, any)), (times) => {
      for (const time of times) assert.equal(isoTime(time), new Date(time).toISOString())
    }),
  )
})
