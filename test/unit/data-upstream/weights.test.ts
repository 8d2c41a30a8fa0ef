/** Smooth weighted round robin: exact shares, spread evenly, positions that outlive reloads. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SmoothWeights } from '../../../src/data/upstream/weights.ts'
import { Upstreams } from '../../support/upstreams.ts'

const weights = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 8 })

describe('smooth weighted round robin', () => {
  it('goes through the sequence of the algorithm', () => {
    const position = new SmoothWeights([5, 1, 1])
    assert.deepEqual(take(position, 7), [0, 0, 1, 0, 2, 0, 0])
  })

  it('gives each index its exact share in every cycle, and weight 0 nothing', () => {
    fc.assert(
      fc.property(weights, (list) => {
        const total = list.reduce((sum, weight) => sum + weight, 0)
        const position = new SmoothWeights(list)
        for (let cycle = 0; cycle < 3; cycle++) {
          const counts = list.map(() => 0)
          for (const index of take(position, total)) counts[index] = (counts[index] ?? 0) + 1
          assert.deepEqual(counts, list)
        }
      }),
    )
  })

  it('is never more than one choice away from the fair share, for two backends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), (a, b) => {
        const position = new SmoothWeights([a, b])
        let first = 0
        for (let n = 1; n <= a + b; n++) {
          if (position.next() === 0) first += 1
          assert.ok(Math.abs(first - (n * a) / (a + b)) <= 1)
        }
      }),
    )
  })

  it('chooses nothing when no weight is positive', () => {
    assert.equal(new SmoothWeights([]).next(), -1)
    assert.equal(new SmoothWeights([0, 0]).next(), -1)
  })

  it('keeps shares of a million to one exact', () => {
    const position = new SmoothWeights([1_000_000, 1])
    const seconds = take(position, 1_000_001).filter((index) => index === 1).length
    assert.equal(seconds, 1)
  })
})

describe('a backend set', () => {
  it('shares its position with every holder of its id, over reloads', () => {
    const upstreams = new Upstreams()
    const backends = [
      upstreams.backend('a', ['10.0.0.1'], 3),
      upstreams.backend('b', ['10.0.0.2'], 1),
    ]
    let set = upstreams.acquire('rule', ...backends)
    const chosen: string[] = []
    for (let i = 0; i < 8; i++) {
      chosen.push(nameOf(set.choose()))
      const next = upstreams.acquire('rule', ...backends)
      set.release()
      set = next
    }
    assert.deepEqual(chosen, ['a', 'a', 'b', 'a', 'a', 'a', 'b', 'a'])
  })

  it('begins anew when the weights change, and for another id', () => {
    const upstreams = new Upstreams()
    const backend = (weight: number) => upstreams.backend('a', ['10.0.0.1'], weight)
    const other = upstreams.backend('b', ['10.0.0.2'], 1)
    const first = upstreams.acquire('rule', backend(2), other)
    assert.equal(nameOf(first.choose()), 'a')
    assert.equal(nameOf(first.choose()), 'b')
    assert.equal(nameOf(upstreams.acquire('elsewhere', backend(2), other).choose()), 'a')
    const changed = upstreams.acquire('rule', backend(1), other)
    assert.deepEqual([changed.choose(), changed.choose()].map(nameOf), ['a', 'b'])
    assert.equal(nameOf(first.choose()), 'a')
  })

  it('gives an invalid backend its own share', () => {
    const upstreams = new Upstreams()
    const set = upstreams.acquire('rule', upstreams.backend('a', ['10.0.0.1']), {
      weight: 1,
      target: { kind: 'invalid', name: 'gone', message: 'Service default/gone does not exist' },
      filters: [],
    })
    assert.deepEqual([set.choose(), set.choose(), set.choose()].map(nameOf), ['a', 'gone', 'a'])
  })

  it('chooses none without backends or weights', () => {
    const upstreams = new Upstreams()
    assert.equal(upstreams.acquire('empty').choose().kind, 'none')
    const zero = upstreams.acquire('zero', upstreams.backend('a', ['10.0.0.1'], 0))
    assert.equal(zero.choose().kind, 'none')
    assert.deepEqual(upstreams.registry.health(), [])
  })

  it('lets nothing be released that is not held', () => {
    const upstreams = new Upstreams()
    const backend = upstreams.backend('a', ['10.0.0.1'])
    const [one, two] = [upstreams.acquire('rule', backend), upstreams.acquire('rule', backend)]
    one.release()
    one.release()
    assert.equal(upstreams.registry.health().length, 1)
    two.release()
    assert.deepEqual(upstreams.registry.health(), [])
  })
})

function take(position: SmoothWeights, count: number): number[] {
  return Array.from({ length: count }, () => position.next())
}

function nameOf(choice: ReturnType<ReturnType<Upstreams['acquire']>['choose']>): string {
  switch (choice.kind) {
    case 'upstream':
      return choice.upstream.name
    case 'invalid':
      return choice.name
    case 'none':
      return 'none'
  }
}
