/** Slabs are used again while there is traffic, are bounded, and go when it is over. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { giveSlab, takeSlab } from '../../../src/data/http/slabs.ts'

const MOST = 64

it('slabs are used again, up to a bound, and let go when nobody takes them', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const first = take(MOST)
  assert.equal(first.length, MOST)
  assert.equal(takeSlab(), undefined)
  first.forEach(giveSlab)
  const second = take(MOST)
  assert.deepEqual(new Set(second), new Set(first))

  second.forEach(giveSlab)
  t.mock.timers.tick(1000)
  // In use within the second: what waited beside it goes.
  const [busy, other] = take(2)
  assert.ok(busy !== undefined && other !== undefined)
  t.mock.timers.tick(1000)
  giveSlab(busy)
  giveSlab(other)
  t.mock.timers.tick(1000)
  t.mock.timers.tick(1000)

  const third = take(MOST)
  assert.equal(third.length, MOST, 'those that went have made room')
  assert.equal(third.filter((slab) => first.includes(slab)).length, 1)
  assert.equal(takeSlab(), undefined)
  third.forEach(giveSlab)
})

function take(count: number): readonly Buffer[] {
  return Array.from({ length: count }, takeSlab).filter((slab) => slab !== undefined)
}
