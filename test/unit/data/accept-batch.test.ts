/** Connections that come in a rush are passed on together; alone, none waits. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { AcceptBatch } from '../../../src/data/io/raw/accept-batch.ts'

class Scene {
  now = 1000
  readonly passed: number[] = []
  readonly batch: AcceptBatch<number>
  #count = 0

  constructor() {
    const clock = { now: () => 0, monotonic: () => this.now }
    this.batch = new AcceptBatch((handle: number) => this.passed.push(handle), clock)
  }

  /** `count` more, each `gapMs` after the one before. */
  come(count: number, gapMs: number): void {
    for (let i = 0; i < count; i++) {
      this.now += gapMs
      this.batch.add(this.#count++)
    }
  }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

describe('accept batch', () => {
  it('passes on at once what comes alone', () => {
    const scene = new Scene()
    scene.come(3, 10)
    assert.deepEqual(scene.passed, upTo(3))
  })

  it('holds those of a rush until a turn brings none, in their order', async () => {
    const scene = new Scene()
    scene.come(4, 0.05)
    assert.deepEqual(scene.passed, upTo(1), 'nobody knew that a rush begins')
    await turn()
    scene.come(1, 0.05)
    await turn()
    assert.deepEqual(scene.passed, upTo(1))
    await turn()
    assert.deepEqual(scene.passed, upTo(5))
  })

  it('holds no more than 16', () => {
    const scene = new Scene()
    scene.come(1 + 16, 0.01)
    assert.deepEqual(scene.passed, upTo(17))
    scene.come(15, 0.01)
    assert.deepEqual(scene.passed, upTo(17))
    scene.come(1, 0.01)
    assert.deepEqual(scene.passed, upTo(33))
  })

  it('holds the first no longer than 5 ms, while others come', async () => {
    const scene = new Scene()
    scene.come(1 + 6, 0.9)
    assert.deepEqual(scene.passed, upTo(1))
    scene.come(1, 0.9)
    assert.deepEqual(scene.passed, upTo(8))
    scene.come(1, 0.1)
    await turn()
    scene.now += 5.01
    scene.come(1, 0)
    await turn()
    assert.deepEqual(scene.passed, upTo(10))
  })

  it('holds the first no longer than 5 ms, in a turn that takes long', async () => {
    const scene = new Scene()
    scene.come(2, 0.1)
    await turn()
    scene.come(1, 0.1)
    scene.now += 5.01
    await turn()
    assert.deepEqual(scene.passed, upTo(3))
  })

  it('keeps its order where the rush is over and one is held', () => {
    const scene = new Scene()
    scene.come(2, 0.9)
    assert.deepEqual(scene.passed, upTo(1))
    // No rush any more; but it must not overtake the one that is held.
    scene.come(1, 1.5)
    assert.deepEqual(scene.passed, upTo(1))
    scene.come(1, 5)
    assert.deepEqual(scene.passed, upTo(4))
  })

  it('passes on at once what is held when it is told to, and nothing twice', async () => {
    const scene = new Scene()
    scene.come(4, 0.1)
    scene.batch.flush()
    assert.deepEqual(scene.passed, upTo(4))
    await turn()
    await turn()
    assert.deepEqual(scene.passed, upTo(4))
  })

  it('looks once a turn, however often a batch was full', async () => {
    const scene = new Scene()
    scene.come(1 + 16 + 2, 0.01)
    await turn()
    scene.come(2, 0.01)
    await turn()
    assert.deepEqual(scene.passed, upTo(17), 'two came in this turn')
    await turn()
    assert.deepEqual(scene.passed, upTo(21))
  })

  it('begins anew behind a batch that was full', async () => {
    const scene = new Scene()
    scene.come(1 + 3, 0.01)
    await turn()
    scene.come(13 + 3, 0.01)
    await turn()
    assert.deepEqual(scene.passed, upTo(17), 'three came in this turn')
    await turn()
    assert.deepEqual(scene.passed, upTo(20))
  })
})
