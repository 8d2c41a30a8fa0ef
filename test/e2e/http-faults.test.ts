/** Upstream faults (security.md section 2.2): the outcome table's status, never a clean short body. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import type http2 from 'node:http2'
import type net from 'node:net'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { closedPort, startH2Origin, startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { type ProxyOptions, startProxy, type TestRule } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n'

function proxyFor(rule: TestRule, options: Partial<ProxyOptions> = {}) {
  return startProxy({ listeners: [{ hostname: '', rules: [rule] }], ...options })
}

describe('upstream faults', () => {
  it('a refusing upstream is 503, or the next endpoint while nothing was sent', async () => {
    using origin = await startOrigin((request, response) => {
      request.resume()
      request.on('end', () => response.end('ok'))
    })
    const dead = await closedPort()
    {
      await using proxy = await proxyFor({ ports: [dead] })
      assert.match(await rawRequest(proxy.port, GET), /^HTTP\/1\.1 503 .*connect-refused\n$/s)
      assert.equal((await proxy.record()).reason, 'connect-refused')
    }
    await using proxy = await proxyFor({ ports: [dead, origin.port] })
    const post = `POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc`
    for (let i = 0; i < 4; i += 1) {
      assert.match(await rawRequest(proxy.port, post), /^HTTP\/1\.1 200 .*ok/s)
    }
    assert.equal(Math.max(...proxy.records.map(({ attempts }) => attempts)), 2)
  })

  it('no endpoint is 503, a bad reference or no backend 500', async () => {
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [
            { prefix: '/none', ports: [] },
            {
              prefix: '/invalid',
              backends: [
                { weight: 1, filters: [], target: { kind: 'invalid', name: 'x', message: 'gone' } },
              ],
            },
            { prefix: '/zero', backends: [] },
            { prefix: '/fail', action: { kind: 'fail', reason: 'filter-invalid' } },
          ],
        },
      ],
    })
    const status = async (path: string) =>
      Number((await rawRequest(proxy.port, GET.replace('/', path))).slice(9, 12))
    assert.equal(await status('/none'), 503)
    assert.equal(await status('/invalid'), 500)
    assert.equal(await status('/zero'), 500)
    assert.equal(await status('/fail'), 500)
    assert.equal(await status('/else'), 404)
    assert.deepEqual(
      proxy.records.map(({ reason }) => reason),
      ['no-endpoint', 'invalid-backend', 'no-backend', 'filter-invalid', 'no-route'],
    )
  })

  it('a reset in a body that only the close delimits is no clean end', async () => {
    let upstream: net.Socket | undefined
    using origin = await startTcpOrigin((socket) => {
      upstream = socket
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst'))
    })
    await using proxy = await proxyFor({ ports: [origin.port] })
    const client = connect(proxy.port, '127.0.0.1')
    client.setEncoding('latin1').write(GET.replace('Connection: close\r\n', ''))
    let answer = ''
    const closed = new Promise((resolve) => client.once('close', resolve))
    client.on('error', () => undefined)
    client.on('data', (text: string) => {
      answer += text
      if (answer.includes('first')) upstream?.resetAndDestroy()
    })
    await closed
    assert.match(answer, /transfer-encoding: chunked/i)
    assert.doesNotMatch(answer, /\r\n0\r\n\r\n$/)
    assert.equal((await proxy.record()).reason, 'upstream-reset')
  })

  it('a reset before the head is 503, and a safe request without body is tried once more', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.once('data', () => socket.resetAndDestroy())
    })
    await using proxy = await proxyFor({ ports: [origin.port] })
    assert.match(await rawRequest(proxy.port, GET), /^HTTP\/1\.1 503 /)
    assert.equal(origin.connections(), 2)
    const post = GET.replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 1\r\n\r\nx')
    assert.match(await rawRequest(proxy.port, post), /^HTTP\/1\.1 503 /)
    assert.equal(origin.connections(), 3)
  })

  it('an answer that is no HTTP is 502 and no byte of it reaches the client', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.on('data', () => socket.write('220 mail.test ESMTP ready\r\n'))
    })
    await using proxy = await proxyFor({ ports: [origin.port] })
    const text = await rawRequest(proxy.port, GET)
    assert.match(text, /^HTTP\/1\.1 502 .*upstream-protocol-error\n$/s)
    assert.doesNotMatch(text, /ESMTP/)
  })

  const broken: Readonly<Record<string, string>> = {
    'a short length': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart',
    'missing chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n',
    'a bad chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n',
  }
  for (const [name, head] of Object.entries(broken)) {
    it(`${name} breaks the downstream visibly, over HTTP/1.1 and HTTP/2`, async () => {
      using origin = await startTcpOrigin((socket) => {
        socket.once('data', () => socket.end(head))
      })
      await using proxy = await proxyFor({ ports: [origin.port] })
      const request = http.get({ port: proxy.port, host: '127.0.0.1', headers: { host: 'a.test' } })
      const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
      response.resume()
      await assert.rejects(once(response, 'end'), { code: 'ECONNRESET' })
      const session = await connectH2(proxy.origin)
      const answer = await h2Request(session, { ':path': '/' })
      assert.equal(answer.status, 200)
      assert.equal(answer.rstCode, 2, 'INTERNAL_ERROR')
      session.destroy()
      for (const { reason } of proxy.records) assert.match(reason, /^upstream-/)
      assert.equal(proxy.records.length, 2)
    })
  }

  const breaks: Readonly<Record<string, (stream: http2.ServerHttp2Stream) => void>> = {
    'reset NO_ERROR': (stream) => stream.destroy(),
    'reset INTERNAL_ERROR': (stream) => stream.destroy(new Error('broken')),
    'lost connection': (stream) => stream.session?.socket.destroy(),
  }
  for (const [name, breakOff] of Object.entries(breaks)) {
    it(`an HTTP/2 upstream's ${name} in mid-body is no clean end`, async () => {
      using origin = await startH2Origin((stream) => {
        stream.respond({ ':status': 200 })
        stream.write('part', () => setImmediate(breakOff, stream))
      })
      await using proxy = await proxyFor({ ports: [origin.port], protocol: 'h2c' })
      const request = http.get({ port: proxy.port, host: '127.0.0.1', headers: { host: 'a.test' } })
      const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
      response.resume()
      await assert.rejects(once(response, 'end'), { code: 'ECONNRESET' })
      const session = await connectH2(proxy.origin)
      assert.equal((await h2Request(session, { ':path': '/' })).rstCode, 2)
      session.destroy()
    })
  }

  it('a response that nobody asked for reaches nobody', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.on('data', (chunk) => {
        const path = chunk.toString().split(' ')[1] ?? ''
        const answer = (body: string) =>
          `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
        // In one segment: what comes after the next request was sent is an answer to it.
        socket.write(answer(path) + (path === '/poison' ? answer('POISON') : ''))
      })
    })
    await using proxy = await proxyFor({ ports: [origin.port] })
    for (const path of ['/poison', '/a', '/poison', '/b']) {
      const text = await rawRequest(proxy.port, GET.replace('/', path))
      assert.ok(text.endsWith(`\r\n\r\n${path}`), text)
    }
  })

  it('an idle pooled connection that the upstream has closed is not an error', async () => {
    const sockets: net.Socket[] = []
    using origin = await startOrigin((_request, response) => response.end('ok'))
    origin.server.on('connection', (socket) => sockets.push(socket))
    await using proxy = await proxyFor({ ports: [origin.port] })
    for (let i = 0; i < 3; i += 1) {
      assert.match(await rawRequest(proxy.port, GET), /^HTTP\/1\.1 200 /)
      sockets.at(-1)?.resetAndDestroy()
    }
    assert.equal(sockets.length, 3)
  })

  it('timeouts of a rule are 504, and the upstream request is cancelled', async () => {
    const gone: Promise<unknown>[] = []
    using origin = await startOrigin((request) => {
      gone.push(once(request.socket, 'close'))
    })
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [
            { prefix: '/total', ports: [origin.port], timeouts: { requestMs: 100 } },
            { prefix: '/try', ports: [origin.port], timeouts: { backendRequestMs: 100 } },
          ],
        },
      ],
    })
    for (const [path, reason] of [
      ['/total', 'request-timeout'],
      ['/try', 'backend-timeout'],
    ] as const) {
      const text = await rawRequest(proxy.port, GET.replace('/', path))
      assert.match(text, new RegExp(`^HTTP/1\\.1 504 .*${reason}\n$`, 's'))
    }
    await Promise.all(gone)
    assert.equal(gone.length, 2)
  })

  it('gRPC clients get a trailers-only status', async () => {
    await using proxy = await proxyFor({ ports: [await closedPort()], protocol: 'h2c' })
    const session = await connectH2(proxy.origin)
    const answer = await h2Request(
      session,
      { ':path': '/a.B/C', ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' },
      Buffer.from('x'),
    )
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['grpc-status'], '14')
    assert.equal(answer.headers['content-type'], 'application/grpc')
    session.destroy()
  })
})
