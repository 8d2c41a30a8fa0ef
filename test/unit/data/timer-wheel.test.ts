/** The timer wheel: never early, soon after, movable, and silent when nothing waits. */
import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { heldBytes } from '../../support/held-memory.ts'
import { until } from '../../support/until.ts'
import { Deadline, TimerWheel } from '../../../src/data/timer-wheel.ts'

describe('timer wheel', () => {
  /** A wheel of 10 ms ticks on a clock that the test owns. */
  function setUp(): {
    wheel: TimerWheel
    pass(ms: number): void
    now(): number
    deadline(onFire?: (deadline: Deadline) => void): {
      deadline: Deadline
      firedAt: number[]
      defects: unknown[]
    }
    [Symbol.dispose](): void
  } {
    mock.timers.enable({ apis: ['setInterval'] })
    let time = 1000
    const wheel = new TimerWheel({ now: () => 0, monotonic: () => time }, 10)
    return {
      wheel,
      pass: (ms) => {
        for (let left = ms; left > 0; left -= 1) {
          time += 1
          mock.timers.tick(1)
        }
      },
      now: () => time,
      deadline: (onFire) => {
        const firedAt: number[] = []
        const defects: unknown[] = []
        const sink = {
          onDeadline: (fired: Deadline) => {
            firedAt.push(time)
            onFire?.(fired)
          },
          onDefect: (error: unknown) => void defects.push(error),
        }
        return { deadline: new Deadline(wheel, sink), firedAt, defects }
      },
      [Symbol.dispose]: () => {
        wheel.stop()
        mock.timers.reset()
      },
    }
  }

  it('fires not early and at most two ticks late, whatever the distance', () => {
    using test = setUp()
    for (const delay of [0, 1, 9, 10, 11, 95, 1000, 5115, 5125, 12_345]) {
      const { deadline, firedAt } = test.deadline()
      test.pass(3)
      const from = test.now()
      deadline.arm(delay)
      test.pass(delay + 25)
      assert.equal(firedAt.length, 1, `${delay} ms fired ${firedAt.length} times`)
      const late = (firedAt[0] ?? 0) - from - delay
      assert.ok(late >= 0 && late <= 20, `${delay} ms was ${late} ms late`)
    }
  })

  it('can be moved out, moved in and cancelled', () => {
    using test = setUp()
    const out = test.deadline()
    const cancelled = test.deadline()
    out.deadline.arm(50)
    cancelled.deadline.arm(50)
    test.pass(30)
    out.deadline.arm(200)
    cancelled.deadline.cancel()
    test.pass(199)
    assert.deepEqual([out.firedAt, cancelled.firedAt], [[], []])
    test.pass(25)
    assert.equal(out.firedAt.length, 1)
    const sooner = test.deadline()
    sooner.deadline.arm(60_000)
    sooner.deadline.arm(20)
    test.pass(45)
    assert.equal(sooner.firedAt.length, 1)
  })

  it('may be armed anew while it fires', () => {
    using test = setUp()
    const { deadline, firedAt } = test.deadline((fired) => {
      if (firedAt.length < 3) fired.arm(30)
    })
    deadline.arm(30)
    test.pass(300)
    assert.equal(firedAt.length, 3)
  })

  it('tells the owner of one that throws; the others fire', () => {
    using test = setUp()
    const defect = new Error('a table that is none')
    const others = [test.deadline(), test.deadline()]
    const broken = test.deadline(() => {
      throw defect
    })
    for (const { deadline } of [others[0], broken, others[1]].filter((one) => one !== undefined)) {
      deadline.arm(10)
    }
    test.pass(100)
    assert.deepEqual(
      others.map(({ firedAt, defects }) => [firedAt.length, defects]),
      [
        [1, []],
        [1, []],
      ],
    )
    assert.deepEqual(broken.defects, [defect])
  })

  it('lets go of a cancelled one, and of its owner', async () => {
    using test = setUp()
    const stays = test.deadline()
    stays.deadline.arm(60_000)
    const before = heldBytes()
    for (let round = 0; round < 64; round += 1) {
      const bulk = Buffer.alloc(1 << 20)
      const sink = { onDeadline: () => bulk.fill(1), onDefect: () => {} }
      const deadline = new Deadline(test.wheel, sink)
      deadline.arm(60_000 + round)
      deadline.cancel()
    }
    // Array buffers are freed by a thread of V8's own, after the collection.
    await until(
      () => heldBytes() - before < 8 << 20,
      () => 'cancelled deadlines are held',
    )
  })

  it('keeps those that share a slot when one between them goes', () => {
    using test = setUp()
    const all = Array.from({ length: 5 }, () => test.deadline())
    for (const { deadline } of all) deadline.arm(100)
    for (const index of [2, 0, 4]) all[index]?.deadline.cancel()
    test.pass(125)
    assert.deepEqual(
      all.map(({ firedAt }) => firedAt.length),
      [0, 1, 0, 1, 0],
    )
  })

  it('does not tick while nothing waits', () => {
    using test = setUp()
    const { deadline, firedAt } = test.deadline()
    deadline.arm(20)
    test.pass(100)
    const idleFrom = test.now()
    test.pass(50_000)
    // Stopped, the wheel reads the clock itself; ticking, it would be up to a tick behind.
    test.pass(3)
    assert.equal(test.wheel.now, test.now())
    deadline.arm(20)
    test.pass(45)
    assert.equal(firedAt.length, 2)
    assert.ok((firedAt[1] ?? 0) > idleFrom + 50_000)
  })
})
