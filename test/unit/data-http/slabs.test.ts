/** Slabs are used again while there is traffic, are bounded, and go when it is over. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Slabs } from '../../../src/data/http/slabs.ts'

const MOST = 64

it('slabs are used again, up to a bound, and let go when nobody takes them', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const slabs = new Slabs()
  const take = (count: number): readonly Buffer[] =>
    Array.from({ length: count }, () => slabs.take()).filter((slab) => slab !== undefined)
  const give = (slab: Buffer): void => slabs.give(slab)
  const first = take(MOST)
  assert.equal(first.length, MOST)
  assert.equal(slabs.take(), undefined)
  first.forEach(give)
  const second = take(MOST)
  assert.deepEqual(new Set(second), new Set(first))

  second.forEach(give)
  t.mock.timers.tick(1000)
  // In use within the second: what waited beside it goes.
  const [busy, other] = take(2)
  assert.ok(busy !== undefined && other !== undefined)
  t.mock.timers.tick(1000)
  give(busy)
  give(other)
  t.mock.timers.tick(1000)
  t.mock.timers.tick(1000)

  const third = take(MOST)
  assert.equal(third.length, MOST, 'those that went have made room')
  assert.equal(third.filter((slab) => first.includes(slab)).length, 1)
  assert.equal(slabs.take(), undefined)
  third.forEach(give)
})
