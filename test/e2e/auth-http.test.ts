/** External auth over HTTP: what the service is asked, and what its answer does. */
import assert from 'node:assert/strict'
import type http2 from 'node:http2'
import { describe, it } from 'node:test'
import {
  allow,
  ask,
  echoOf,
  type HttpDecision,
  startEcho,
  startGuarded,
  startHttpAuth,
} from '../support/auth-service.ts'
import { startH2Origin } from '../support/http-origin.ts'
import { httpAuth, type TestAuth } from '../support/http-proxy.ts'

async function scene(decide: HttpDecision, settings: Partial<TestAuth> = {}) {
  const auth = await startHttpAuth(decide)
  const backend = await startEcho()
  const proxy = await startGuarded(backend.port, { port: auth.port, ...settings })
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

describe('external auth over HTTP: the question', () => {
  it('is the request without its body and its fields', async () => {
    await using at = await scene(allow)
    const headers = { authorization: 'Bearer t', cookie: 'a=b', 'x-more': '1' }
    const answer = await ask(at.proxy.port, { path: '/a/b?q=1', headers, body: 'hello' })
    assert.equal(answer.status, 200)
    assert.equal(echoOf(answer).body, 'hello')
    const [question] = at.auth.asked
    assert.equal(question?.line, 'POST /a/b?q=1')
    assert.equal(question.body.length, 0)
    const { connection: _, ...rest } = question.headers
    assert.deepEqual(rest, { host: 'a.test', authorization: 'Bearer t', 'content-length': '0' })
    assert.equal(at.auth.asked.length, 1)
  })

  it('has the listed fields, and a prefix before its path', async () => {
    const service = httpAuth({ pathPrefix: '/verify/v1', requestHeaders: ['cookie', 'x-real-ip'] })
    await using at = await scene(allow, { service })
    const headers = { cookie: 'a=b', 'x-real-ip': '9.9.9.9', 'x-more': '1' }
    await ask(at.proxy.port, { path: '/a?q=1', headers })
    const [question] = at.auth.asked
    assert.equal(question?.line, 'GET /verify/v1/a?q=1')
    const { connection: _, ...rest } = question.headers
    // What only a trusted proxy may say is ours here too.
    assert.deepEqual(rest, { host: 'a.test', cookie: 'a=b', 'x-real-ip': '127.0.0.1' })
  })
})

describe('external auth over HTTP: what is asked about', () => {
  it('may be a HEAD request', async () => {
    using auth = await startHttpAuth(allow)
    using backend = await startEcho()
    const guard = { port: auth.port, service: httpAuth({ pathPrefix: '/verify' }) }
    await using proxy = await startGuarded(backend.port, guard)
    assert.equal((await ask(proxy.port, { method: 'HEAD', path: '/a' })).status, 200)
    const lines = auth.asked.map(({ line }) => line)
    assert.deepEqual(lines, ['HEAD /verify/a'])
    assert.deepEqual(backend.lines, ['HEAD /a'])
  })

  it('may be asked in HTTP/2, where the service speaks it', async () => {
    const asked: http2.IncomingHttpHeaders[] = []
    using auth = await startH2Origin((stream, headers) => {
      asked.push(headers)
      const isGood = headers.authorization === 'Bearer good'
      stream.respond({ ':status': isGood ? 200 : 403, 'x-user': 'alice' })
      stream.end(isGood ? '' : 'not you')
    })
    using backend = await startEcho()
    await using proxy = await startGuarded(backend.port, { port: auth.port, protocol: 'h2c' })
    const denied = await ask(proxy.port, { path: '/a?b', body: 'hello' })
    assert.deepEqual([denied.status, denied.body], [403, 'not you'])
    const headers = { authorization: 'Bearer good' }
    const allowed = await ask(proxy.port, { path: '/a?b', headers, body: 'hello' })
    assert.equal(echoOf(allowed).headers['x-user'], 'alice')
    assert.equal(asked[0]?.[':path'], '/a?b')
    assert.equal(asked[0]?.[':authority'], 'a.test')
    assert.equal(asked[0]?.['content-length'], '0')
  })
})

describe('external auth over HTTP: the answer', () => {
  it('gives the backend what is listed, and nothing of that name from the client', async () => {
    const service = httpAuth({ responseHeaders: ['x-user', 'x-groups'] })
    const decide: HttpDecision = (_asked, response) => {
      response.setHeader('X-User', 'alice')
      response.setHeader('X-Other', '1')
      response.end('some text')
    }
    await using at = await scene(decide, { service })
    const headers = { 'x-user': 'root', x_user: 'root', 'x-groups': 'wheel', x_groups: 'wheel' }
    const answer = await ask(at.proxy.port, { headers })
    const seen = echoOf(answer).headers
    assert.equal(seen['x-user'], 'alice')
    for (const name of ['x_user', 'x-groups', 'x_groups', 'x-other']) {
      assert.equal(seen[name], undefined, name)
    }
    const { record } = at.proxy
    assert.equal((await record()).reason, 'completed')
  })

  it('without a list gives all but what is about the answer itself', async () => {
    const decide: HttpDecision = (_asked, response) => {
      response.setHeader('X-User', ['alice', 'bob'])
      response.setHeader('Content-Type', 'text/html')
      response.setHeader('Content-Language', 'de')
      response.setHeader('Connection', 'x-gone')
      response.setHeader('X-Gone', '1')
      response.setHeader('Host', 'elsewhere.test')
      response.end('some text')
    }
    await using at = await scene(decide)
    const headers = { 'x-user': 'root', 'content-type': 'application/json' }
    const answer = await ask(at.proxy.port, { headers, body: '{}' })
    const seen = echoOf(answer).headers
    assert.equal(seen['x-user'], 'alice, bob')
    assert.equal(seen['content-type'], 'application/json')
    assert.equal(seen['content-language'], undefined)
    assert.equal(seen['x-gone'], undefined)
    assert.equal(seen.host, 'a.test')
  })

  it('that denies is the answer to the client', async () => {
    const decide: HttpDecision = (_asked, response) => {
      response.writeHead(401, 'Unauthorized', {
        'WWW-Authenticate': 'Basic realm="a"',
        'Set-Cookie': ['a=1', 'b=2'],
        'Transfer-Encoding': 'chunked',
      })
      response.write('who ')
      response.end('are you?')
    }
    await using at = await scene(decide)
    const answer = await ask(at.proxy.port, { body: 'secret' })
    assert.equal(answer.status, 401)
    assert.equal(answer.body, 'who are you?')
    assert.equal(answer.headers['www-authenticate'], 'Basic realm="a"')
    assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
    assert.equal(answer.headers['content-length'], '12')
    assert.equal(answer.headers['transfer-encoding'], undefined)
    assert.deepEqual(at.backend.lines, [])
    const record = await at.proxy.record()
    assert.equal(record.reason, 'auth-denied')
    assert.equal(record.detail, 'a0/0: 401')
    assert.equal(record.status, 401)
  })

  it('that sends elsewhere is the answer to the client', async () => {
    const decide: HttpDecision = (_asked, response) => {
      response.writeHead(302, { Location: 'https://login.test/?back=%2F' }).end()
    }
    await using at = await scene(decide)
    const answer = await ask(at.proxy.port)
    assert.equal(answer.status, 302)
    assert.equal(answer.headers.location, 'https://login.test/?back=%2F')
    assert.deepEqual(at.backend.lines, [])
  })

  for (const status of [201, 204, 500, 503]) {
    it(`of ${status} is none`, async () => {
      await using at = await scene((_asked, response) => response.writeHead(status).end())
      const answer = await ask(at.proxy.port)
      assert.equal(answer.status, 403)
      assert.deepEqual(at.backend.lines, [])
      const record = await at.proxy.record()
      assert.equal(record.reason, 'auth-failed')
      assert.match(record.detail ?? '', new RegExp(`answered ${status}`))
    })
  }
})
