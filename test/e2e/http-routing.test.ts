/** Listener choice, 421, rules, filters, redirects, weights and reload of live connections. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { after, before, describe, it } from 'node:test'
import type { HttpFilter } from '../../src/model/http-filter.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { type Origin, startOrigin } from '../support/http-origin.ts'
import { listenerKey, startProxy, type TestListener } from '../support/http-proxy.ts'

interface Seen {
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly seen: Seen | undefined
}

async function get(port: number, path: string, headers: http.OutgoingHttpHeaders): Promise<Answer> {
  const request = http.get({ port, host: '127.0.0.1', path, headers, agent: false })
  const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
  const body = Buffer.concat(await response.toArray()).toString()
  const seen = body.startsWith('{') ? (JSON.parse(body) as Seen) : undefined
  return { status: response.statusCode ?? 0, headers: response.headers, seen }
}

describe('routing', () => {
  let origin: Origin
  let ports: readonly number[]

  before(async () => {
    origin = await startOrigin((request, response) => {
      response.setHeader('X-Origin', 'yes')
      response.end(JSON.stringify({ url: request.url, headers: request.headers }))
    })
    ports = [origin.port]
  })

  after(() => origin[Symbol.dispose]())

  const listeners = (): TestListener[] => [
    { hostname: '', rules: [{ ports }] },
    { hostname: '*.wild.test', rules: [{ ports }] },
    { hostname: 'a.wild.test', rules: [{ prefix: '/only', ports }] },
    { hostname: 'b.test', rules: [{ ports }] },
  ]

  it('answers 421 where the authority belongs to another listener than the SNI', async () => {
    const cases: readonly (readonly [own: string, host: string, status: number])[] = [
      ['', 'b.test', 421],
      ['', 'unknown.test', 200],
      ['b.test', 'unknown.test', 421],
      ['*.wild.test', 'x.y.wild.test', 200],
      ['*.wild.test', 'a.wild.test', 421],
      ['a.wild.test', 'a.wild.test', 404],
      ['b.test', 'B.TEST.:8443', 200],
    ]
    for (const [own, host, status] of cases) {
      await using proxy = await startProxy({ listeners: listeners(), own: listenerKey(own) })
      assert.equal((await get(proxy.port, '/', { host })).status, status, `${own} ${host}`)
      const session = await connectH2(proxy.origin)
      assert.equal((await h2Request(session, { ':authority': host })).status, status)
      session.destroy()
    }
    await using proxy = await startProxy({
      listeners: [{ hostname: 'b.test', rules: [{ ports }] }],
      own: listenerKey('b.test'),
    })
    assert.equal((await get(proxy.port, '/', { host: 'c.test' })).status, 404)
  })

  it('never falls back from a specific listener to a broader one', async () => {
    await using proxy = await startProxy({ listeners: listeners() })
    assert.equal((await get(proxy.port, '/', { host: 'a.wild.test' })).status, 404)
    assert.equal((await get(proxy.port, '/only', { host: 'a.wild.test' })).status, 200)
    assert.equal((await get(proxy.port, '/', { host: '127.0.0.1' })).status, 200)
  })

  it('overwrites what says who the client is, and keeps it from a trusted proxy', async () => {
    const forged = {
      host: 'b.test:99',
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil',
      x_forwarded_for: '6.6.6.6',
      forwarded: 'for=6.6.6.6',
      'x-real-ip': '6.6.6.6',
      'x-envoy-internal': 'true',
      'x-forwarded-client-cert': 'Hash=1',
      'x-request-id': 'sent',
    }
    {
      await using proxy = await startProxy({ listeners: listeners() })
      const { seen } = await get(proxy.port, '/', forged)
      assert.equal(seen?.headers.host, 'b.test:99')
      assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1')
      assert.equal(seen.headers['x-forwarded-proto'], 'http')
      assert.equal(seen.headers['x-forwarded-host'], 'b.test:99')
      assert.equal(seen.headers['x-forwarded-port'], '8443')
      assert.equal(seen.headers['x-real-ip'], '127.0.0.1')
      assert.doesNotMatch(JSON.stringify(seen.headers), /6\.6\.6\.6|evil|envoy|Hash|"sent"/)
      assert.equal((await proxy.record()).requestId, seen.headers['x-request-id'])
    }
    await using proxy = await startProxy({
      listeners: listeners(),
      trustedProxies: ['127.0.0.0/8'],
    })
    const { seen } = await get(proxy.port, '/', forged)
    assert.equal(seen?.headers['x-forwarded-for'], '6.6.6.6, 127.0.0.1')
    assert.equal(seen.headers['x-forwarded-proto'], 'https')
    assert.equal(seen.headers['x-request-id'], 'sent')
    assert.equal((await proxy.record()).client, '6.6.6.6')
  })

  it('applies header modifiers and rewrites, rule first, then backend', async () => {
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [
            {
              prefix: '/old',
              ports,
              filters: [
                {
                  kind: 'request-header-modifier',
                  set: [{ name: 'X-Set', value: 'new' }],
                  add: [{ name: 'X-Add', value: 'more' }],
                  remove: ['x-gone'],
                },
                {
                  kind: 'url-rewrite',
                  hostname: 'inner.test',
                  path: { kind: 'prefix', prefix: '/old', value: '/new/' },
                },
                {
                  kind: 'response-header-modifier',
                  set: [{ name: 'X-Origin', value: 'hidden' }],
                  add: [{ name: 'Transfer-Encoding', value: 'gzip' }],
                  remove: [],
                },
              ],
            },
          ],
        },
      ],
    })
    const { seen, headers } = await get(proxy.port, '/old/%61%20b?q=/old', {
      host: 'b.test',
      'x-set': 'old',
      'x-add': 'one',
      'x-gone': '1',
    })
    assert.equal(seen?.url, '/new/%61%20b?q=/old')
    assert.equal(seen.headers.host, 'inner.test')
    assert.equal(seen.headers['x-set'], 'new')
    assert.equal(seen.headers['x-add'], 'one,more')
    assert.equal(seen.headers['x-gone'], undefined)
    assert.equal(headers['x-origin'], 'hidden')
    assert.notEqual(headers['transfer-encoding'], 'gzip')
  })

  it('redirects without asking an upstream', async () => {
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [
            {
              action: {
                kind: 'redirect',
                redirect: { kind: 'request-redirect', scheme: 'https', statusCode: 301 },
              },
            },
          ],
        },
      ],
    })
    const { status, headers } = await get(proxy.port, '//evil.test/%2e?x', { host: 'b.test:8443' })
    assert.deepEqual([status, headers.location], [400, undefined])
    const answer = await get(proxy.port, '//evil.test/?x', { host: 'b.test:8443' })
    assert.deepEqual(
      [answer.status, answer.headers.location],
      [301, 'https://b.test//evil.test/?x'],
    )
    assert.equal((await proxy.record(2)).reason, 'redirected')
  })

  it('redirects the share of a backend that says so', async () => {
    const share = (weight: number, filters: readonly HttpFilter[]) => ({ weight, ports, filters })
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [
            {
              shares: [
                share(1, []),
                share(1, [{ kind: 'request-redirect', hostname: 'new.test', statusCode: 307 }]),
              ],
            },
          ],
        },
      ],
    })
    const answers = []
    for (let i = 0; i < 4; i += 1) answers.push(await get(proxy.port, '/a', { host: 'b.test' }))
    const locations = answers.map(({ status, headers }) => `${status} ${headers.location ?? ''}`)
    assert.deepEqual(locations.sort(), [
      '200 ',
      '200 ',
      '307 http://new.test:8443/a',
      '307 http://new.test:8443/a',
    ])
  })

  it('reads the current routes at the start of each exchange of a live connection', async () => {
    await using proxy = await startProxy({ listeners: [{ hostname: '', rules: [] }] })
    const session = await connectH2(proxy.origin)
    assert.equal((await h2Request(session, { ':path': '/' })).status, 404)
    await proxy.load([{ hostname: '', rules: [{ ports }] }])
    assert.equal((await h2Request(session, { ':path': '/' })).status, 200)
    session.destroy()
  })
})
