import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { FloodGuard } from '../../../src/data/http/h2/flood-guard.ts'
import { TimerWheel } from '../../../src/data/timer-wheel.ts'

/** What comes at once, or each second, beside everything that serves. */
const FREE = 131_072
const FREE_PER_SECOND = 4096
const WINDOW = 65_535

function guarded() {
  mock.timers.enable({ apis: ['setInterval'] })
  let time = 0
  let floods = 0
  const socket = { bytesRead: 0 }
  const wheel = new TimerWheel({ now: () => 0, monotonic: () => time }, 50)
  const guard = new FloodGuard(socket, wheel, {
    onFlood: () => {
      floods += 1
    },
    onDefect: (error) => assert.fail(String(error)),
  })
  return {
    guard,
    receive: (bytes: number) => {
      socket.bytesRead += bytes
    },
    pass: (ms: number) => {
      for (let left = ms; left > 0; left -= 50) {
        time += 50
        mock.timers.tick(50)
      }
    },
    get floods() {
      return floods
    },
    [Symbol.dispose]: () => {
      wheel.stop()
      mock.timers.reset()
    },
  }
}

describe('the guard against floods', () => {
  it('cuts off within a second what is more than is free, once', () => {
    using at = guarded()
    at.receive(FREE)
    at.pass(1000)
    assert.equal(at.floods, 0)
    at.receive(2 * FREE_PER_SECOND + FREE)
    at.pass(1000)
    assert.equal(at.floods, 1)
    at.receive(FREE)
    at.pass(5000)
    assert.equal(at.floods, 1)
  })

  it('forgives some of it each second, for ever', () => {
    using at = guarded()
    for (let i = 0; i < 100; i += 1) {
      at.receive(FREE_PER_SECOND)
      at.pass(1000)
    }
    assert.equal(at.floods, 0)
    for (let i = 0; i < 100; i += 1) {
      at.receive(2 * FREE_PER_SECOND)
      at.pass(1000)
    }
    assert.equal(at.floods, 1)
  })

  it('takes no notice of requests and content, but keeps none of it for later', () => {
    using at = guarded()
    for (let i = 0; i < 100; i += 1) {
      at.guard.request([':path', 'x'.repeat(9000)])
      at.guard.content(90_000)
      at.guard.content(1)
      at.receive(99_100)
      at.pass(600)
    }
    assert.equal(at.floods, 0)
    at.guard.content(10 * FREE)
    at.pass(600)
    at.receive(2 * FREE)
    at.pass(600)
    assert.equal(at.floods, 1)
  })

  it('lets the window of each stream that was cut off come, now or later', () => {
    using at = guarded()
    for (let i = 0; i < 300; i += 1) at.guard.cutStream()
    at.receive(200 * WINDOW)
    at.pass(10_000)
    at.receive(100 * WINDOW)
    at.pass(10_000)
    assert.equal(at.floods, 0)
    at.receive(2 * FREE)
    at.pass(600)
    assert.equal(at.floods, 1)
  })

  it('is silent once it is closed', () => {
    using at = guarded()
    at.receive(2 * FREE)
    at.guard.close()
    at.pass(5000)
    assert.equal(at.floods, 0)
  })
})
