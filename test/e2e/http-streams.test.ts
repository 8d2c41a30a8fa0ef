/** Very many exchanges on one HTTP/2 connection: in flight at once, and by the advertised limit. */
import assert from 'node:assert/strict'
import type { ClientHttp2Session } from 'node:http2'
import { describe, it } from 'node:test'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startH2Origin, startOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { until } from '../support/until.ts'

const COUNT = 1000

/** Each with a body of its own, whose echo it must get. */
function askAll(session: ClientHttp2Session): Promise<string[]> {
  const numbers = Array.from({ length: COUNT }, (_, index) => index)
  return Promise.all(
    numbers.map(async (number) => {
      const headers = { ':method': 'POST', ':path': `/${number}` }
      const { status, body } = await h2Request(session, headers, Buffer.from(`body ${number}`))
      return `${status} ${body}`
    }),
  )
}

const EXPECTED = Array.from({ length: COUNT }, (_, number) => `200 /${number} body ${number}`)

describe('one HTTP/2 connection', () => {
  it('carries 1,000 exchanges at once', async () => {
    const held: (() => void)[] = []
    using origin = await startH2Origin((stream, headers) => {
      stream.respond({ ':status': 200 })
      void stream.toArray().then((body) => {
        held.push(() => stream.end(`${headers[':path']} ${body.join('')}`))
      })
    })
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port], protocol: 'h2c' }] }],
      limits: { streamsPerConnection: COUNT },
    })
    const session = await connectH2(proxy.origin)
    const answers = askAll(session)
    await until(
      () => held.length === COUNT,
      () => `${held.length} of them`,
      60_000,
    )
    for (const end of held) end()
    assert.deepEqual(await answers, EXPECTED)
    session.destroy()
  })

  it('carries 1,000 exchanges under the default limit, 100 at a time', async () => {
    let running = 0
    let most = 0
    using origin = await startOrigin((request, response) => {
      running += 1
      most = Math.max(most, running)
      void request.toArray().then((body) => {
        setImmediate(() => {
          running -= 1
          response.end(`${request.url} ${body.join('')}`)
        })
      })
    })
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
    })
    const session = await connectH2(proxy.origin)
    assert.deepEqual(await askAll(session), EXPECTED)
    assert.ok(most > 1 && most <= 100, `${most} at once`)
    assert.equal(proxy.records.length, COUNT)
    session.destroy()
  })
})

describe('trailers of an HTTP/2 backend', () => {
  for (const length of [{}, { 'content-length': 4 }]) {
    it(`arrive behind a body of ${'content-length' in length ? 'known' : 'unknown'} length`, async () => {
      using origin = await startH2Origin((stream) => {
        stream.respond({ ':status': 200, ...length }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }))
        stream.end('body')
      })
      await using proxy = await startProxy({
        listeners: [{ hostname: '', rules: [{ ports: [origin.port], protocol: 'h2c' }] }],
      })
      const session = await connectH2(proxy.origin)
      const { status, body, trailers } = await h2Request(session, { ':path': '/' })
      assert.deepEqual([status, String(body), trailers?.['x-sum']], [200, 'body', 'abc'])
      session.destroy()
    })
  }
})
