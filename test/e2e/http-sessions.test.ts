/** Session persistence (GEP-1619) over real sockets: cookies, headers, what strangers send. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { describe, it } from 'node:test'
import type { HttpSession } from '../../src/model/http.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { closedPort, startOrigin } from '../support/http-origin.ts'
import { startProxy, type TestRule } from '../support/http-proxy.ts'

const COOKIE: HttpSession = {
  scope: 'HTTPRoute/default/web/#0',
  carrier: { kind: 'cookie', name: 'sid', permanent: false },
}
const HEADER: HttpSession = {
  scope: 'HTTPRoute/default/web/#1',
  carrier: { kind: 'header', name: 'x-session' },
}

/** Answers with its port, the cookies that it saw, and a cookie of its own. */
function startShop() {
  return startOrigin((request, response) => {
    response.setHeader('Set-Cookie', ['own=1; Path=/', 'other=2'])
    response.setHeader('x-saw', request.headers.cookie ?? '')
    response.end(String(request.socket.localPort))
  })
}

async function startShops(rule: TestRule = {}, tls = false) {
  const shops = [await startShop(), await startShop(), await startShop()]
  const ports = shops.map(({ port }) => port)
  const listeners = [{ hostname: '', rules: [{ ports, session: COOKIE, ...rule }] }]
  const proxy = await startProxy({ tls, listeners })
  return {
    ports,
    proxy,
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]()
      for (const shop of shops) shop[Symbol.dispose]()
    },
  }
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: http.IncomingHttpHeaders
  /** Ours, whole. */
  readonly cookie: string | undefined
  /** Ours, as a client sends it. */
  readonly pair: string
}

async function ask(
  proxy: { readonly origin: string },
  headers: http.OutgoingHttpHeaders = {},
): Promise<Answer> {
  const { request } = proxy.origin.startsWith('https') ? https : http
  const call = request(`${proxy.origin}/`, { headers, agent: false, rejectUnauthorized: false })
  const [response]: [http.IncomingMessage] = (await once(call.end(), 'response')) as never
  const text = Buffer.concat(await response.toArray()).toString()
  const cookie = response.headers['set-cookie']?.find((line) => /^(?:sid|__Host-)/.test(line))
  const pair = cookie?.split(';')[0] ?? ''
  return { status: response.statusCode ?? 0, text, headers: response.headers, cookie, pair }
}

describe('a session by cookie', () => {
  it('keeps the endpoint; the cookie comes once, beside those of the backend', async () => {
    await using web = await startShops()
    const first = await ask(web.proxy)
    assert.match(first.cookie ?? '', /^sid=[A-Za-z0-9_-]{52}; Path=\/; HttpOnly; SameSite=Lax$/)
    assert.deepEqual(first.headers['set-cookie']?.slice(0, 2), ['own=1; Path=/', 'other=2'])
    for (let n = 0; n < 50; n += 1) {
      const again = await ask(web.proxy, { cookie: `a=b; ${first.pair}; c="d"` })
      assert.deepEqual([again.text, again.cookie], [first.text, undefined])
      assert.equal(again.headers['x-saw'], `a=b; ${first.pair}; c="d"`)
    }
    const others = [await ask(web.proxy), await ask(web.proxy)]
    assert.deepEqual([first, ...others].map(({ text }) => Number(text)).sort(), web.ports.sort())
  })

  it('is secure behind TLS and lives as long as the session when it is permanent', async () => {
    const carrier = { kind: 'cookie', name: '__Host-sid', permanent: true } as const
    await using web = await startShops(
      { session: { ...COOKIE, carrier, absoluteMs: 90_500 } },
      true,
    )
    const first = await ask(web.proxy)
    const attributes = first.cookie?.split('; ').slice(1)
    assert.deepEqual(attributes, ['Path=/', 'Max-Age=91', 'HttpOnly', 'Secure', 'SameSite=Lax'])
    const session = await connectH2(web.proxy.origin)
    const again = await h2Request(session, { ':path': '/', cookie: ['a=b', first.pair, 'c=d'] })
    assert.equal(again.body.toString(), first.text)
    const anew = await h2Request(session, { ':path': '/' })
    assert.equal(anew.headers['set-cookie']?.length, 3)
    session.destroy()
  })

  it('is taken from the first valid cookie of its name', async () => {
    await using web = await startShops()
    const first = await ask(web.proxy)
    const others = [await ask(web.proxy), await ask(web.proxy)]
    const list = ['sid=', 'sid=x', first.pair, ...others.map(({ pair }) => pair)]
    const both = await ask(web.proxy, { cookie: list.join('; ') })
    assert.deepEqual([both.text, both.cookie], [first.text, undefined])
  })

  it('that is no cookie of ours is a new session, never an error', async () => {
    await using web = await startShops()
    const { pair } = await ask(web.proxy)
    const forged = pair.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
    const many = Array.from({ length: 2400 }, () => 'sid=').join(';')
    const strange = [
      forged,
      `${pair}x`,
      pair.replace('sid', 'SID'),
      pair.replace('=', ' ='),
      `xsid${pair.slice(3)}`,
      'sid',
      'sid=;;;=;sid',
      `sid=${'A'.repeat(12_000)}`,
      `${many};${pair}`,
      Buffer.from(Array.from({ length: 120 }, (_, n) => n + 128)).toString('latin1'),
    ]
    for (const cookie of strange) {
      const answer = await ask(web.proxy, { cookie })
      assert.equal(answer.status, 200, cookie.slice(0, 60))
      assert.match(answer.pair, /^sid=[\w-]{52}$/, cookie.slice(0, 60))
    }
  })

  it('of one rule steers no other, though the name is the same', async () => {
    const session = { ...COOKIE, scope: 'HTTPRoute/default/web/#7' }
    await using web = await startShops()
    const { pair } = await ask(web.proxy)
    const ports = web.ports
    await web.proxy.load([{ hostname: '', rules: [{ ports, session }] }])
    const texts = new Set<string>()
    for (let n = 0; n < 3; n += 1) {
      const answer = await ask(web.proxy, { cookie: pair })
      assert.notEqual(answer.cookie, undefined)
      texts.add(answer.text)
    }
    assert.equal(texts.size, 3)
  })

  it('goes on after a reload', async () => {
    await using web = await startShops()
    const { pair, text } = await ask(web.proxy)
    const rule = { ports: web.ports, session: COOKIE }
    await web.proxy.load([{ hostname: '', rules: [rule, { prefix: '/new', ports: [1] }] }])
    const again = await ask(web.proxy, { cookie: pair })
    assert.deepEqual([again.text, again.cookie], [text, undefined])
  })

  it('is secure where a trusted proxy says that the client came by https', async () => {
    using shop = await startShop()
    const listeners = [{ hostname: '', rules: [{ ports: [shop.port], session: COOKIE }] }]
    await using proxy = await startProxy({ listeners, trustedProxies: ['127.0.0.1'] })
    const { cookie } = await ask(proxy, { 'X-Forwarded-Proto': 'https' })
    assert.match(cookie ?? '', /; Secure;/)
    await using stranger = await startProxy({ listeners })
    const plain = await ask(stranger, { 'X-Forwarded-Proto': 'https' })
    assert.doesNotMatch(plain.cookie ?? '', /Secure/)
  })

  it('is out of reach of filters, which may keep it from the backend', async () => {
    const changes = { set: [], add: [] } as const
    const filters = [
      { kind: 'request-header-modifier', ...changes, remove: ['cookie'] },
      { kind: 'response-header-modifier', ...changes, remove: ['set-cookie'] },
    ] as const
    await using web = await startShops({ filters })
    const first = await ask(web.proxy)
    assert.deepEqual(first.headers['set-cookie'], [first.cookie])
    for (let n = 0; n < 4; n += 1) {
      const again = await ask(web.proxy, { cookie: first.pair })
      assert.deepEqual([again.text, again.headers['x-saw']], [first.text, ''])
    }
  })

  it('has no part in mirrors, whose endpoints take turns', async () => {
    const copies: string[] = []
    const news = new EventEmitter()
    using shadow = await startOrigin((request, response) => {
      copies.push(request.headers.cookie ?? '')
      news.emit('copy')
      response.setHeader('Set-Cookie', 'sid=shadow').end()
    })
    await using web = await startShops({ mirrors: [{ port: shadow.port }] })
    const first = await ask(web.proxy)
    const again = await ask(web.proxy, { cookie: first.pair })
    assert.deepEqual([again.text, again.cookie], [first.text, undefined])
    while (copies.length < 2) await once(news, 'copy')
    assert.deepEqual(copies, ['', first.pair])
  })

  it('is not begun by answers of our own', async () => {
    const location = { kind: 'request-redirect', statusCode: 302, hostname: 'b.test' } as const
    await using web = await startShops({ action: { kind: 'redirect', redirect: location } })
    assert.deepEqual(pick(await ask(web.proxy)), [302, undefined])
    await web.proxy.load([
      { hostname: '', rules: [{ ports: [await closedPort()], session: COOKIE }] },
    ])
    assert.deepEqual(pick(await ask(web.proxy)), [503, undefined])
  })
})

function pick({ status, cookie }: Answer): [number, string | undefined] {
  return [status, cookie]
}

describe('a session whose endpoint fails', () => {
  it('goes on elsewhere with a new cookie', async () => {
    using stays = await startShop()
    const leaves = await startShop()
    const ports = [leaves.port, stays.port]
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports, session: COOKIE }] }],
    })
    let first = await ask(proxy)
    if (first.text !== String(leaves.port)) first = await ask(proxy)
    assert.equal(first.text, String(leaves.port))
    leaves[Symbol.dispose]()
    const moved = await ask(proxy, { cookie: first.pair })
    assert.equal(moved.text, String(stays.port))
    assert.notEqual(moved.cookie, undefined)
    const again = await ask(proxy, { cookie: moved.pair })
    assert.deepEqual([again.text, again.cookie], [String(stays.port), undefined])
  })

  it('is tried again elsewhere by the rule’s retry', async () => {
    let isIll = false
    using ill = await startOrigin((_, response) => {
      response.writeHead(isIll ? 503 : 200).end('ill')
    })
    using well = await startOrigin((_, response) => response.end('well'))
    const retry = { codes: [503], attempts: 2, backoffMs: 1 }
    const rule = { ports: [ill.port, well.port], session: COOKIE, retry }
    await using proxy = await startProxy({ listeners: [{ hostname: '', rules: [rule] }] })
    let first = await ask(proxy)
    if (first.text !== 'ill') first = await ask(proxy)
    isIll = true
    const moved = await ask(proxy, { cookie: first.pair })
    assert.equal(moved.text, 'well')
    assert.equal((await ask(proxy, { cookie: moved.pair })).text, 'well')
  })
})

describe('a session by header', () => {
  it('is kept by what the client sends back', async () => {
    await using web = await startShops({ session: HEADER })
    const first = await ask(web.proxy)
    const token = String(first.headers['x-session'])
    assert.match(token, /^[\w-]{52}$/)
    for (let n = 0; n < 10; n += 1) {
      const again = await ask(web.proxy, { 'X-Session': token })
      assert.deepEqual([again.text, again.headers['x-session']], [first.text, undefined])
    }
    const forged = await ask(web.proxy, { 'X-Session': `${token}, ${token}` })
    assert.notEqual(forged.headers['x-session'], undefined)
  })
})
