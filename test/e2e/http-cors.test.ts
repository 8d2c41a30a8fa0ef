/** CORS through the HTTP layer: who answers what, over HTTP/1.1 and HTTP/2. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CorsFilter } from '../../src/model/http-filter.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'

const CORS: CorsFilter = {
  kind: 'cors',
  allowOrigins: [{ scheme: 'https', hostname: 'a.test', port: 443 }],
  allowCredentials: false,
  allowMethods: ['PUT'],
  allowHeaders: [],
  exposeHeaders: ['X-Shown'],
  maxAgeSeconds: 5,
}

describe('CORS', () => {
  it('answers preflights itself and proxies everything else', async () => {
    const seen: string[] = []
    using origin = await startOrigin((request, response) => {
      seen.push(`${request.method} ${request.headers.origin}`)
      response.setHeader('Access-Control-Allow-Origin', '*')
      response.end('ok')
    })
    const ports = [origin.port]
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [
            { ports, filters: [CORS] },
            {
              prefix: '/redirect',
              filters: [CORS],
              action: {
                kind: 'redirect',
                redirect: { kind: 'request-redirect', statusCode: 302 },
              },
            },
          ],
        },
      ],
    })
    const session = await connectH2(proxy.origin)
    const preflight = (origin: string, path = '/') => ({
      ':method': 'OPTIONS',
      ':path': path,
      origin,
      'access-control-request-method': 'PUT',
    })
    for (const path of ['/', '/redirect']) {
      const { status, headers, body } = await h2Request(session, preflight('https://a.test', path))
      assert.equal(status, 204)
      assert.equal(body.length, 0)
      assert.equal(headers['access-control-allow-origin'], 'https://a.test')
      assert.equal(headers['access-control-allow-methods'], 'PUT')
      assert.equal(headers['access-control-max-age'], '5')
    }
    const refused = await h2Request(session, preflight('https://evil.test'))
    assert.equal(refused.status, 204)
    assert.equal(refused.headers['access-control-allow-origin'], undefined)
    assert.equal((await proxy.record()).reason, 'preflight')
    assert.deepEqual(seen, [])

    const get = await h2Request(session, { ':path': '/', origin: 'https://a.test' })
    assert.deepEqual(
      [get.headers['access-control-allow-origin'], get.headers['access-control-expose-headers']],
      ['https://a.test', 'X-Shown'],
    )
    const other = await h2Request(session, { ':path': '/', origin: 'https://evil.test' })
    assert.deepEqual([other.status, other.headers['access-control-allow-origin']], [200, undefined])
    const plain = await h2Request(session, { ':method': 'OPTIONS', ':path': '/' })
    assert.equal(plain.body.toString(), 'ok')
    assert.deepEqual(seen, ['GET https://a.test', 'GET https://evil.test', 'OPTIONS undefined'])
    session.destroy()

    const raw = await rawRequest(
      proxy.port,
      'OPTIONS / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n',
    )
    assert.match(raw, /^HTTP\/1\.1 204 No Content\r\n/)
    assert.doesNotMatch(raw, /content-length|transfer-encoding/i)
  })
})
