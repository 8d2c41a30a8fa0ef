/** The HTTP/2 client: giving up at any point, and upstreams that break rules or send without end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { END_STREAM, FRAME, frame, setting, uint32 } from '../support/h2-frames.ts'
import {
  data,
  type H2Script,
  h2Peer,
  head,
  reset,
  whole,
  windowUpdate,
} from '../support/h2-peer.ts'
import { startTcpOrigin } from '../support/http-origin.ts'
import { until } from '../support/until.ts'
import { begin, clientOf, GET } from '../support/upstream-calls.ts'

const OK = { ':status': '200' }
const INITIAL_WINDOW_SIZE = 4
const WINDOW = 65_535

const answered: H2Script = (id) => [whole(id, 'a')]
const held: H2Script = () => []

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count
    const next = (): void => {
      left -= 1
      if (left > 0) setImmediate(next)
      else resolve()
    }
    setImmediate(next)
  })
}

describe('HTTP/2 client: giving up', () => {
  const points: Readonly<Record<string, H2Script>> = {
    'before the head': held,
    'after a hint': (id) => [head(id, { ':status': '103' })],
    'in the body': (id) => [head(id, OK), data(id, 'hello')],
  }
  for (const [name, script] of Object.entries(points)) {
    it(`${name}: no further event, and the stream is reset`, async () => {
      using peer = await h2Peer([script, answered])
      const client = clientOf('own h2', peer.port)
      const { call, result } = begin(client, GET)
      await until(() => peer.requests() === 1)
      await turns(20)
      call.abort()
      call.abort()
      const seen = structuredClone(result)
      const connection = await peer.connection()
      await connection.got(FRAME.rstStream, 1)
      // It may be on its way while the reset is.
      connection.send(data(1, 'more', END_STREAM))
      assert.equal((await begin(client, GET).over).body, 'a')
      assert.deepEqual(result, seen)
      assert.equal(peer.connections.length, 1)
      client.close()
    })
  }

  it('while it connects: nothing is sent', async () => {
    using peer = await h2Peer([answered])
    const client = clientOf('own h2', peer.port)
    const { call, result } = begin(client, GET)
    call.abort()
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.deepEqual([peer.requests(), result.outcome], [1, ''])
    client.close()
  })

  it('in any event of its own', async () => {
    for (const event of ['onConnected', 'onInformation', 'onHead', 'onData'] as const) {
      using peer = await h2Peer([
        (id) => [head(id, { ':status': '103' }), head(id, OK), data(id, 'abc', END_STREAM)],
        answered,
      ])
      const client = clientOf('own h2', peer.port)
      const told: string[] = []
      const { promise, resolve } = Promise.withResolvers<void>()
      const hear = (name: string) => () => {
        told.push(name)
        if (name !== event) return
        call.abort()
        resolve()
      }
      const call = client.request(GET, {
        onConnected: hear('onConnected'),
        onInformation: hear('onInformation'),
        onHead: hear('onHead'),
        onData: hear('onData'),
        onEnd: hear('onEnd'),
        onUpgrade: hear('onUpgrade'),
        onError: hear('onError'),
        onDefect: hear('onDefect'),
      })
      await promise
      assert.equal((await begin(client, GET).over).body, 'a')
      assert.equal(told.at(-1), event)
      assert.equal(peer.connections.length, 1)
      client.close()
    }
  })

  it('a fault of ours in an event costs the connection, and each call hears of it', async () => {
    using peer = await h2Peer([held, answered])
    const client = clientOf('own h2', peer.port)
    const told: unknown[] = []
    const events = {
      onConnected: () => {},
      onInformation: () => {},
      onHead: () => {
        throw new Error('ours')
      },
      onData: () => {},
      onEnd: () => {},
      onUpgrade: () => {},
      onError: () => {},
      onDefect: (error: unknown) => told.push(error),
    }
    client.request(GET, events)
    await until(() => peer.requests() === 1)
    client.request(GET, events)
    await until(() => told.length === 2)
    assert.match(String(told), /ours.*ours/)
    await until(() => peer.connections[0]?.isClosed === true)
    assert.equal((await begin(client, GET).over).body, 'a')
    client.close()
  })

  it('paused, it reads no more than the window of its stream, and others go on', async () => {
    const large = Buffer.alloc(16_384, 'x')
    using peer = await h2Peer([held, answered])
    const client = clientOf('own h2', peer.port)
    let bytes = 0
    const { promise: whenHead, resolve: onHead } = Promise.withResolvers<void>()
    const { promise: whenOver, resolve: onEnd, reject } = Promise.withResolvers<void>()
    const call = client.request(GET, {
      onConnected: () => {},
      onInformation: () => {},
      onHead: () => {
        call.pause()
        onHead()
      },
      onData: (chunk) => {
        bytes += chunk.length
      },
      onEnd: () => onEnd(),
      onUpgrade: () => {},
      onError: ({ detail }) => reject(new Error(detail)),
      onDefect: reject,
    })
    const connection = await peer.connection()
    await connection.got(FRAME.headers, 1)
    const opened = () =>
      connection
        .of(FRAME.windowUpdate, 1)
        .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), WINDOW)
    connection.send(head(1, OK))
    await whenHead
    connection.send(...Array.from({ length: 3 }, () => data(1, large)), data(1, large.subarray(1)))
    assert.equal((await begin(client, GET).over).body, 'a')
    await turns(50)
    assert.equal(bytes, 0)
    assert.equal(opened(), WINDOW, 'nothing that was not read is asked for')
    call.resume()
    await until(() => opened() > WINDOW)
    connection.send(data(1, 'x', END_STREAM))
    await whenOver
    assert.equal(bytes, WINDOW + 1)
    client.close()
  })

  it('what came for a stream that was given up is given back to the connection', async () => {
    using peer = await h2Peer([(id) => [head(id, OK)]])
    const client = clientOf('own h2', peer.port)
    let sum = 0
    for (let i = 0; i < 20; i += 1) {
      const run = begin(client, GET)
      await until(() => run.result.status === 200)
      const connection = await peer.connection()
      const stream = 2 * i + 1
      run.call.abort()
      await connection.got(FRAME.rstStream, stream)
      for (let sent = 0; sent < 60_000; sent += 15_000) {
        connection.send(data(stream, Buffer.alloc(15_000)))
      }
      sum += 60_000
      const opened = () =>
        connection
          .of(FRAME.windowUpdate, 0)
          .reduce((all, { payload }) => all + payload.readUInt32BE(0), WINDOW)
      await until(() => opened() - sum >= WINDOW / 2 - 1)
    }
    client.close()
  })
})

describe('HTTP/2 client: bad upstreams', () => {
  const floods: Readonly<Record<string, (stream: number) => Buffer>> = {
    PING: () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    'PING that answers none': () => frame(FRAME.ping, 1, 0, Buffer.alloc(8)),
    SETTINGS: () => setting(INITIAL_WINDOW_SIZE, WINDOW),
    'empty DATA': (id) => data(id, ''),
    'DATA of padding': (id) => frame(FRAME.data, 8, id, Buffer.from([0])),
    'interim answers': (id) => head(id, { ':status': '103' }),
    PRIORITY: (id) => frame(FRAME.priority, 0, id, Buffer.alloc(5)),
    'WINDOW_UPDATE of the connection': () => windowUpdate(0, 1),
    'WINDOW_UPDATE of a stream': (id) => windowUpdate(id, 1),
    'frames of no known type': () => frame(0xbe, 0, 0, Buffer.alloc(0)),
    'resets of streams that are over': () => reset(1, 0),
  }
  for (const [name, one] of Object.entries(floods)) {
    it(`${name} without end are the end of the connection`, async () => {
      using peer = await h2Peer([answered, name.includes('DATA') ? (id) => [head(id, OK)] : held])
      const client = clientOf('own h2', peer.port)
      await begin(client, GET).over
      const { over } = begin(client, GET)
      await until(() => peer.requests() === 2)
      const connection = await peer.connection()
      const frames = Buffer.concat(Array.from({ length: 500 }, () => one(3)))
      const end = Date.now() + 10_000
      while (!connection.isClosed && Date.now() < end) {
        connection.send(frames)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      assert.ok(connection.isClosed)
      assert.equal((await over).outcome, 'upstream-protocol-error')
      client.close()
    })
  }

  it('an upstream that reads none of our answers to PING costs no memory', async () => {
    using peer = await h2Peer([held], { deaf: true })
    const client = clientOf('own h2', peer.port)
    const { over } = begin(client, GET)
    const connection = await peer.connection()
    const pings = Buffer.concat(
      Array.from({ length: 500 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
    )
    const end = Date.now() + 10_000
    while (!connection.isClosed && Date.now() < end) {
      connection.send(pings)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    assert.equal((await over).outcome, 'upstream-protocol-error')
    client.close()
  })

  it('more than the window of a stream is the end of it, and of no other', async () => {
    using peer = await h2Peer([(id) => [head(id, OK)], answered])
    const client = clientOf('own h2', peer.port)
    const { call, result, over } = begin(client, GET)
    await until(() => result.status === 200)
    call.pause()
    const connection = await peer.connection()
    connection.send(...Array.from({ length: 4 }, () => data(1, Buffer.alloc(16_384))))
    assert.equal((await over).outcome, 'upstream-protocol-error')
    assert.equal((await connection.got(FRAME.rstStream, 1)).payload.readUInt32BE(0), 3)
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.equal(peer.connections.length, 1)
    client.close()
  })

  it('an upstream that closes between connect and answer says nothing of a clean end', async () => {
    using origin = await startTcpOrigin((socket) => socket.end())
    const { outcome, unsent } = await begin(clientOf('own h2', origin.port), GET).over
    assert.deepEqual([outcome, unsent], ['upstream-reset', false])
  })

  it('an upstream that says nothing is left to the deadlines of the exchange', async () => {
    using peer = await h2Peer([held], { silent: true, opening: Buffer.alloc(0) })
    const client = clientOf('own h2', peer.port)
    const { call, result } = begin(client, GET)
    const connection = await peer.connection()
    await connection.got(FRAME.headers, 1)
    assert.equal(result.outcome, '')
    call.abort()
    const { payload } = await connection.got(FRAME.rstStream, 1)
    assert.deepEqual(payload, uint32(2))
    client.close()
    await once(connection.socket, 'close')
  })
})
