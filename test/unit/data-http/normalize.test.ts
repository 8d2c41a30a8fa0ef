import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  normalizeHttp1,
  normalizeHttp2,
  type Normalized,
} from '../../../src/data/http/normalize.ts'

function http1(target: string, fields: readonly string[] = [], method = 'GET'): Normalized {
  const rawFields = ['Host', 'a.test', ...fields]
  return normalizeHttp1({ version: '1.1', method, target, rawFields }, 'http')
}

function http2(fields: readonly string[], endStream = true, method = 'GET'): Normalized {
  return normalizeHttp2(
    [':method', method, ':path', '/x', ':scheme', 'https', ...fields],
    endStream,
    'https',
  )
}

function head(normalized: Normalized) {
  if (!normalized.ok) assert.fail(`${normalized.reason}: ${normalized.detail}`)
  return normalized.head
}

function reason(normalized: Normalized): string {
  return normalized.ok ? 'accepted' : normalized.reason
}

describe('normalising HTTP/1.1', () => {
  it('splits the target and keeps its bytes', () => {
    const { path, query, target, authority } = head(http1('/%61%2cb?x=%61&y'))
    assert.deepEqual([path, query, target], ['/a%2Cb', 'x=%61&y', '/%61%2cb?x=%61&y'])
    assert.deepEqual(authority.host, { kind: 'name', name: 'a.test' })
  })

  it('takes the authority of an absolute target and drops Host', () => {
    const absolute = head(http1('http://B.test:81?q'))
    assert.equal(absolute.authority.text, 'B.test:81')
    assert.equal(absolute.authority.port, 81)
    assert.equal(absolute.target, '/?q')
    assert.equal(reason(http1('https://b.test/')), 'bad-request')
  })

  it('reads addresses as authorities of no name', () => {
    const rawFields = ['Host', '[::1]:80']
    const parsed = normalizeHttp1({ version: '1.1', method: 'GET', target: '/', rawFields }, 'http')
    assert.deepEqual(head(parsed).authority.host, { kind: 'address', address: '::1' })
    assert.equal(head(parsed).authority.hostText, '[::1]')
  })

  it('delimits a body by one exact length or the one token', () => {
    const body = (...fields: string[]) => head(http1('/', fields, 'POST')).body
    assert.deepEqual(body(), { kind: 'none' })
    assert.deepEqual(body('Content-Length', '0'), { kind: 'none' })
    assert.deepEqual(body('Content-Length', '12'), { kind: 'length', bytes: 12 })
    assert.deepEqual(body('Transfer-Encoding', 'Chunked'), { kind: 'stream' })
  })

  it('refuses methods, expectations and queries that are not ours to serve', () => {
    assert.equal(reason(http1('/', [], 'TRACE')), 'method-not-allowed')
    assert.equal(reason(http1('/', [], 'CONNECT')), 'method-not-allowed')
    assert.equal(reason(http1('/', ['Expect', 'x'], 'POST')), 'expectation-failed')
    assert.equal(reason(http1('/?a#b')), 'ambiguous-path')
    assert.equal(reason(http1('*', [], 'OPTIONS')), 'no-route')
    assert.equal(reason(http1('*')), 'ambiguous-path')
  })

  it('sees a WebSocket only where RFC 6455 does', () => {
    const asks = (method: string, ...fields: string[]) => head(http1('/', fields, method)).websocket
    const both = ['Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket']
    assert.equal(asks('GET', ...both), true)
    assert.equal(asks('POST', ...both), false)
    assert.equal(asks('GET', ...both, 'Content-Length', '1'), false)
    assert.equal(asks('GET', 'Upgrade', 'websocket'), false)
    assert.equal(asks('GET', 'Connection', 'Upgrade', 'Upgrade', 'h2c, websocket'), false)
  })
})

describe('normalising HTTP/2', () => {
  it('wants one authority', () => {
    assert.equal(head(http2([':authority', 'a.test'])).authority.text, 'a.test')
    assert.equal(head(http2(['host', 'a.test'])).authority.text, 'a.test')
    assert.equal(reason(http2([':authority', 'a.test', 'host', 'b.test'])), 'bad-request')
    assert.equal(reason(http2(['host', 'a.test', 'host', 'a.test'])), 'bad-request')
    assert.equal(reason(http2([])), 'bad-request')
  })

  it('wants the scheme of the connection', () => {
    const raw = [':method', 'GET', ':path', '/', ':scheme', 'https', ':authority', 'a.test']
    assert.equal(reason(normalizeHttp2(raw, true, 'http')), 'bad-request')
  })

  it('joins cookie crumbs and drops pseudo-fields', () => {
    const { fields } = head(http2([':authority', 'a', 'cookie', 'a=1', 'cookie', 'b=2']))
    assert.deepEqual(fields.toRaw(), ['cookie', 'a=1; b=2'])
  })

  it('refuses a length that the stream belies', () => {
    const withLength = (length: string, end: boolean) =>
      reason(http2([':authority', 'a', 'content-length', length], end, 'POST'))
    assert.equal(withLength('3', true), 'bad-request')
    assert.equal(withLength('0', true), 'accepted')
    assert.equal(withLength('3', false), 'accepted')
    assert.equal(withLength('0x3', false), 'bad-request')
  })
})
