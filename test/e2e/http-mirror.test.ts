/** Mirrors: what the copy carries, which share is copied, and that it never touches the primary. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { closedPort, startH2Origin, startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { startProxy, type TestMirror } from '../support/http-proxy.ts'

interface Copy {
  readonly line: string
  readonly headers: http.IncomingHttpHeaders
  readonly digest: string
}

/** Keeps what arrives whole. */
async function startMirror() {
  const copies: Copy[] = []
  const news = new EventEmitter()
  const origin = await startOrigin((request, response) => {
    const hash = createHash('sha256')
    request.on('data', (chunk: Buffer) => hash.update(chunk))
    request.on('error', () => news.emit('broken'))
    request.on('end', () => {
      const { method, url, headers } = request
      copies.push({ line: `${method} ${url}`, headers, digest: hash.digest('hex') })
      response.writeHead(500).end('mirrored answers are dropped')
      news.emit('copy')
    })
  })
  const until = async (count: number) => {
    while (copies.length < count) await once(news, 'copy')
    return copies
  }
  return { ...origin, copies, news, until }
}

async function startPrimary() {
  return startOrigin((request, response) => {
    const hash = createHash('sha256')
    request.on('data', (chunk: Buffer) => hash.update(chunk))
    request.on('end', () => response.end(hash.digest('hex')))
  })
}

function proxyTo(port: number, mirrors: readonly TestMirror[]) {
  return startProxy({
    listeners: [
      {
        hostname: '',
        rules: [
          {
            ports: [port],
            mirrors,
            filters: [
              {
                kind: 'request-header-modifier',
                set: [{ name: 'X-Set', value: 'by the rule' }],
                add: [],
                remove: ['x-gone'],
              },
            ],
          },
        ],
      },
    ],
  })
}

async function send(port: number, body?: Uint8Array, path = '/a/b?q=1'): Promise<string> {
  const request = http.request({
    port,
    host: '127.0.0.1',
    path,
    agent: false,
    method: body === undefined ? 'GET' : 'POST',
    headers: { host: 'a.test', 'x-gone': '1' },
  })
  request.end(body)
  const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
  const text = Buffer.concat(await response.toArray()).toString()
  return `${response.statusCode} ${text}`
}

const EMPTY = createHash('sha256').digest('hex')

describe('mirrors', () => {
  it("get a full copy with the rule's changes, each of several, byte for byte", async () => {
    using primary = await startPrimary()
    using one = await startMirror()
    using two = await startMirror()
    await using proxy = await proxyTo(primary.port, [{ port: one.port }, { port: two.port }])
    const body = randomBytes(700_000)
    const digest = createHash('sha256').update(body).digest('hex')
    assert.equal(await send(proxy.port), `200 ${EMPTY}`)
    assert.equal(await send(proxy.port, body), `200 ${digest}`)
    const session = await connectH2(proxy.origin)
    const post = { ':method': 'POST', ':path': '/a/b?q=1', ':authority': 'a.test' }
    assert.equal((await h2Request(session, post, body)).body.toString(), digest)
    session.destroy()
    for (const mirror of [one, two]) {
      const copies = await mirror.until(3)
      assert.deepEqual(
        copies.map(({ line, digest }) => `${line} ${digest}`).sort(),
        [`GET /a/b?q=1 ${EMPTY}`, `POST /a/b?q=1 ${digest}`, `POST /a/b?q=1 ${digest}`].sort(),
      )
      for (const { headers } of copies) {
        assert.equal(headers['x-set'], 'by the rule')
        assert.equal(headers['x-gone'], undefined)
        assert.equal(headers.host, 'a.test')
      }
    }
    assert.equal(proxy.records.length, 3)
    assert.deepEqual(
      proxy.records.map(({ status, attempts }) => `${status} ${attempts}`),
      ['200 1', '200 1', '200 1'],
    )
  })

  it('get their exact share, evenly spread', async () => {
    using primary = await startPrimary()
    using mirror = await startMirror()
    using every = await startMirror()
    await using proxy = await proxyTo(primary.port, [
      { port: mirror.port, numerator: 20, denominator: 100 },
      { port: every.port },
    ])
    for (let i = 0; i < 50; i += 1) await send(proxy.port, undefined, `/${i}`)
    await every.until(50)
    await mirror.until(10)
    const picked = mirror.copies.map(({ line }) => Math.floor(Number(line.slice(5)) / 5)).sort()
    assert.deepEqual(new Set(picked).size, 10, 'one of every five')
  })

  it('that are dead or never read cost the primary nothing', async () => {
    using primary = await startPrimary()
    using silent = await startTcpOrigin((socket) => socket.pause())
    const dead = await closedPort()
    await using proxy = await proxyTo(primary.port, [{ port: dead }, { port: silent.port }])
    const body = randomBytes(8 * 1024 * 1024)
    const digest = createHash('sha256').update(body).digest('hex')
    for (let i = 0; i < 3; i += 1) assert.equal(await send(proxy.port, body), `200 ${digest}`)
    assert.deepEqual(
      proxy.records.map(({ reason }) => reason),
      ['completed', 'completed', 'completed'],
    )
  })

  it('that fall too far behind are broken off, never ended as if whole', async () => {
    using primary = await startPrimary()
    let socket: Socket | undefined
    using slow = await startTcpOrigin((accepted) => {
      socket = accepted.pause()
    })
    await using proxy = await proxyTo(primary.port, [{ port: slow.port }])
    // More than the copy may hold and both kernel buffers together.
    const body = randomBytes(24 * 1024 * 1024)
    assert.match(await send(proxy.port, body), /^200 /)
    let received = 0
    socket?.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    socket?.resume()
    await new Promise((resolve) => socket?.once('close', resolve))
    assert.ok(received < body.length, `${received}`)
  })

  it('of a request that breaks off are broken off', async () => {
    using primary = await startPrimary()
    using mirror = await startMirror()
    await using proxy = await proxyTo(primary.port, [{ port: mirror.port }])
    const request = http.request({
      port: proxy.port,
      host: '127.0.0.1',
      method: 'POST',
      headers: { host: 'a.test' },
      agent: false,
    })
    request.on('error', () => {})
    const arrived = once(mirror.server, 'request')
    request.write('half of it')
    await arrived
    const broken = once(mirror.news, 'broken')
    request.destroy()
    await broken
    assert.deepEqual(mirror.copies, [])
  })

  it('may speak HTTP/2', async () => {
    const seen = Promise.withResolvers<string>()
    const bodies: string[] = []
    using h2 = await startH2Origin((stream, headers) => {
      stream.respond({ ':status': 200 })
      void stream.toArray().then((chunks) => {
        stream.end()
        bodies.push(createHash('sha256').update(Buffer.concat(chunks)).digest('hex'))
        if (bodies.length < 2) return
        seen.resolve(`${headers[':method']} ${headers[':path']} ${headers[':authority']}`)
      })
    })
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [{ ports: [h2.port], protocol: 'h2c', mirrors: [{ port: h2.port }] }],
        },
      ],
    })
    const body = randomBytes(300_000)
    assert.match(await send(proxy.port, body), /^200 /)
    assert.equal(await seen.promise, 'POST /a/b?q=1 a.test')
    const digest = createHash('sha256').update(body).digest('hex')
    assert.deepEqual(bodies, [digest, digest])
  })
})
