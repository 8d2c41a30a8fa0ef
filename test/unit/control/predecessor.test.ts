/** The process that handed over, as the new one sees it: when it has finished what it had under way. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import { Predecessor } from '../../../src/control/predecessor.ts'

/** A channel to nobody: what comes is emitted. */
class Channel extends EventEmitter {
  connected = true

  send(): void {}

  /** The old process has left, or is gone. */
  close(): void {
    this.connected = false
    this.emit('disconnect')
  }
}

function setUp(): { readonly channel: Channel; readonly predecessor: Predecessor } {
  const channel = new Channel()
  return { channel, predecessor: new Predecessor(channel as unknown as NodeJS.Process) }
}

const LONG_MS = 60_000

describe('the process that handed over', () => {
  it('is not waited for while it is the service', async () => {
    const { predecessor } = setUp()
    assert.equal(predecessor.hasFinished, true)
    await predecessor.finished(LONG_MS)
  })

  it('has finished when it leaves, not when it has released its sockets', async () => {
    const { channel, predecessor } = setUp()
    let released = 0
    predecessor.taken(() => (released += 1))
    channel.emit('message', { type: 'released' })
    assert.deepEqual([released, predecessor.hasFinished], [1, false])
    const finished = predecessor.finished(LONG_MS)
    channel.close()
    await finished
    assert.deepEqual([released, predecessor.hasFinished], [1, true])
    await predecessor.finished(LONG_MS)
  })

  it('has finished and released when it is gone before it could say so', async () => {
    const { channel, predecessor } = setUp()
    let released = 0
    predecessor.taken(() => (released += 1))
    channel.close()
    await predecessor.finished(LONG_MS)
    assert.equal(released, 1)
  })

  it('is waited for no longer than the limit, when it hangs', async () => {
    const { predecessor } = setUp()
    predecessor.taken(() => undefined)
    await predecessor.finished(5)
    assert.equal(predecessor.hasFinished, false)
  })
})
