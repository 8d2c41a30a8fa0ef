/** The watchdog is fed by progress alone: of the config thread and of the workers. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { Watchdog, watchdogTimeout } from '../../../src/control/watchdog.ts'
import { recordingLog } from './fixtures.ts'

describe('watchdogTimeout', () => {
  it('is what systemd says to this process', () => {
    assert.equal(watchdogTimeout({ WATCHDOG_USEC: '30000000' }, 7), 30_000)
    assert.equal(watchdogTimeout({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7), 30_000)
  })

  it('is none for another process, without a value and without sense', () => {
    assert.equal(watchdogTimeout({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7), undefined)
    for (const value of [undefined, '', '0', '-1', 'x']) {
      assert.equal(watchdogTimeout({ WATCHDOG_USEC: value }, 7), undefined)
    }
  })
})

describe('Watchdog', () => {
  let fed = 0
  let isFresh = true
  let configResponds = (): Promise<void> => Promise.resolve()
  let watchdog: Watchdog
  let lines: ReturnType<typeof recordingLog>['lines']

  /** A quarter of the timeout, and what follows from it. */
  async function quarter(): Promise<void> {
    mock.timers.tick(1000)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval'] })
    fed = 0
    isFresh = true
    configResponds = () => Promise.resolve()
    const recording = recordingLog()
    lines = recording.lines
    watchdog = new Watchdog(4000, {
      configResponds: () => configResponds(),
      workersAreFresh: () => isFresh,
      feed: () => {
        fed += 1
      },
      log: recording.log,
    })
  })
  afterEach(() => {
    watchdog.stop()
    mock.timers.reset()
  })

  it('is fed four times in its time', async () => {
    for (let count = 0; count < 4; count++) await quarter()
    assert.equal(fed, 4)
    assert.deepEqual(lines, [])
  })

  it('is not fed while a worker is silent, which is told once', async () => {
    isFresh = false
    await quarter()
    await quarter()
    assert.equal(fed, 0)
    assert.equal(lines.length, 1)
    isFresh = true
    await quarter()
    assert.equal(fed, 1)
  })

  it('is not fed while the config thread hangs, and again when it answers', async () => {
    const answer = Promise.withResolvers<void>()
    configResponds = () => answer.promise
    await quarter()
    await quarter()
    await quarter()
    assert.equal(fed, 0)
    assert.match(lines[0]?.message ?? '', /config thread does not answer/)
    answer.resolve()
    await quarter()
    assert.ok(fed > 0)
  })
})
