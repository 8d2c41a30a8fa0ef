/** When external auth is asked: after preflights, before everything that sends something on. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import WebSocket, { WebSocketServer } from 'ws'
import type { CorsFilter, HeaderModifierFilter } from '../../src/model/http-filter.ts'
import {
  allow,
  type AskedOverHttp,
  ask,
  echoOf,
  type HttpDecision,
  startEcho,
  startGuarded,
  startHttpAuth,
} from '../support/auth-service.ts'
import { startOrigin } from '../support/http-origin.ts'
import { httpAuth, startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'
import { until } from '../support/until.ts'

const CORS: CorsFilter = {
  kind: 'cors',
  allowOrigins: [{ scheme: 'https', hostname: 'app.test', port: 443 }],
  allowCredentials: true,
  allowMethods: ['PUT'],
  allowHeaders: ['authorization'],
  exposeHeaders: [],
  maxAgeSeconds: 5,
}

const deny: HttpDecision = (_asked, response) => response.writeHead(401).end('no')

function byToken({ headers }: AskedOverHttp, response: Parameters<HttpDecision>[1]): void {
  response.writeHead(headers.authorization === 'Bearer good' ? 200 : 401).end()
}

describe('the order of external auth', () => {
  it('is after preflights, which carry no credentials', async () => {
    using auth = await startHttpAuth(byToken)
    using backend = await startEcho()
    await using proxy = await startGuarded(backend.port, { port: auth.port }, { filters: [CORS] })
    const origin = { origin: 'https://app.test' }
    const preflight = { ...origin, 'access-control-request-method': 'PUT' }
    const first = await ask(proxy.port, { method: 'OPTIONS', headers: preflight })
    assert.equal(first.status, 204)
    assert.equal(first.headers['access-control-allow-origin'], 'https://app.test')
    assert.equal(auth.asked.length, 0)
    const denied = await ask(proxy.port, { method: 'PUT', headers: origin })
    assert.equal(denied.status, 401)
    // A page may read why it was denied.
    assert.equal(denied.headers['access-control-allow-origin'], 'https://app.test')
    const headers = { ...origin, authorization: 'Bearer good' }
    assert.equal((await ask(proxy.port, { method: 'PUT', headers })).status, 200)
    // OPTIONS without the word of a preflight is a request like any other.
    assert.equal((await ask(proxy.port, { method: 'OPTIONS', headers: origin })).status, 401)
    assert.equal(backend.lines.length, 1)
  })

  it('is before a redirect of the rule', async () => {
    using auth = await startHttpAuth(byToken)
    const redirect = { kind: 'request-redirect', hostname: 'b.test', statusCode: 301 } as const
    const action = { kind: 'redirect', redirect } as const
    await using proxy = await startGuarded(1, { port: auth.port }, { action })
    const denied = await ask(proxy.port)
    assert.equal(denied.status, 401)
    assert.equal(denied.headers.location, undefined)
    const sent = await ask(proxy.port, { headers: { authorization: 'Bearer good' } })
    assert.equal(sent.status, 301)
    assert.match(sent.headers.location ?? '', /^http:\/\/b\.test/)
  })

  it('is before other filters of the rule, whose changes the service does not see', async () => {
    using auth = await startHttpAuth((_asked, response) => {
      response.setHeader('X-User', 'alice')
      response.end()
    })
    using backend = await startEcho()
    const modifier: HeaderModifierFilter = {
      kind: 'request-header-modifier',
      set: [{ name: 'X-Team', value: 'by the rule' }],
      add: [{ name: 'X-User', value: 'by the rule' }],
      remove: [],
    }
    const service = httpAuth({ requestHeaders: ['x-team'] })
    const guard = { port: auth.port, service }
    await using proxy = await startGuarded(backend.port, guard, { filters: [modifier] })
    const { headers } = echoOf(await ask(proxy.port, { headers: { 'x-team': 'sent' } }))
    assert.equal(auth.asked[0]?.headers['x-team'], 'sent')
    assert.equal(headers['x-team'], 'by the rule')
    assert.equal(headers['x-user'], 'alice,by the rule')
  })

  it('is before mirrors', async () => {
    using auth = await startHttpAuth(byToken)
    using backend = await startEcho()
    using mirror = await startEcho()
    const mirrors = [{ port: mirror.port }]
    await using proxy = await startGuarded(backend.port, { port: auth.port }, { mirrors })
    assert.equal((await ask(proxy.port, { path: '/denied' })).status, 401)
    const headers = { authorization: 'Bearer good' }
    assert.equal((await ask(proxy.port, { path: '/allowed', headers })).status, 200)
    await until(() => mirror.lines.length > 0)
    assert.deepEqual(mirror.lines, ['GET /allowed'])
    assert.deepEqual(backend.lines, ['GET /allowed'])
  })

  it('is that of the filters: all must allow, and the first to deny is the last asked', async () => {
    using first = await startHttpAuth((_asked, response) => {
      response.setHeader('X-User', 'alice')
      response.end()
    })
    using second = await startHttpAuth(byToken)
    using third = await startHttpAuth(allow)
    using backend = await startEcho()
    const service = httpAuth({ requestHeaders: ['x-user'] })
    const auth = [{ port: first.port }, { port: second.port, service }, { port: third.port }]
    await using proxy = await startGuarded(backend.port, { port: 1 }, { auth })
    assert.equal((await ask(proxy.port)).status, 401)
    assert.equal(third.asked.length, 0)
    assert.equal(second.asked[0]?.headers['x-user'], 'alice')
    const headers = { authorization: 'Bearer good' }
    const { headers: seen } = echoOf(await ask(proxy.port, { headers }))
    assert.equal(seen['x-user'], 'alice')
    assert.equal(third.asked.length, 1)
  })

  it('is once, whatever is tried again', async () => {
    using auth = await startHttpAuth(allow)
    let tries = 0
    using backend = await startOrigin((_request, response) => {
      tries += 1
      response.writeHead(tries < 3 ? 503 : 200).end()
    })
    const retry = { codes: [503], attempts: 3, backoffMs: 1 }
    await using proxy = await startGuarded(backend.port, { port: auth.port }, { retry })
    assert.equal((await ask(proxy.port)).status, 200)
    assert.equal(tries, 3)
    assert.equal(auth.asked.length, 1)
  })

  it('is between the rule and the backends of one moment, whatever is loaded meanwhile', async () => {
    const asked = Promise.withResolvers<() => void>()
    using auth = await startHttpAuth((_asked, response) => asked.resolve(() => response.end()))
    using first = await startEcho()
    using second = await startEcho()
    const rule = { ports: [first.port], auth: [{ port: auth.port }] }
    await using proxy = await startProxy({ listeners: [{ hostname: '', rules: [rule] }] })
    const before = ask(proxy.port, { path: '/before' })
    const allowIt = await asked.promise
    await proxy.load([{ hostname: '', rules: [{ ports: [second.port] }] }])
    assert.equal((await ask(proxy.port, { path: '/after' })).status, 200)
    allowIt()
    assert.equal((await before).status, 200)
    assert.deepEqual(first.lines, ['GET /before'])
    assert.deepEqual(second.lines, ['GET /after'])
  })

  it('of a backend is after its choice, and guards its share alone', async () => {
    using auth = await startHttpAuth(deny)
    using guarded = await startEcho()
    using open = await startEcho()
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [
            {
              shares: [
                { weight: 1, ports: [guarded.port], auth: [{ port: auth.port }] },
                { weight: 1, ports: [open.port] },
              ],
            },
          ],
        },
      ],
    })
    const statuses: number[] = []
    for (let i = 0; i < 4; i += 1) statuses.push((await ask(proxy.port)).status)
    assert.deepEqual(statuses.toSorted(), [200, 200, 401, 401])
    assert.deepEqual(guarded.lines, [])
    assert.equal(auth.asked.length, 2)
  })
})

describe('external auth of a WebSocket', () => {
  it('is asked before the tunnel', async () => {
    using auth = await startHttpAuth(byToken)
    using origin = await startOrigin((_request, response) => response.end())
    const server = new WebSocketServer({ server: origin.server })
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
    await using proxy = await startGuarded(origin.port, { port: auth.port })
    const handshake =
      'GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
    assert.match(await rawRequest(proxy.port, handshake), /^HTTP\/1\.1 401 /)
    assert.equal(auth.asked[0]?.headers.upgrade, undefined)
    const headers = { authorization: 'Bearer good' }
    const client = new WebSocket(`ws://127.0.0.1:${proxy.port}/chat`, { headers })
    await once(client, 'open')
    client.send('hello')
    const [echo] = await once(client, 'message')
    assert.equal(String(echo), 'hello')
    client.close()
    await once(client, 'close')
    assert.equal(auth.asked.length, 2)
  })
})
