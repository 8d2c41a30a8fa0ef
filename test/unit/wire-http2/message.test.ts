/** Field sections of HTTP/2, each judged by us and by nghttp2; where we differ is said. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  requestProblem,
  responseProblem,
  trailersProblem,
} from '../../../src/wire/http2/message.ts'
import { judge, type Kind } from '../../support/http2-oracle.ts'

type Problem = (fields: readonly string[]) => string | undefined

/** undefined: it is taken; otherwise the reason. */
type Cases = Readonly<Record<string, readonly [fields: readonly string[], reason?: string]>>

const AUTHORITY = [':authority', 'a.test']
const START = [':method', 'GET', ':scheme', 'http', ':path', '/']
const GET = [...START, ...AUTHORITY]
const OK = [':status', '200']

function requestTo(path: string, method = 'GET', scheme = 'http'): string[] {
  return [':method', method, ':scheme', scheme, ':path', path, ...AUTHORITY]
}

const REQUESTS: Cases = {
  'a request': [GET],
  'host instead of an authority': [[...START, 'host', 'a.test']],
  'host beside the authority, another one': [[...GET, 'host', 'b.test']],
  'any order of pseudo-fields': [[...AUTHORITY, ':path', '/', ':scheme', 'http', ':method', 'GET']],
  'an empty value': [[...GET, 'x', '']],
  'tab and obs-text within a value': [[...GET, 'x', 'a\t\x80\xffb']],
  'every mark of a name': [[...GET, "!#$%&'*+-.^_`|~09az", 'x']],
  'TE: trailers': [[...GET, 'te', 'trailers']],
  'TE: Trailers': [[...GET, 'te', 'Trailers']],
  'a length': [[...GET, 'content-length', '999999999999999999']],
  'a length with zeros before': [[...GET, 'content-length', '007']],
  'a fragment in the path': [requestTo('/a#b')],
  'obs-text in the path': [requestTo('/\xe9')],
  'OPTIONS *': [requestTo('*', 'OPTIONS')],
  'a path of another scheme': [requestTo('x', 'GET', 'coap')],
  'a method that nobody knows': [requestTo('/', '!#$x')],
  'an authority with port': [[...START, ':authority', '[::1]:80']],
  CONNECT: [[':method', 'CONNECT', ':authority', 'a.test:443']],
  'http2-settings, which has no meaning left': [[...GET, 'http2-settings', 'x']],
  'cookies in crumbs': [[...GET, 'cookie', 'a', 'cookie', 'b']],

  'no method': [[':scheme', 'http', ':path', '/', ...AUTHORITY], 'pseudo-field is missing'],
  'no scheme': [[':method', 'GET', ':path', '/', ...AUTHORITY], 'pseudo-field is missing'],
  'no path': [[':method', 'GET', ':scheme', 'http', ...AUTHORITY], 'pseudo-field is missing'],
  nothing: [[], 'pseudo-field is missing'],
  'neither authority nor host': [START, 'neither :authority nor host'],
  'a method twice': [[':method', 'GET', ...GET], 'pseudo-field twice'],
  'a path twice': [[':path', '/', ...GET], 'pseudo-field twice'],
  'a scheme twice': [[':scheme', 'http', ...GET], 'pseudo-field twice'],
  'an authority twice': [[...GET, ...AUTHORITY], 'pseudo-field twice'],
  'a status': [[...GET, ...OK], 'pseudo-field of a response'],
  'an unknown pseudo-field': [[...GET, ':protocol', 'websocket'], 'unknown pseudo-field'],
  'a lone colon': [[...GET, ':', 'x'], 'unknown pseudo-field'],
  'a pseudo-field in capitals': [[...GET, ':Path', '/'], 'unknown pseudo-field'],
  'a pseudo-field behind others': [
    [...START, 'x', 'y', ...AUTHORITY],
    'pseudo-field behind others',
  ],
  'an empty method': [requestTo('/', ''), ':method'],
  'a blank in the method': [requestTo('/', 'G T'), ':method'],
  'an empty path': [requestTo(''), ':path'],
  'a blank in the path': [requestTo('/a b'), ':path'],
  'CR in the path': [requestTo('/a\r'), ':path'],
  'DEL in the path': [requestTo('/a\x7f'), ':path'],
  'a path without slash': [requestTo('x'), ':path'],
  'a path without slash, the scheme in capitals': [requestTo('x', 'GET', 'HTTPS'), ':path'],
  'a whole URL for path': [requestTo('http://a.test/'), ':path'],
  '* of another method': [requestTo('*'), ':path'],
  'an empty scheme': [requestTo('/', 'GET', ''), ':scheme'],
  'a scheme that begins with a digit': [requestTo('/', 'GET', '1a'), ':scheme'],
  'a scheme with a colon': [requestTo('/', 'GET', 'http:'), ':scheme'],
  'an empty authority': [[...START, ':authority', ''], ':authority'],
  'an authority with a user': [[...START, ':authority', 'u@a.test'], ':authority'],
  'an authority with a blank': [[...START, ':authority', 'a b'], ':authority'],
  'an authority with a slash': [[...START, ':authority', 'a/b'], ':authority'],
  'an empty host': [[...GET, 'host', ''], 'host'],
  'two hosts': [[...GET, 'host', 'a.test', 'host', 'a.test'], 'host'],
  'CONNECT with a path': [requestTo('/', 'CONNECT'), 'pseudo-fields of CONNECT'],
  'CONNECT without authority': [[':method', 'CONNECT', 'host', 'a'], 'pseudo-fields of CONNECT'],
  'CONNECT with a scheme': [
    [':method', 'CONNECT', ':scheme', 'http', ...AUTHORITY],
    'pseudo-fields of CONNECT',
  ],
  connection: [[...GET, 'connection', 'close'], 'connection-specific field'],
  'keep-alive': [[...GET, 'keep-alive', ''], 'connection-specific field'],
  'proxy-connection': [[...GET, 'proxy-connection', 'close'], 'connection-specific field'],
  'transfer-encoding': [[...GET, 'transfer-encoding', 'chunked'], 'connection-specific field'],
  upgrade: [[...GET, 'upgrade', 'h2c'], 'connection-specific field'],
  'TE of more': [[...GET, 'te', 'trailers, gzip'], 'te'],
  'TE of nothing': [[...GET, 'te', ''], 'te'],
  'an empty length': [[...GET, 'content-length', ''], 'content-length'],
  'a signed length': [[...GET, 'content-length', '+1'], 'content-length'],
  'a list of lengths': [[...GET, 'content-length', '1, 1'], 'content-length'],
  'two lengths': [[...GET, 'content-length', '1', 'content-length', '1'], 'content-length'],
  'a length above 2^63': [[...GET, 'content-length', '9223372036854775808'], 'content-length'],
  'a capital in a name': [[...GET, 'X-a', 'b'], 'field name'],
  'a capital at the end of a name': [[...GET, 'x-A', 'b'], 'field name'],
}

/** nghttp2 drops these fields and goes on. */
const DROPPED_OF_REQUESTS: Cases = {
  'a host with a user': [[...GET, 'host', 'u@a.test'], 'host'],
  'an empty name': [[...GET, '', 'x'], 'field name'],
  'a blank in a name': [[...GET, 'a b', 'x'], 'field name'],
  'a colon in a name': [[...GET, 'a:b', 'x'], 'field name'],
  'NUL in a name': [[...GET, 'a\0', 'x'], 'field name'],
  'obs-text in a name': [[...GET, '\xe9', 'x'], 'field name'],
  'NUL in a value': [[...GET, 'x', 'a\0b'], 'field value'],
  'CR in a value': [[...GET, 'x', 'a\rb'], 'field value'],
  'LF in a value': [[...GET, 'x', 'a\nb'], 'field value'],
  'DEL in a value': [[...GET, 'x', 'a\x7fb'], 'field value'],
  'a blank before a value': [[...GET, 'x', ' a'], 'field value'],
  'a blank behind a value': [[...GET, 'x', 'a '], 'field value'],
  'a tab before a value': [[...GET, 'x', '\ta'], 'field value'],
  'a tab behind a value': [[...GET, 'x', 'a\t'], 'field value'],
  'nothing but a blank': [[...GET, 'x', ' '], 'field value'],
}

/** nghttp2 takes these. */
const STRICTER_OF_REQUESTS: Cases = {
  'a length of 19 digits': [[...GET, 'content-length', '9223372036854775807'], 'content-length'],
}

const RESPONSES: Cases = {
  'a response': [OK],
  'an interim one': [[':status', '103', 'link', '</a>']],
  'a status that nobody knows': [[':status', '999']],
  'a length with 304': [[':status', '304', 'content-length', '5']],
  'hosts, which mean nothing': [[...OK, 'host', '', 'host', 'a b']],
  'TE: trailers': [[...OK, 'te', 'trailers']],
  'no status': [['x', 'y'], 'pseudo-field is missing'],
  nothing: [[], 'pseudo-field is missing'],
  'two of status': [[...OK, ...OK], 'pseudo-field twice'],
  'a status behind others': [['x', 'y', ...OK], 'pseudo-field behind others'],
  'a path': [[...OK, ':path', '/'], 'pseudo-field of a request'],
  'an unknown pseudo-field': [[...OK, ':x', 'y'], 'unknown pseudo-field'],
  'a status of two digits': [[':status', '20'], ':status'],
  'a status of four digits': [[':status', '2000'], ':status'],
  'a status below 100': [[':status', '099'], ':status'],
  'a status that is no number': [[':status', '2x0'], ':status'],
  'an empty status': [[':status', ''], ':status'],
  '101': [[':status', '101'], ':status'],
  'a length with 204': [[':status', '204', 'content-length', '5'], 'content-length'],
  'a length with 100': [[':status', '100', 'content-length', '0'], 'content-length'],
  'two lengths': [[...OK, 'content-length', '1', 'content-length', '1'], 'content-length'],
  'a length that is none': [[...OK, 'content-length', '-1'], 'content-length'],
  connection: [[...OK, 'connection', 'close'], 'connection-specific field'],
  'transfer-encoding': [[...OK, 'transfer-encoding', 'chunked'], 'connection-specific field'],
  'TE of more': [[...OK, 'te', 'gzip'], 'te'],
  'a capital in a name': [[...OK, 'X', 'y'], 'field name'],
}

const DROPPED_OF_RESPONSES: Cases = {
  'a blank in a name': [[...OK, 'a b', 'x'], 'field name'],
  'LF in a value': [[...OK, 'x', 'a\n'], 'field value'],
  'a blank behind a value': [[...OK, 'x', 'a '], 'field value'],
  // Taken by us: it means nothing.
  'a length of 0 with 204': [[':status', '204', 'content-length', '0']],
}

const TRAILERS: Cases = {
  trailers: [['grpc-status', '0', 'grpc-message', '']],
  nothing: [[]],
  // It goes on nowhere.
  host: [['host', 'a']],
  'a pseudo-field of requests': [[':path', '/'], 'pseudo-field in trailers'],
  'a pseudo-field of responses': [[':status', '200'], 'pseudo-field in trailers'],
  'an unknown pseudo-field': [[':x', '/'], 'unknown pseudo-field'],
  'transfer-encoding': [['transfer-encoding', 'chunked'], 'connection-specific field'],
  'TE of more': [['te', 'gzip'], 'te'],
  'a length': [['content-length', '5'], 'field in trailers'],
  'a capital in a name': [['X', 'y'], 'field name'],
}

const DROPPED_OF_TRAILERS: Cases = {
  'LF in a value': [['x', 'a\n'], 'field value'],
  'a blank behind a value': [['x', 'a '], 'field value'],
  'a blank in a name': [['a b', 'x'], 'field name'],
}

const STRICTER_OF_TRAILERS: Cases = {
  'a length of 0': [['content-length', '0'], 'field in trailers'],
}

describe('HTTP/2 messages', () => {
  compare('request', requestProblem, REQUESTS, DROPPED_OF_REQUESTS, STRICTER_OF_REQUESTS)
  compare('response', responseProblem, RESPONSES, DROPPED_OF_RESPONSES, {})
  for (const kind of ['request-trailers', 'response-trailers'] as const) {
    compare(kind, trailersProblem, TRAILERS, DROPPED_OF_TRAILERS, STRICTER_OF_TRAILERS)
  }

  it('names that strangers make up push out none that is known', () => {
    for (let i = 0; i < 5000; i++) {
      assert.equal(requestProblem([...GET, `x-${i}`, 'y']), undefined)
      assert.equal(requestProblem([...GET, `X-${i}`, 'y']), 'field name')
    }
    assert.equal(requestProblem([...GET, 'upgrade', 'h2c']), 'connection-specific field')
    assert.equal(trailersProblem(['content-length', '5']), 'field in trailers')
    assert.equal(requestProblem([...GET, 'n'.repeat(5000), 'y']), undefined)
    assert.equal(requestProblem([...GET, 'N'.repeat(5000), 'y']), 'field name')
  })
})

function compare(
  kind: Kind,
  problem: Problem,
  agreed: Cases,
  dropped: Cases,
  stricter: Cases,
): void {
  for (const [name, [fields, reason]] of Object.entries({ ...agreed, ...dropped, ...stricter })) {
    it(`${kind}: ${reason === undefined ? 'takes' : 'refuses'} ${name}`, () => {
      assert.equal(problem(fields), reason)
      // Known names are judged in another way.
      assert.equal(problem(fields), reason)
    })
  }

  it(`${kind}: nghttp2 says the same, or drops a field, or takes it`, async () => {
    const of = (cases: Cases) => Object.values(cases).map(([fields]) => fields)
    for (const [at, verdict] of (await judge(kind, of(agreed))).entries()) {
      const [name, [fields, reason]] = Object.entries(agreed)[at] ?? assert.fail()
      assert.deepEqual(verdict, reason === undefined ? fields : undefined, name)
    }
    for (const [at, verdict] of (await judge(kind, of(dropped))).entries()) {
      const fields = Object.values(dropped)[at]?.[0] ?? assert.fail()
      assert.deepEqual(verdict, fields.slice(0, -2))
    }
    assert.deepEqual(await judge(kind, of(stricter)), of(stricter))
  })
}
