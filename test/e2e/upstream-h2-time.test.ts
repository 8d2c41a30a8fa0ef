/** The HTTP/2 client and time: deadlines by a clock that the test turns, and numbers that run out. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { describe, it } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ClientSession } from '../../src/data/http/h2/client-session.ts'
import { TimerWheel } from '../../src/data/timer-wheel.ts'
import { openBlackHole } from '../support/black-hole.ts'
import { FRAME } from '../support/h2-frames.ts'
import { type H2Script, h2Peer, whole } from '../support/h2-peer.ts'
import { until } from '../support/until.ts'
import { begin, clientOf, GET } from '../support/upstream-calls.ts'

const answered: H2Script = (id) => [whole(id, 'a')]
const held: H2Script = () => []

class TestClock implements Clock {
  #ms = 0

  now(): number {
    return this.#ms
  }

  monotonic(): number {
    return this.#ms
  }

  pass(ms: number): void {
    this.#ms += ms
  }
}

describe('HTTP/2 client: deadlines', () => {
  it('a connection that nobody has used for a minute is closed', async () => {
    using peer = await h2Peer([answered])
    const clock = new TestClock()
    const client = clientOf('own h2', peer.port, clock)
    for (let i = 0; i < 3; i += 1) {
      await begin(client, GET).over
      clock.pass(40_000)
      // A tick of the wheel.
      await new Promise((resolve) => setTimeout(resolve, 120))
    }
    assert.deepEqual([peer.connections.length, peer.connections[0]?.isClosed], [1, false])
    clock.pass(40_000)
    await until(() => peer.connections[0]?.isClosed === true)
    await (await peer.connection()).got(FRAME.goaway)
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.equal(peer.connections.length, 2)
    client.close()
  })

  it('one that is in use is not', async () => {
    using peer = await h2Peer([held, answered])
    const clock = new TestClock()
    const client = clientOf('own h2', peer.port, clock)
    const { over } = begin(client, GET)
    await until(() => peer.requests() === 1)
    assert.equal((await begin(client, GET).over).body, 'a')
    clock.pass(400_000)
    await new Promise((resolve) => setTimeout(resolve, 200))
    peer.connections[0]?.send(whole(1, 'late'))
    assert.equal((await over).body, 'late')
    client.close()
  })

  it('a connection that does not come about', async () => {
    const hole = await openBlackHole()
    const clock = new TestClock()
    const client = clientOf('own h2', hole.port, clock)
    const { over } = begin(client, GET)
    clock.pass(6000)
    const { outcome, unsent } = await over
    assert.deepEqual([outcome, unsent], ['connect-timeout', true])
    client.close()
    hole.close()
  })

  it('a call that is given up unanswered asks whether anybody is there', async () => {
    using peer = await h2Peer([held], { silent: true })
    const clock = new TestClock()
    const client = clientOf('own h2', peer.port, clock)
    const other = begin(client, GET)
    for (let i = 0; i < 3; i += 1) {
      const { call } = begin(client, GET)
      await until(() => peer.requests() === 2 + i)
      call.abort()
    }
    const connection = await peer.connection()
    await connection.got(FRAME.ping)
    clock.pass(6000)
    const { outcome, unsent } = await other.over
    assert.deepEqual([outcome, unsent], ['upstream-reset', false])
    await until(() => connection.isClosed)
    assert.equal(connection.of(FRAME.ping).length, 1)
    client.close()
  })

  it('an upstream that answers PING keeps its connection, and is not asked again in vain', async () => {
    using peer = await h2Peer([held, held, answered, held, answered])
    const clock = new TestClock()
    const client = clientOf('own h2', peer.port, clock)
    const giveUp = async (count: number): Promise<void> => {
      const { call } = begin(client, GET)
      await until(() => peer.requests() === count)
      call.abort()
    }
    await giveUp(1)
    const connection = await peer.connection()
    await connection.got(FRAME.ping)
    await giveUp(2)
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.equal(connection.of(FRAME.ping).length, 1)
    await giveUp(4)
    await until(() => connection.of(FRAME.ping).length === 2)
    assert.equal((await begin(client, GET).over).body, 'a')
    clock.pass(30_000)
    await new Promise((resolve) => setTimeout(resolve, 120))
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.equal(peer.connections.length, 1)
    client.close()
  })
})

const NO_EVENTS = {
  onInterim: () => {},
  onResponse: () => {},
  onTrailers: () => {},
  onData: () => {},
  onEnd: () => {},
  onDrain: () => {},
  onClose: () => {},
  onDefect: () => {},
}
const FIELDS = [':method', 'GET', ':path', '/', ':scheme', 'http', ':authority', 'a']
const OPTIONS = { headerBytes: 16_384, wheel: new TimerWheel(systemClock), borrows: false }

it('the last number of a stream is the last request of its connection', async () => {
  using peer = await h2Peer([held])
  const socket = net.connect({ host: '127.0.0.1', port: peer.port })
  await once(socket, 'connect')
  const told: string[] = []
  const session = new ClientSession(
    socket,
    { ...OPTIONS, firstId: 2 ** 31 - 3 },
    { onIdle: () => told.push('idle'), onSessionEnd: ({ kind }) => told.push(kind) },
  )
  session.start()
  const sink = (name: string) => ({
    ...NO_EVENTS,
    onData: (chunk: Buffer) => told.push(`${name} ${chunk}`),
  })
  assert.equal(session.room, 100)
  session.open(FIELDS, true, sink('first'))
  assert.equal(session.room, 99)
  session.open(FIELDS, true, sink('second'))
  assert.equal(session.room, 0)
  const connection = await peer.connection()
  await connection.got(FRAME.headers, 2 ** 31 - 1)
  await connection.got(FRAME.goaway)
  connection.send(whole(2 ** 31 - 1, 'b'), whole(2 ** 31 - 3, 'a'))
  await until(() => told.length === 3)
  assert.deepEqual(told, ['second b', 'first a', 'closed'])
})

it('an upstream that does not read is given up, and every call hears of it', async () => {
  const deaf = net.createServer((socket) => socket.on('error', () => {}).pause())
  deaf.listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  const { port } = deaf.address() as net.AddressInfo
  const socket = net.connect({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  const session = new ClientSession(socket, OPTIONS, { onIdle: () => {}, onSessionEnd: () => {} })
  session.start()
  const fields = [...FIELDS, 'x-much', 'x'.repeat(60_000)]
  let [opened, closed] = [0, 0]
  while (!session.destroyed) {
    opened += 1
    const stream = session.open(fields, true, { ...NO_EVENTS, onClose: () => void closed++ })
    if (!session.destroyed) stream.destroy()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(
    () => closed === opened,
    () => `${opened} opened, ${closed} closed`,
  )
  deaf.close()
})
