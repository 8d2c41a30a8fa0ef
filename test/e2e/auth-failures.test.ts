/** External auth fails closed: whatever keeps the service from answering whole denies the request. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { describe, it } from 'node:test'
import { ask, startEcho, startGuarded, startHttpAuth } from '../support/auth-service.ts'
import { closedPort, startH2Origin, startTcpOrigin } from '../support/http-origin.ts'
import { grpcAuth } from '../support/http-proxy.ts'
import { until } from '../support/until.ts'

const HEAD = 'HTTP/1.1 200 OK\r\n'
/** What a service over HTTP sends for an answer before it closes, and what the log says of it. */
const ANSWERS: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /upstream-(?:closed|reset)/],
  ['half a head', `${HEAD}X-User: al`, /upstream-/],
  ['half of its content', `${HEAD}Content-Length: 10\r\n\r\nhalf`, /upstream-/],
  ['half of its chunks', `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`, /upstream-/],
  ['what is not HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', /upstream-protocol-error/],
  ['two lengths', `${HEAD}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello`, /upstream-/],
  ['a head of 100 KB', `${HEAD}X-User: ${'a'.repeat(100_000)}\r\n\r\n`, /upstream-/],
  [
    'content of 100 KB',
    `${HEAD}Content-Length: 100000\r\n\r\n${'a'.repeat(100_000)}`,
    /more than 65536 bytes/,
  ],
  ['a change of protocols', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n', /: /],
]

describe('an external auth service over HTTP', () => {
  for (const [what, bytes, detail] of ANSWERS) {
    it(`that sends ${what} allows nothing`, async () => {
      using auth = await startTcpOrigin((socket) => {
        socket.once('data', () => socket.end(bytes, 'latin1'))
      })
      using backend = await startEcho()
      await using proxy = await startGuarded(backend.port, { port: auth.port })
      const answer = await ask(proxy.port)
      assert.equal(answer.status, 403)
      assert.equal(answer.body, '403 Forbidden: auth-failed\n')
      assert.equal(answer.headers['x-user'], undefined)
      assert.deepEqual(backend.lines, [])
      const record = await proxy.record()
      assert.equal(record.reason, 'auth-failed')
      assert.match(record.detail ?? '', detail)
      assert.equal(record.upstream, undefined)
    })
  }

  it('that is down allows nothing', async () => {
    using backend = await startEcho()
    await using proxy = await startGuarded(backend.port, { port: await closedPort() })
    assert.equal((await ask(proxy.port)).status, 403)
    assert.match((await proxy.record()).detail ?? '', /connect-refused/)
    assert.deepEqual(backend.lines, [])
  })

  it('that never answers allows nothing', async () => {
    using auth = await startTcpOrigin(() => {})
    using backend = await startEcho()
    const limits = { authMs: 200 }
    await using proxy = await startGuarded(backend.port, { port: auth.port }, {}, { limits })
    assert.equal((await ask(proxy.port)).status, 403)
    assert.match((await proxy.record()).detail ?? '', /no answer in time/)
    assert.deepEqual(backend.lines, [])
  })

  it('that drips its answer allows nothing', async () => {
    using auth = await startTcpOrigin((socket) => {
      socket.write(`${HEAD}Content-Length: 1000000\r\n\r\n`)
      const drip = setInterval(() => socket.write('.'), 20)
      socket.on('close', () => clearInterval(drip))
    })
    using backend = await startEcho()
    const limits = { authMs: 300 }
    await using proxy = await startGuarded(backend.port, { port: auth.port }, {}, { limits })
    assert.equal((await ask(proxy.port)).status, 403)
    assert.deepEqual(backend.lines, [])
  })

  it('has no longer than the request itself', async () => {
    using auth = await startTcpOrigin(() => {})
    using backend = await startEcho()
    const timeouts = { requestMs: 200 }
    await using proxy = await startGuarded(backend.port, { port: auth.port }, { timeouts })
    assert.equal((await ask(proxy.port)).status, 504)
    assert.equal((await proxy.record()).reason, 'request-timeout')
    assert.deepEqual(backend.lines, [])
  })

  it('is not asked any more when the client has gone', async () => {
    const left = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    using auth = await startTcpOrigin((socket) => {
      socket.once('data', () => asked.resolve())
      socket.once('close', () => left.resolve())
    })
    using backend = await startEcho()
    await using proxy = await startGuarded(backend.port, { port: auth.port })
    const client = net.connect(proxy.port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await asked.promise
    client.destroy()
    await left.promise
    assert.match((await proxy.record()).reason, /^client-/)
    assert.deepEqual(backend.lines, [])
  })
})

describe('an external auth service over gRPC', () => {
  it('that is no HTTP/2 allows nothing', async () => {
    using auth = await startHttpAuth()
    using backend = await startEcho()
    const guard = { port: auth.port, service: grpcAuth() }
    await using proxy = await startGuarded(backend.port, guard)
    assert.equal((await ask(proxy.port)).status, 403)
    assert.deepEqual(backend.lines, [])
  })

  /** A whole CheckResponse that allows: status with code 0. */
  const allowing = Buffer.from([0, 0, 0, 0, 2, 0x0a, 0x00])
  const grpc = { ':status': 200, 'content-type': 'application/grpc' }
  const endings: readonly (readonly [string, Parameters<typeof startH2Origin>[0]])[] = [
    [
      'is reset after its message',
      (stream) => {
        stream.respond(grpc)
        stream.write(allowing, () => stream.close(2))
      },
    ],
    [
      'ends without a status',
      (stream) => {
        stream.respond(grpc)
        stream.end(allowing)
      },
    ],
    [
      'is half a message',
      (stream) => {
        stream.respond(grpc, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(allowing.subarray(0, 6))
      },
    ],
    [
      'is two messages',
      (stream) => {
        stream.respond(grpc, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(Buffer.concat([allowing, allowing]))
      },
    ],
    [
      'is compressed',
      (stream) => {
        stream.respond(grpc, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(Buffer.concat([Buffer.from([1]), allowing.subarray(1)]))
      },
    ],
    [
      'is a status alone',
      (stream) => stream.respond({ ...grpc, 'grpc-status': '0' }, { endStream: true }),
    ],
  ]
  for (const [what, onStream] of endings) {
    it(`whose answer ${what} allows nothing`, async () => {
      using auth = await startH2Origin(onStream)
      using backend = await startEcho()
      const guard = { port: auth.port, service: grpcAuth() }
      await using proxy = await startGuarded(backend.port, guard)
      assert.equal((await ask(proxy.port)).status, 403)
      assert.equal((await proxy.record()).reason, 'auth-failed')
      assert.deepEqual(backend.lines, [])
    })
  }

  it('whose answer is whole allows', async () => {
    using auth = await startH2Origin((stream) => {
      stream.respond(grpc, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(allowing)
    })
    using backend = await startEcho()
    const guard = { port: auth.port, service: grpcAuth() }
    await using proxy = await startGuarded(backend.port, guard)
    assert.equal((await ask(proxy.port)).status, 200)
  })

  it('is reset when the client has gone', async () => {
    const asked = Promise.withResolvers<void>()
    let open = 0
    using auth = await startH2Origin((stream) => {
      open += 1
      stream.on('close', () => {
        open -= 1
      })
      asked.resolve()
    })
    using backend = await startEcho()
    const guard = { port: auth.port, service: grpcAuth() }
    await using proxy = await startGuarded(backend.port, guard)
    const client = net.connect(proxy.port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await asked.promise
    client.destroy()
    await once(client, 'close')
    await until(
      () => open === 0,
      () => `${open} calls are open`,
    )
    assert.deepEqual(backend.lines, [])
  })
})
