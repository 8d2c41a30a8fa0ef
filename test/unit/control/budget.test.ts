/** Workers and heaps: they fit the limits, whatever those are. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Budget, type Machine, planBudget } from '../../../src/control/budget.ts'

const MIB = 1024 * 1024

function machine(processors: number, cpus?: number, memoryMiB?: number): Machine {
  return { processors, cpus, memoryBytes: memoryMiB === undefined ? undefined : memoryMiB * MIB }
}

describe('--workers auto', () => {
  it('is a worker for each processor, and none of its own on one', () => {
    assert.equal(planBudget('auto', machine(1)).workers, 0)
    assert.equal(planBudget('auto', machine(4)).workers, 4)
    assert.equal(planBudget(0, machine(4)).workers, 0)
    assert.equal(planBudget(3, machine(1)).workers, 3)
  })

  it('heeds a quota, rounded up', () => {
    for (const [cpus, workers] of [
      [0.1, 0],
      [1, 0],
      [1.5, 2],
      [2, 2],
      [64, 8],
    ] as const) {
      assert.equal(planBudget('auto', machine(8, cpus)).workers, workers, `${cpus}`)
    }
  })

  it('starts no more than memory lasts for', () => {
    assert.equal(planBudget('auto', machine(64, undefined, 256)).workers, 0)
    assert.equal(planBudget('auto', machine(2, undefined, 512)).workers, 2)
    const { workers } = planBudget('auto', machine(64, undefined, 1024))
    assert.ok(workers >= 4 && workers <= 10, `${workers}`)
  })
})

describe('heaps', () => {
  it('want the memory that the guide names', () => {
    const guide = readFileSync(join(import.meta.dirname, '../../../docs/install.md'), 'utf8')
    const [, one, two] = /Give it (\d+) MiB or more; two workers\s+want (\d+)\./.exec(guide) ?? []
    for (const [workers, memoryMiB] of [
      [0, Number(one)],
      [2, Number(two)],
    ] as const) {
      const wanted = (limit: number) => planBudget(workers, machine(2, undefined, limit)).wantedMiB
      assert.deepEqual([wanted(memoryMiB), wanted(memoryMiB - 1)], [undefined, memoryMiB])
    }
  })

  it('are left to V8 without a limit', () => {
    assert.equal(planBudget(2, machine(2)).heaps, undefined)
  })

  it('fit the limit together, with room for what is beside them, or that is said', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 1 << 18 }),
        fc.oneof(fc.constant('auto' as const), fc.nat(32)),
        fc.integer({ min: 1, max: 128 }),
        (memoryMiB, asked, processors) => {
          const budget = planBudget(asked, machine(processors, undefined, memoryMiB))
          assert.ok(fits(budget, memoryMiB) || budget.wantedMiB !== undefined)
          const { main, configThread, worker } = budget.heaps ?? assert.fail()
          assert.ok(Math.min(main, configThread, worker) >= 32)
        },
      ),
    )
  })

  it('say what would do: the least limit that leaves each its share', () => {
    for (let workers = 0; workers <= 128; workers += 1) {
      const plan = (memoryMiB: number) => planBudget(workers, machine(1, undefined, memoryMiB))
      const { wantedMiB = assert.fail() } = plan(16)
      assert.deepEqual(
        [wantedMiB - 1, wantedMiB].map((memoryMiB) => plan(memoryMiB).wantedMiB),
        [wantedMiB, undefined],
      )
      assert.ok(fits(plan(wantedMiB), wantedMiB), `${workers} workers`)
    }
  })

  it('may fit a limit below that, as they are whole MiB: it is said all the same', () => {
    const budget = planBudget(20, machine(20, undefined, 2769))
    assert.equal(budget.wantedMiB, 2770)
    assert.ok(fits(budget, 2769))
  })
})

function fits({ workers, heaps }: Budget, memoryMiB: number): boolean {
  const { main, configThread, worker } = heaps ?? assert.fail()
  return main + configThread + workers * worker + 40 * (1 + workers) <= memoryMiB * 0.8
}
