/** The relay over real sockets: half-close, resets both ways, backpressure, deadlines, refusals. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { WeightedUpstream } from '../../src/model/upstream.ts'
import type { ConnectionRecord } from '../../src/observe/access-log.ts'
import { openBlackHole } from '../support/black-hole.ts'
import { chain, DataPlane, ip, type PlaneOptions, tcpForward } from '../support/data-plane.ts'
import { dialTcp, type Listening, listenTcp, type Peer, startTcp } from '../support/sockets.ts'

describe('relay', () => {
  let plane: DataPlane
  let backend: Listening
  let port: number

  before(async () => {
    plane = await DataPlane.start()
    backend = await listenTcp()
    port = plane.open('tcp')
    const upstream = plane.upstream('backend', [ip(backend.port)])
    await plane.publish({
      tcp: { ingress: 'tcp', chains: [chain('', tcpForward(upstream), 'tcp')] },
    })
  })

  after(async () => {
    await plane.stop()
    backend.close()
  })

  async function pair(): Promise<{ client: Peer; server: Peer; line: Promise<ConnectionRecord> }> {
    const client = await dialTcp(port)
    const server = await backend.accepted()
    const address = `127.0.0.1:${client.socket.localPort}`
    return { client, server, line: plane.line(({ peer }) => peer === address, plane.lines.length) }
  }

  it('lets the server speak first, before the client sent a byte', async () => {
    const { client, server } = await pair()
    server.socket.write('220 ready\r\n')
    await client.receives('220 ready')
    client.socket.destroy()
  })

  it('carries a half-close of the client through, and the answer after it', async () => {
    const { client, server, line } = await pair()
    client.socket.end('question')
    await server.receives('question')
    await server.ends()
    server.socket.write('part one, ')
    await client.receives('part one')
    server.socket.end('part two')
    await client.receives('part two')
    await client.closes()
    const { reason, bytesReceived, bytesSent, endpoint, connectMs = 0, durationMs } = await line
    assert.ok(connectMs > 0 && connectMs < durationMs)
    assert.deepEqual(
      { reason, bytesReceived, bytesSent, endpoint },
      {
        reason: 'completed',
        bytesReceived: 8,
        bytesSent: 18,
        endpoint: `127.0.0.1:${backend.port}`,
      },
    )
  })

  it('carries a half-close of the server through', async () => {
    const { client, server, line } = await pair()
    server.socket.end('goodbye')
    await client.ends()
    assert.equal(client.text, 'goodbye')
    client.socket.end('still talking')
    await server.receives('still talking')
    await server.closes()
    assert.equal((await line).reason, 'completed')
  })

  it('turns a reset of the client into a reset of the server', async () => {
    const { client, server, line } = await pair()
    client.socket.write('x')
    await server.receives('x')
    client.socket.resetAndDestroy()
    await server.closes()
    assert.equal(server.error?.code, 'ECONNRESET')
    assert.equal((await line).reason, 'client-reset')
  })

  it('turns a reset of the server into a reset of the client', async () => {
    const { client, server, line } = await pair()
    server.socket.write('x')
    await client.receives('x')
    server.socket.resetAndDestroy()
    await client.closes()
    assert.equal(client.error?.code, 'ECONNRESET')
    const { reason, detail } = await line
    assert.deepEqual([reason, detail], ['upstream-reset', 'ECONNRESET'])
  })

  it('relays a mebibyte each way unchanged', async () => {
    const { client, server } = await pair()
    const up = Buffer.alloc(1 << 20, 'up-')
    const down = Buffer.alloc(1 << 20, 'down-')
    client.socket.end(up)
    server.socket.end(down)
    await Promise.all([client.closes(), server.closes()])
    assert.ok(server.received.equals(up))
    assert.ok(client.received.equals(down))
  })

  it('stops reading from the fast side while the other does not read', async () => {
    const { client, server } = await pair()
    client.socket.pause()
    let pushed = 0
    const chunk = Buffer.alloc(64 * 1024, 1)
    // The kernel's buffers take some megabytes (tcp_rmem of the machine); without backpressure this
    // would go on for ever.
    await new Promise<void>((resolve) => {
      const push = (): void => {
        while (pushed < 1024 * chunk.length && server.socket.write(chunk)) pushed += chunk.length
        if (pushed >= 1024 * chunk.length) resolve()
        else {
          pushed += chunk.length
          // Nothing drains for several heartbeats of the event loop: the writer is stopped.
          const stalled = setTimeout(resolve, 300)
          server.socket.once('drain', () => {
            clearTimeout(stalled)
            push()
          })
        }
      }
      push()
    })
    assert.ok(pushed < 1024 * chunk.length, `${pushed} bytes were taken`)
    client.socket.resume()
    client.socket.end()
    server.socket.end()
    await client.closes()
    assert.equal(client.received.length, pushed)
  })
})

describe('dialling', () => {
  it('goes to the next endpoint when one refuses', async () => {
    const plane = await DataPlane.start()
    const closed = await listenTcp()
    closed.close()
    const backend = await listenTcp()
    const port = plane.open('tcp')
    const upstream = plane.upstream('two', [ip(closed.port), ip(backend.port)])
    await plane.publish({ tcp: { ingress: 'tcp', chains: [chain('', tcpForward(upstream))] } })
    for (let i = 0; i < 4; i++) {
      const client = await dialTcp(port)
      client.socket.write('hello')
      await (await backend.accepted()).receives('hello')
      client.socket.destroy()
    }
    await plane.stop()
    backend.close()
  })

  const refused = async (
    make: (plane: DataPlane) => readonly WeightedUpstream[],
    options: PlaneOptions = {},
  ): Promise<ConnectionRecord> => {
    const plane = await DataPlane.start(options)
    const port = plane.open('tcp')
    const action = tcpForward(...make(plane))
    await plane.publish({ tcp: { ingress: 'tcp', chains: [chain('', action)] } })
    const client = await startTcp(port).closes()
    assert.equal(client.error?.code, 'ECONNRESET', 'the client is reset')
    const line = await plane.line()
    await plane.stop()
    return line
  }

  it('resets when every endpoint refuses', async () => {
    const closed = await listenTcp()
    closed.close()
    const line = await refused((plane) => [plane.upstream('down', [ip(closed.port)])])
    assert.deepEqual([line.reason, line.detail], ['connect-refused', 'ECONNREFUSED'])
  })

  it('resets when there is no endpoint, no backend, or an invalid one', async () => {
    assert.equal((await refused((plane) => [plane.upstream('none', [])])).reason, 'no-endpoint')
    assert.equal((await refused(() => [])).reason, 'no-backend')
    const invalid = {
      weight: 1,
      filters: [],
      target: { kind: 'invalid', name: 'gone', message: 'Service gone not found' },
    } as const
    const line = await refused(() => [invalid])
    assert.deepEqual([line.reason, line.detail], ['invalid-backend', 'Service gone not found'])
  })

  it('gives up on a black hole at the connect timeout', async () => {
    const hole = await openBlackHole()
    const line = await refused((plane) => [plane.upstream('hole', [ip(hole.port)])], {
      limits: { connectMs: 200 },
    })
    assert.equal(line.reason, 'connect-timeout')
    assert.ok(line.durationMs >= 200 && line.durationMs < 2000, `${line.durationMs} ms`)
    hole.close()
  })
})
