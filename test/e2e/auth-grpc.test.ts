/** External auth over gRPC: Envoy's ext_authz protocol with a grpc-js service on the other side. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ask, echoOf, startEcho, startGuarded } from '../support/auth-service.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { codeOf, GrpcClient, startGrpcOrigin } from '../support/grpc.ts'
import { type GrpcDecision, startGrpcAuth } from '../support/ext-authz.ts'
import { grpcAuth, startProxy, type TestAuth } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'

async function scene(decide: GrpcDecision, settings: Partial<TestAuth> = {}) {
  const auth = await startGrpcAuth(decide)
  const backend = await startEcho()
  const service = grpcAuth()
  const proxy = await startGuarded(backend.port, { port: auth.port, service, ...settings })
  return {
    auth,
    backend,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      auth[Symbol.dispose]()
      backend[Symbol.dispose]()
    },
  }
}

const OK = { status: { code: 0 } }

describe('external auth over gRPC: the question', () => {
  it('says what came in from where', async () => {
    await using at = await scene(() => OK)
    const headers = { authorization: 'Bearer t', cookie: 'a=b' }
    const before = Math.floor(Date.now() / 1000)
    const answer = await ask(at.proxy.port, { path: '/a/b?q=1', headers, body: 'hello' })
    assert.equal(answer.status, 200)
    const [asked] = at.auth.asked
    assert.ok(asked)
    const { time, http: request } = asked.request
    assert.equal(request.method, 'POST')
    assert.equal(request.path, '/a/b?q=1')
    assert.equal(request.host, 'a.test')
    assert.equal(request.scheme, 'http')
    assert.equal(request.protocol, 'HTTP/1.1')
    assert.equal(request.size, '5')
    assert.equal(request.body, '')
    assert.equal(request.headers['authorization'], 'Bearer t')
    assert.equal(request.headers['cookie'], 'a=b')
    assert.equal(request.headers['host'], 'a.test')
    assert.equal(request.headers[':path'], '/a/b?q=1')
    assert.equal(request.headers[':authority'], 'a.test')
    assert.equal(request.headers['x-forwarded-for'], '127.0.0.1')
    assert.equal(request.id, (await at.proxy.record()).requestId)
    assert.ok(Number(time.seconds) >= before && Number(time.seconds) <= Date.now() / 1000)
    assert.equal(asked.source.address.socketAddress.address, '127.0.0.1')
    assert.ok(asked.source.address.socketAddress.portValue > 0)
    assert.equal(asked.destination.address.socketAddress.portValue, 8443)
  })

  it('is text, whatever the bytes of a field are', async () => {
    await using at = await scene(() => OK)
    const head =
      'GET / HTTP/1.1\r\nHost: a.test\r\nX-Text: gr\xc3\xbc\xff\r\nConnection: close\r\n\r\n'
    assert.match(await rawRequest(at.proxy.port, head), /^HTTP\/1\.1 200 /)
    assert.equal(at.auth.asked[0]?.request.http.headers['x-text'], 'gr\u00fc\ufffd')
  })

  it('has the listed fields only', async () => {
    await using at = await scene(() => OK, { service: grpcAuth(['cookie', 'x-absent']) })
    await ask(at.proxy.port, { headers: { authorization: 'Bearer t', cookie: 'a=b' } })
    assert.deepEqual({ ...at.auth.asked[0]?.request.http.headers }, { cookie: 'a=b' })
  })

  it('has the body where that is wanted: text as text, other bytes as bytes', async () => {
    await using at = await scene(() => OK, { maxBodyBytes: 100 })
    await ask(at.proxy.port, { body: 'h\u00e9llo' })
    const binary = Buffer.from([0, 255, 254, 1])
    const answer = await ask(at.proxy.port, { body: binary })
    assert.equal(answer.status, 200)
    const [first, second] = at.auth.asked.map(({ request }) => request.http)
    assert.deepEqual([first?.body, first?.rawBody, first?.size], ['h\u00e9llo', '', '6'])
    assert.deepEqual([second?.body, second?.size], ['', '4'])
    assert.equal(second?.rawBody, binary.toString('base64'))
  })
})

describe('external auth over gRPC: the answer', () => {
  it('changes fields and query on the way to the backend and back', async () => {
    const header = (key: string, value: string) => ({ key, value })
    const decide: GrpcDecision = () => ({
      ...OK,
      okResponse: {
        headers: [
          { header: header('x-user', 'alice') },
          { header: header('x-list', 'added'), append: { value: true } },
          { header: header('x-sent', 'ours'), appendAction: 1 },
          { header: header('x-other', 'ours'), appendAction: 3 },
          { header: header('x-more', 'ours'), appendAction: 1 },
          { header: header('x-gone', 'ours') },
        ],
        headersToRemove: ['Authorization', 'X-Gone', 'host', ':path'],
        responseHeadersToAdd: [
          { header: header('set-cookie', 'a=1') },
          { header: header('set-cookie', 'b=2') },
          { header: header('x-kept', 'service'), appendAction: 2 },
        ],
        queryParametersToSet: [{ key: 'user', value: 'a&b' }],
        queryParametersToRemove: ['token'],
      },
    })
    await using at = await scene(decide)
    const answer = await ask(at.proxy.port, {
      path: '/p?a=1&to%6ben=secret&user=root&b=%20',
      headers: {
        authorization: 'Bearer t',
        'x-user': 'root',
        x_user: 'root',
        'x-list': 'sent',
        'x-sent': 'theirs',
      },
    })
    const { line, headers } = echoOf(answer)
    assert.equal(line, 'GET /p?a=1&b=%20&user=a%26b')
    assert.equal(headers['authorization'], undefined)
    assert.equal(headers['x-gone'], undefined)
    assert.equal(headers.host, 'a.test')
    assert.equal(headers['x-user'], 'alice')
    assert.equal(headers['x_user'], undefined)
    assert.equal(headers['x-list'], 'sent, added')
    assert.equal(headers['x-sent'], 'theirs')
    assert.equal(headers['x-other'], undefined)
    assert.equal(headers['x-more'], 'ours')
    assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
    assert.equal(answer.headers['x-kept'], 'service')
  })

  it('that denies is answered in its words', async () => {
    const headers = [{ header: { key: 'location', value: 'https://login.test/' } }]
    const words = { status: { code: 302 }, headers, body: 'go there' }
    await using at = await scene(() => ({ status: { code: 16 }, deniedResponse: words }))
    const answer = await ask(at.proxy.port)
    assert.equal(answer.status, 302)
    assert.equal(answer.headers.location, 'https://login.test/')
    assert.equal(answer.body, 'go there')
    assert.deepEqual(at.backend.lines, [])
    assert.equal((await at.proxy.record()).reason, 'auth-denied')
  })

  it('that denies by a status without content leaves the connection in order', async () => {
    let code = 204
    await using at = await scene(() => {
      const words = { status: { code }, body: 'stray content' }
      code = 304
      return { status: { code: 7 }, deniedResponse: words }
    })
    const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n'
    const text = await rawRequest(at.proxy.port, `${get}\r\n${get}Connection: close\r\n\r\n`)
    assert.match(text, /^HTTP\/1\.1 204 [\s\S]*\r\n\r\nHTTP\/1\.1 304 [\s\S]*\r\n\r\n$/)
    assert.doesNotMatch(text, /stray/)
  })

  it('that denies without words is a 403', async () => {
    await using at = await scene(() => ({ status: { code: 7 } }))
    assert.equal((await ask(at.proxy.port)).status, 403)
    assert.equal((await at.proxy.record()).reason, 'auth-denied')
  })

  const nothing: readonly (readonly [string, ReturnType<GrpcDecision>])[] = [
    ['an error of the call', { code: 14, details: 'secret' }],
    ['an empty message', {}],
    ['an error of the service', { ...OK, errorResponse: { status: { code: 500 } } }],
    ['bytes that are no message', Buffer.from([0x0a, 0xff])],
    ['a line break in a field', withHeader('x-a', 'b\r\nx-evil: 1')],
    ['a field that is none', withHeader('a b', '1')],
    ['a change of the path', withHeader(':path', '/admin')],
    ['a change of the authority', withHeader('Host', 'b.test')],
    ['a change of the framing', withHeader('Content-Length', '3')],
    ['a message of 100,000 bytes', Buffer.alloc(100_000)],
  ]
  for (const [what, answer] of nothing) {
    it(`of ${what} is none`, async () => {
      await using at = await scene(() => answer)
      const got = await ask(at.proxy.port)
      assert.equal(got.status, 403)
      assert.equal(got.body, '403 Forbidden: auth-failed\n')
      assert.deepEqual(at.backend.lines, [])
      const record = await at.proxy.record()
      assert.equal(record.reason, 'auth-failed')
      assert.doesNotMatch(record.detail ?? '', /secret/)
    })
  }
})

function withHeader(key: string, value: string) {
  return { ...OK, okResponse: { headers: [{ header: { key, value } }] } }
}

describe('external auth of gRPC calls', () => {
  it('that is denied ends with a status', async () => {
    using auth = await startGrpcAuth((asked) =>
      asked.request.http.headers['authorization'] === 'Bearer good'
        ? OK
        : { status: { code: 16 }, deniedResponse: { status: { code: 401 } } },
    )
    let calls = 0
    using origin = await startGrpcOrigin({
      Unary: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) => {
        calls += 1
        callback(null, call.request)
      },
    })
    const guarded = [{ port: auth.port, service: grpcAuth() }]
    await using proxy = await startProxy({
      listeners: [
        { hostname: '', rules: [{ ports: [origin.port], protocol: 'h2c', auth: guarded }] },
      ],
    })
    using client = new GrpcClient(proxy.port)
    const denied = await client.unary(Buffer.from('a'))
    assert.equal(codeOf(denied), 16)
    assert.equal(calls, 0)
    const metadata = { authorization: 'Bearer good' }
    assert.deepEqual(await client.unary(Buffer.from('a'), { metadata }), Buffer.from('a'))
    assert.equal(auth.asked[0]?.request.http.protocol, 'HTTP/2')
  })

  it('over HTTP/2 that is denied is a trailers-only answer', async () => {
    await using at = await scene(() => ({ status: { code: 7 }, deniedResponse: { body: 'no' } }))
    const session = await connectH2(at.proxy.origin)
    try {
      const head = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc' }
      const answer = await h2Request(session, head, Buffer.alloc(5))
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['grpc-status'], '7')
      assert.equal(answer.body.length, 0)
      assert.equal(answer.trailers, undefined)
    } finally {
      session.destroy()
    }
  })
})
