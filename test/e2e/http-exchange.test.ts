/** Ordinary exchanges over every pairing of protocols: bytes, framing, trailers, interim responses. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { describe, it } from 'node:test'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startH2Origin, startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'

const HOST = 'Host: a.test\r\n'

function proxyFor(port: number, protocol: 'http/1.1' | 'h2c' = 'http/1.1', tls = false) {
  return startProxy({ tls, listeners: [{ hostname: '', rules: [{ ports: [port], protocol }] }] })
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** An upload whose size only the end tells. */
async function uploadHttp1(port: number, body: Buffer): Promise<Buffer> {
  const request = http.request({ port, host: '127.0.0.1', method: 'POST', headers: { host: 'a' } })
  request.end(body)
  const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
  return Buffer.concat(await response.toArray())
}

describe('bodies', () => {
  for (const protocol of ['http/1.1', 'h2c'] as const) {
    it(`64 parallel HTTP/2 streams echo byte for byte over ${protocol}`, async () => {
      using http1 = await startOrigin((request, response) => request.pipe(response))
      using http2 = await startH2Origin((stream) => {
        stream.respond({ ':status': 200 })
        stream.pipe(stream)
      })
      const port = protocol === 'h2c' ? http2.port : http1.port
      await using proxy = await proxyFor(port, protocol, true)
      const session = await connectH2(proxy.origin)
      const sizes = Array.from({ length: 64 }, (_, i) => i * 4099)
      const echoes = sizes.map(async (size) => {
        const body = randomBytes(size)
        const answer = await h2Request(session, { ':path': `/${size}`, ':method': 'POST' }, body)
        assert.equal(answer.rstCode, 0)
        assert.equal(digest(answer.body), digest(body), `${size} bytes`)
      })
      await Promise.all(echoes)
      assert.equal(proxy.records.filter(({ reason }) => reason === 'completed').length, 64)
      session.destroy()
    })

    it(`large uploads and downloads over HTTP/1.1 and ${protocol} stay whole`, async () => {
      using http1 = await startOrigin((request, response) => request.pipe(response))
      using http2 = await startH2Origin((stream) => {
        stream.respond({ ':status': 200 })
        stream.pipe(stream)
      })
      await using proxy = await proxyFor(protocol === 'h2c' ? http2.port : http1.port, protocol)
      const body = randomBytes(3 << 20)
      assert.equal(digest(await uploadHttp1(proxy.port, body)), digest(body))
      const record = await proxy.record()
      assert.equal(record.bytesReceived, body.length)
      assert.equal(record.bytesSent, body.length)
    })
  }

  it('trailers arrive, but none that belong into a head', async () => {
    using origin = await startH2Origin((stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '7', host: 'evil' }))
      stream.resume()
      stream.end('x')
    })
    await using proxy = await proxyFor(origin.port, 'h2c')
    const session = await connectH2(proxy.origin)
    const { trailers } = await h2Request(session, { ':path': '/' })
    assert.equal(JSON.stringify(trailers), '{"grpc-status":"7"}')
    session.destroy()
    const text = await rawRequest(proxy.port, `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    assert.match(text, /\r\n0\r\ngrpc-status: 7\r\n\r\n$/)
  })

  it('HEAD, 204 and 304 have no content and keep their fields', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.on('data', (chunk) => {
        const [method, path] = chunk.toString().split(' ')
        const status =
          path === '/204' ? '204 No Content' : path === '/304' ? '304 Not Modified' : '200 OK'
        const length = path === '/204' ? '' : 'Content-Length: 5\r\n'
        const body = method === 'HEAD' || status !== '200 OK' ? '' : 'hello'
        socket.write(`HTTP/1.1 ${status}\r\n${length}ETag: "x"\r\n\r\n${body}`)
      })
    })
    await using proxy = await proxyFor(origin.port)
    const heads = ['HEAD /', 'GET /204', 'GET /304', 'GET /'].map(
      (line, i) => `${line} HTTP/1.1\r\n${HOST}${i === 3 ? 'Connection: close\r\n' : ''}\r\n`,
    )
    const text = await rawRequest(proxy.port, heads.join(''))
    const answers = text.split(/(?=HTTP\/1\.1 )/)
    assert.deepEqual(
      answers.map((answer) => [
        answer.slice(9, 12),
        /content-length: 5/i.test(answer),
        answer.split('\r\n\r\n')[1],
      ]),
      [
        ['200', true, ''],
        ['204', false, ''],
        ['304', true, ''],
        ['200', true, 'hello'],
      ],
    )
    const session = await connectH2(proxy.origin)
    for (const [method, path] of [
      ['HEAD', '/'],
      ['GET', '/204'],
      ['GET', '/304'],
    ] as const) {
      const answer = await h2Request(session, { ':method': method, ':path': path })
      assert.equal(answer.body.length + answer.rstCode, 0)
      assert.equal(answer.headers.etag, '"x"')
    }
    session.destroy()
  })

  it('103 Early Hints go through whatever is in them, but not without end', async () => {
    const hints = [
      ...['Link: nonsense', 'Link: ,</a.css>', 'Content-Security-Policy: x', ''],
      ...Array.from({ length: 40 }, (_, i) => `X-Hint: ${i}`),
    ].map((field) => `HTTP/1.1 103 Early Hints\r\n${field === '' ? '' : `${field}\r\n`}\r\n`)
    using origin = await startTcpOrigin((socket) => {
      const last = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
      socket.on('data', () => socket.write(hints.join('') + last))
    })
    await using proxy = await proxyFor(origin.port)
    const text = await rawRequest(proxy.port, `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    assert.ok(text.startsWith(`${hints.slice(0, 32).join('')}HTTP/1.1 200 OK\r\n`), text)
    const session = await connectH2(proxy.origin)
    const stream = session.request({ ':path': '/' })
    const seen: unknown[] = []
    stream.on('headers', ({ link, 'x-hint': hint }) => seen.push(link ?? hint ?? ''))
    stream.resume()
    await once(stream, 'close')
    assert.deepEqual(seen.slice(0, 5), ['nonsense', ',</a.css>', '', '', '0'])
    assert.equal(seen.length, 32)
    session.destroy()
  })

  it('103 Early Hints and repeated fields go through', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.on('data', () =>
        socket.write(
          'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n' +
            'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSET-Cookie: b=2\r\nX-Case: y\r\nConnection: X-Hop\r\n' +
            'X-Hop: 1\r\nKeep-Alive: timeout=5\r\nServer: s\r\nDate: then\r\nContent-Length: 0\r\n\r\n',
        ),
      )
    })
    await using proxy = await proxyFor(origin.port)
    const text = await rawRequest(proxy.port, `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    assert.match(
      text,
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    )
    assert.match(
      text,
      /\r\nSet-Cookie: a=1\r\nSET-Cookie: b=2\r\nX-Case: y\r\nServer: s\r\nDate: then\r\n/,
    )
    assert.doesNotMatch(text, /x-hop|timeout=5/i)
    const session = await connectH2(proxy.origin)
    const stream = session.request({ ':path': '/' })
    const [interim] = await once(stream, 'headers')
    assert.equal((interim as { ':status': number })[':status'], 103)
    stream.resume()
    await once(stream, 'close')
    session.destroy()
  })

  it('asks for a body with 100 Continue only when the upstream wants it', async () => {
    using origin = await startOrigin((request, response) => request.pipe(response))
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ prefix: '/up', ports: [origin.port] }] }],
    })
    const post = (path: string) =>
      `POST ${path} HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nConnection: close\r\nContent-Length: 4\r\n\r\n`
    assert.match(
      await rawRequest(proxy.port, `${post('/up')}body`),
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*\r\n4\r\nbody\r\n0\r\n\r\n$/s,
    )
    assert.match(await rawRequest(proxy.port, post('/none')), /^HTTP\/1\.1 404 /)
    const session = await connectH2(proxy.origin)
    const fields = { ':method': 'POST', ':path': '/up', expect: '100-continue' }
    const stream = session.request(fields)
    await once(stream, 'continue')
    stream.end('body')
    assert.equal(String((await once(stream, 'data'))[0]), 'body')
    session.destroy()
  })

  it('HTTP/1.0 clients get a body until close', async () => {
    using origin = await startOrigin((_request, response) => {
      response.write('a')
      response.end('b')
    })
    await using proxy = await proxyFor(origin.port)
    const text = await rawRequest(proxy.port, `GET / HTTP/1.0\r\n${HOST}\r\n`)
    assert.match(text, /\r\nConnection: close\r\n\r\nab$/i)
    assert.doesNotMatch(text, /chunked/i)
  })
})
