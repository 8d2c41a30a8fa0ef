/** Draining a worker, and one listener's connections: running exchanges finish, nothing new begins. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import net from 'node:net'
import { describe, it } from 'node:test'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startOrigin } from '../support/http-origin.ts'
import { startProxy, type TestProxy } from '../support/http-proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

/** The two ways in which a connection is told to finish. */
const WAYS: Readonly<Record<string, (proxy: TestProxy) => void>> = {
  'the worker drains': (proxy) => proxy.hub.drain(),
  'the listener is removed': (proxy) => proxy.slot.retire(),
}

describe('drain', () => {
  for (const [name, begin] of Object.entries(WAYS)) {
    it(`HTTP/1.1, ${name}: connection: close on the running answer`, async () => {
      const running: ServerResponse[] = []
      using origin = await startOrigin((_request, response) => {
        running.push(response)
        origin.server.emit('arrived')
      })
      await using proxy = await startProxy({
        listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
      })
      const arrived = once(origin.server, 'arrived')
      const busy = net.connect(proxy.port, '127.0.0.1')
      let text = ''
      busy.on('data', (chunk) => {
        text += chunk
      })
      busy.write(GET)
      await arrived
      assert.equal(proxy.hub.activeExchanges, 1)
      begin(proxy)
      running[0]?.end('done')
      await once(busy, 'close')
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n.*done/is)
      assert.equal(proxy.hub.activeExchanges, 0)
    })

    it(`HTTP/2, ${name}: GOAWAY twice, running streams finish, then the connection`, async () => {
      const running: ServerResponse[] = []
      using origin = await startOrigin((_request, response) => {
        running.push(response)
        origin.server.emit('arrived')
      })
      await using proxy = await startProxy({
        listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
      })
      const session = await connectH2(proxy.origin)
      const goaways: number[] = []
      session.on('goaway', (_code, lastStreamId) => goaways.push(lastStreamId))
      const arrived = once(origin.server, 'arrived')
      const answer = h2Request(session, { ':path': '/' })
      await arrived
      const closed = once(session, 'close')
      begin(proxy)
      await once(session, 'goaway')
      running[0]?.end('done')
      assert.equal((await answer).body.toString(), 'done')
      await closed
      assert.equal(goaways[0], 2 ** 31 - 1)
    })
  }

  it('idle connections may do one exchange more, and silent ones close', async () => {
    using origin = await startOrigin((_request, response) => response.end('ok'))
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
    })
    const [idle, next] = [0, 0].map(() => net.connect(proxy.port, '127.0.0.1'))
    assert.ok(idle !== undefined && next !== undefined)
    for (const socket of [idle, next]) {
      socket.write(GET)
      await once(socket, 'data')
    }
    const session = await connectH2(proxy.origin)
    await h2Request(session, { ':path': '/' })
    const ends = [idle, next, session].map((one) => once(one, 'close'))
    idle.resume()
    proxy.hub.drain()
    // As if it had been on its way: to close now would lose it.
    next.write(GET)
    const [last] = await once(next, 'data')
    assert.match(String(last), /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n/is)
    await Promise.all(ends)
    const late = net.connect(proxy.port, '127.0.0.1')
    late.write(GET)
    const [chunk] = await once(late, 'data')
    assert.match(String(chunk), /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n/is)
    await once(late, 'close')
  })

  it('a request that waited for a busy worker is answered, whatever timers say', async () => {
    using origin = await startOrigin((_request, response) => response.end('ok'))
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
    })
    const client = net.connect(proxy.port, '127.0.0.1')
    client.write(GET)
    await once(client, 'data')
    proxy.hub.drain()
    client.write(GET)
    // The time for a last request is over before anybody can look for one.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
    const [last] = await once(client, 'data')
    assert.match(String(last), /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n/is)
    await once(client, 'close')
  })

  it('behind an answer that had begun before, one exchange more is possible', async () => {
    const running: ServerResponse[] = []
    using origin = await startOrigin((_request, response) => {
      running.push(response)
      response.writeHead(200, { 'content-length': '4' })
      response.write('do')
    })
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
    })
    const client = net.connect(proxy.port, '127.0.0.1')
    client.write(GET)
    let text = String((await once(client, 'data'))[0])
    proxy.hub.drain()
    running[0]?.end('ne')
    while (!text.endsWith('done')) text += String((await once(client, 'data'))[0])
    assert.doesNotMatch(text, /Connection: close/i)
    client.write(GET)
    const [next] = await once(client, 'data')
    assert.match(String(next), /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n/is)
    running[1]?.end('ne')
    client.resume()
    await once(client, 'close')
  })
})
