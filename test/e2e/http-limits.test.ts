/** Slow, silent, resetting and vanishing clients: bounded, and nobody else notices (security.md 2.3). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { heldBytes } from '../support/held-memory.ts'
import { startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { type ProxyOptions, startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'
import { until, untilStill } from '../support/until.ts'

const HOST = 'Host: a.test\r\n'

function proxyFor(port: number, limits: ProxyOptions['limits'] = {}) {
  return startProxy({ listeners: [{ hostname: '', rules: [{ ports: [port] }] }], limits })
}

function closed(emitter: NodeJS.EventEmitter): Promise<unknown> {
  return new Promise((resolve) => emitter.once('close', resolve))
}

/** Writes a byte now and then until the socket is closed; resolves with what came back. */
async function drip(port: number, head: string, byte: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.write(head)
  const timer = setInterval(() => socket.write(byte), 50)
  await closed(socket)
  clearInterval(timer)
  return text
}

/** Clients that ask and never read. */
function stalledReaders(port: number, count: number): readonly net.Socket[] {
  return Array.from({ length: count }, () => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    socket.pause()
    return socket
  })
}

describe('limits', () => {
  it('a dripping head is cut at its total deadline, with 408', async () => {
    using origin = await startOrigin((_request, response) => response.end())
    await using proxy = await proxyFor(origin.port, { headersMs: 300 })
    const start = performance.now()
    const text = await drip(proxy.port, `GET / HTTP/1.1\r\n${HOST}X: `, 'x')
    assert.match(text, /^HTTP\/1\.1 408 /)
    assert.ok(performance.now() - start < 2500)
  })

  it('an idle kept connection is closed', async () => {
    using origin = await startOrigin((_request, response) => response.end())
    await using proxy = await proxyFor(origin.port, { httpIdleMs: 200 })
    assert.match(await rawRequest(proxy.port, `GET / HTTP/1.1\r\n${HOST}\r\n`), /^HTTP\/1\.1 200 /)
    const session = await connectH2(proxy.origin)
    await h2Request(session, { ':path': '/' })
    await closed(session)
  })

  it('a silent body is 408, a dripping one of a known length too', async () => {
    using origin = await startOrigin((request, response) => {
      request.resume()
      request.on('end', () => response.end())
    })
    await using proxy = await proxyFor(origin.port, { bodyIdleMs: 300 })
    const post = `POST / HTTP/1.1\r\n${HOST}Content-Length: 9999\r\n\r\n`
    assert.match(await rawRequest(proxy.port, post), /^HTTP\/1\.1 408 /)
    assert.match(await drip(proxy.port, post, 'x'), /^HTTP\/1\.1 408 /)
    assert.equal((await proxy.record(2)).reason, 'body-timeout')
  })

  it('a response on which nothing moves is broken off', async () => {
    using origin = await startOrigin((_request, response) => {
      response.write('part')
    })
    await using proxy = await proxyFor(origin.port, { streamIdleMs: 200 })
    const text = await rawRequest(proxy.port, `GET / HTTP/1.1\r\n${HOST}\r\n`)
    assert.match(text, /part\r\n$/)
    assert.equal((await proxy.record()).reason, 'stream-idle-timeout')
  })

  it('a slow reader stalls the upstream instead of filling memory', async () => {
    let written = 0
    using origin = await startTcpOrigin((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
        const chunk = Buffer.alloc(65_536)
        const fill = () => {
          while (socket.write(chunk)) written += chunk.length
          written += chunk.length
        }
        socket.on('drain', fill)
        fill()
      })
    })
    await using proxy = await proxyFor(origin.port, { bodyIdleMs: 60_000 })
    const before = heldBytes()
    const readers = stalledReaders(proxy.port, 8)
    await until(() => written > 0)
    await untilStill(() => written)
    // Kernel buffers take most of it; what our process holds is a few chunks on each side. Buffers
    // that were given up are gone only once the collector has swept them.
    await until(
      () => heldBytes() - before < 8 * (1 << 20),
      () => `${heldBytes() - before} bytes held`,
    )
    assert.ok(written < 8 * (16 << 20), `${written} bytes taken from the upstream`)
    for (const socket of readers) socket.destroy()
  })

  it('a reader that takes nothing is given up', async () => {
    using origin = await startOrigin((_request, response) => response.end(Buffer.alloc(64 << 20)))
    await using proxy = await proxyFor(origin.port, { bodyIdleMs: 300 })
    const readers = stalledReaders(proxy.port, 2)
    assert.equal((await proxy.record(2)).reason, 'idle-timeout')
    for (const socket of readers) socket.destroy()
  })

  it('a client that goes away cancels the upstream request', async () => {
    const requests: http.IncomingMessage[] = []
    using origin = await startOrigin((request) => {
      requests.push(request)
      origin.server.emit('arrived')
    })
    await using proxy = await proxyFor(origin.port)
    const arrived = once(origin.server, 'arrived')
    const client = http.get({ port: proxy.port, host: '127.0.0.1' })
    client.on('error', () => {})
    await arrived
    client.destroy()
    assert.ok(requests[0])
    await closed(requests[0])
    const session = await connectH2(proxy.origin)
    const again = once(origin.server, 'arrived')
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => {})
    await again
    stream.close(8)
    assert.ok(requests[1])
    await closed(requests[1])
    session.destroy()
    assert.match((await proxy.record(1)).reason, /^client-/)
    assert.match((await proxy.record(2)).reason, /^client-/)
  })

  it('an early answer reaches a client that still sends, and the connection is not mixed up', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 14\r\n\r\nend of answer\n'),
      )
    })
    await using proxy = await proxyFor(origin.port)
    const head = `POST / HTTP/1.1\r\n${HOST}Content-Length: 50000000\r\n\r\n`
    assert.match(await rawRequest(proxy.port, head + 'x'.repeat(500_000), 1), /^HTTP\/1\.1 413 /)
    const start = performance.now()
    await drip(proxy.port, head, 'x')
    assert.ok(performance.now() - start < 4000, 'a body that nobody wants is cut')
  })

  it('rapid resets reach few upstreams and end the connection', async () => {
    let served = 0
    using origin = await startOrigin((_request, response) => {
      served += 1
      response.end()
    })
    await using proxy = await proxyFor(origin.port)
    const session = await connectH2(proxy.origin)
    const ended = closed(session)
    while (!session.destroyed && !session.closed) {
      for (let i = 0; i < 50 && !session.destroyed && !session.closed; i += 1) {
        const stream = session.request({ ':path': '/' })
        stream.on('error', () => {})
        stream.close(8)
      }
      await delay(1)
    }
    await ended
    assert.ok(served <= 200, `${served} requests reached the upstream`)
    const good = await connectH2(proxy.origin)
    assert.equal((await h2Request(good, { ':path': '/' })).status, 200)
    good.destroy()
  })

  it('too many header fields are refused', async () => {
    using origin = await startOrigin((_request, response) => response.end())
    await using proxy = await proxyFor(origin.port)
    const many = Array.from({ length: 300 }, (_, i) => `X-${i}: y\r\n`).join('')
    const large = `X: ${'y'.repeat(70_000)}\r\n`
    for (const fields of [many, large]) {
      const text = await rawRequest(proxy.port, `GET / HTTP/1.1\r\n${HOST}${fields}\r\n`)
      assert.match(text, /^HTTP\/1\.1 431 /)
    }
    const session = await connectH2(proxy.origin)
    const crumbs = Array.from({ length: 200 }, (_, i) => `c${i}=1`)
    const answer = await h2Request(session, { ':path': '/', cookie: crumbs })
    assert.notEqual(answer.rstCode, 0)
    session.destroy()
  })
})
