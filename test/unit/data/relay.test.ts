/** The relay's own promises: bounded memory, the idle limit, losses, byte counts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { NO_BYTES, type StreamEnd } from '../../../src/data/io/relay-end.ts'
import { type RelayReason, StreamRelay } from '../../../src/data/relay/stream.ts'
import { TimerWheel } from '../../../src/data/timer-wheel.ts'
import { dialTcp, type Listening, listenTcp, type Peer } from '../../support/sockets.ts'

/** security.md section 3: memory per stalled L4 connection. */
const STALLED_LIMIT = 512 * 1024

interface Pair {
  readonly client: Peer
  readonly server: Peer
  /** Our sockets, between them. */
  readonly near: Socket
  readonly far: Socket
  readonly relay: StreamRelay
  readonly over: Promise<RelayReason>
}

describe('stream relay', () => {
  let wheel: TimerWheel
  let listening: Listening

  beforeEach(async () => {
    wheel = new TimerWheel(systemClock, 10)
    listening = await listenTcp()
  })

  afterEach(() => {
    wheel.stop()
    listening.close()
  })

  async function relayed(idleMs = 60_000, head = NO_BYTES): Promise<Pair> {
    const [client, near] = await socketPair()
    const [server, far] = await socketPair()
    const { promise: over, resolve } = Promise.withResolvers<RelayReason>()
    const relay = new StreamRelay(end(near, head), end(far), idleMs, wheel, { onRelayEnd: resolve })
    return { client, server, near, far, relay, over }
  }

  /** A test's peer, and our side of it as the data plane holds it: paused, without listeners. */
  async function socketPair(): Promise<readonly [peer: Peer, ours: Socket]> {
    const accepted = once(listening.server, 'connection')
    const peer = await dialTcp(listening.port)
    const [socket] = (await accepted) as [Socket]
    socket.removeAllListeners('data')
    socket.pause()
    return [peer, socket]
  }

  it('bounds what it holds for a connection that is stalled both ways', async () => {
    const { client, server, near, far, relay } = await relayed()
    relay.start()
    client.socket.pause()
    server.socket.pause()
    const flood = Buffer.alloc(32 * 1024 * 1024)
    client.socket.write(flood)
    server.socket.write(flood)
    // Stalled: the counts no longer move.
    let before = -1
    while (before !== relay.bytesReceived + relay.bytesSent || before === 0) {
      before = relay.bytesReceived + relay.bytesSent
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const held = [near, far].map((socket) => socket.readableLength + socket.writableLength)
    const total = held.reduce((sum, bytes) => sum + bytes)
    assert.ok(before < flood.length, `${before} bytes went through`)
    assert.ok(total > 0 && total <= STALLED_LIMIT, `${total} bytes are held`)
    relay.stop('reset')
  })

  it('cuts a pair that is idle for the whole limit, and not one that is not', async () => {
    const idle = await relayed(200)
    const busy = await relayed(200)
    idle.relay.start()
    busy.relay.start()
    const pulse = setInterval(() => busy.client.socket.write('.'), 50)
    assert.equal(await idle.over, 'idle-timeout')
    await idle.client.closes()
    assert.equal(idle.client.error?.code, 'ECONNRESET')
    await busy.server.until(({ received }) => received.length >= 8)
    assert.equal(busy.client.closed, false)
    clearInterval(pulse)
    busy.relay.stop('reset')
  })

  it('sends the head first and counts it', async () => {
    const { client, server, relay, over } = await relayed(60_000, Buffer.from('head '))
    relay.start()
    client.socket.end('tail')
    await server.ends()
    assert.equal(server.text, 'head tail')
    server.socket.end('answer')
    assert.equal(await over, 'completed')
    assert.deepEqual([relay.bytesReceived, relay.bytesSent], [9, 6])
    await client.closes()
  })

  it('ends at once when a socket was lost before it began', async () => {
    const { near, server, relay, over } = await relayed()
    near.destroy()
    relay.start()
    assert.equal(await over, 'client-reset')
    await server.closes()
  })

  it('tells its sink once, and nothing after stop', async () => {
    const stopped = await relayed()
    stopped.relay.start()
    let told = false
    void stopped.over.then(() => {
      told = true
    })
    stopped.relay.stop('reset')
    await Promise.all([stopped.client.closes(), stopped.server.closes()])
    assert.equal(told, false)
  })
})

function end(socket: Socket, head = NO_BYTES): StreamEnd {
  return { kind: 'stream', socket, transport: socket, head }
}
