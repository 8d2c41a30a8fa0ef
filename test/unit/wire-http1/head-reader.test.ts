/** HTTP/1.1 heads: what is read, what is refused, and how little a slow peer can make of the reader. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeadReader } from '../../../src/wire/http1/head-reader.ts'
import { LIMITS, readByLlhttp, readMessage } from '../../support/http1-oracle.ts'

function read(kind: 'request' | 'response', text: string, limits = LIMITS) {
  const reader = new HeadReader(kind, limits)
  return { verdict: reader.read(Buffer.from(text, 'latin1'), 0), reader }
}

describe('HTTP/1.1 heads', () => {
  it('a request', () => {
    const head = 'GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-One:  1 \r\nx-one:\r\n\r\n'
    const { verdict, reader } = read('request', `${head}rest`)
    assert.equal(verdict, 'complete')
    assert.deepEqual(
      [reader.method, reader.target, reader.minorVersion, reader.end, reader.length],
      ['GET', '/a?b', 1, head.length, head.length],
    )
    assert.deepEqual(reader.fields, ['Host', 'a.test', 'X-One', '1', 'x-one', ''])
  })

  it('responses one after the other, from any offset', () => {
    const reader = new HeadReader('response', LIMITS)
    const first = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'
    const bytes = Buffer.from(`${first}HTTP/1.0 200\r\nX: \xe9\r\n\r\nbody`, 'latin1')
    assert.equal(reader.read(bytes, 0), 'complete')
    assert.deepEqual([reader.status, reader.minorVersion, reader.end], [103, 1, first.length])
    assert.equal(reader.isAtStart, true)
    assert.equal(reader.read(bytes, reader.end), 'complete')
    assert.deepEqual([reader.status, reader.minorVersion], [200, 0])
    assert.deepEqual(reader.fields, ['X', '\xe9'])
    assert.equal(bytes.toString('latin1', reader.end), 'body')
  })

  it('few fields after many, and many after few', () => {
    const reader = new HeadReader('request', LIMITS)
    for (const count of [40, 1, 3, 0, 33, 2]) {
      const lines = Array.from({ length: count }, (_, i) => `X-${count}-${i}: ${i}\r\n`).join('')
      const head = Buffer.from(`GET / HTTP/1.1\r\n${lines}\r\n`)
      assert.equal(reader.read(head, 0), 'complete')
      assert.equal(reader.fields.length, 2 * count)
      assert.deepEqual(
        reader.fields.slice(-2),
        count === 0 ? [] : [`X-${count}-${count - 1}`, `${count - 1}`],
      )
    }
  })

  it('a head in segments of one byte, what follows it untouched', () => {
    const reader = new HeadReader('request', LIMITS)
    const head = Buffer.from('\r\nPOST / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n')
    for (const byte of head.subarray(0, -1)) {
      assert.equal(reader.read(Buffer.from([byte]), 0), 'more')
      assert.equal(reader.isAtStart, false)
    }
    assert.equal(reader.read(Buffer.from('..\nbody'), 2), 'complete')
    assert.deepEqual([reader.method, reader.end, reader.length], ['POST', 3, head.length])
    assert.deepEqual(reader.fields, ['Host', 'a', 'X', 'y'])
  })

  const refusedRequests: Readonly<Record<string, string>> = {
    'a bare LF': 'GET / HTTP/1.1\nHost: a\r\n\r\n',
    'a bare LF between fields': 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n',
    'a bare CR in a value': 'GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n',
    'a bare LF as the empty line': 'GET / HTTP/1.1\r\nHost: a\r\n\n',
    'a folded line': 'GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n',
    'a blank before the first field': 'GET / HTTP/1.1\r\n Host: a\r\n\r\n',
    'a blank before the colon': 'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
    'an empty name': 'GET / HTTP/1.1\r\n: a\r\n\r\n',
    'a line without colon': 'GET / HTTP/1.1\r\nHost\r\n\r\n',
    'NUL in a value': 'GET / HTTP/1.1\r\nHost: a\0\r\n\r\n',
    'DEL in a value': 'GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n',
    'a name outside ASCII': 'GET / HTTP/1.1\r\nH\xf6st: a\r\n\r\n',
    'HTTP/0.9': 'GET /\r\n\r\n',
    'HTTP/1.2': 'GET / HTTP/1.2\r\nHost: a\r\n\r\n',
    'HTTP/2.0': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'more after the version': 'GET / HTTP/1.11\r\nHost: a\r\n\r\n',
    'a lower-case method': 'get / HTTP/1.1\r\nHost: a\r\n\r\n',
    'an unknown method': 'GETS / HTTP/1.1\r\nHost: a\r\n\r\n',
    'two spaces': 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n',
    'a tab for a space': 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n',
    'a space in the target': 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n',
    'a target outside ASCII': 'GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n',
    'a target without slash': 'GET a HTTP/1.1\r\nHost: a\r\n\r\n',
    'two empty lines before': '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'a tab beside a length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\t\r\n\r\nx',
    'a tab beside a coding':
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n',
  }
  for (const [name, text] of Object.entries(refusedRequests)) {
    it(`refuses ${name}`, () => {
      const { verdict, reader } = read('request', text)
      assert.equal(verdict, 'malformed')
      assert.match(reader.detail, /^[\w ]+$/)
    })
  }

  const refusedAnswers: Readonly<Record<string, string>> = {
    'another protocol, before its line ends': '220 mail.test',
    'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
    'a status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
    'a status below 100': 'HTTP/1.1 099 No\r\n\r\n',
    'a control in the reason': 'HTTP/1.1 200 O\x01K\r\n\r\n',
    'HTTP/2': 'HTTP/2 200\r\n\r\n',
    ICY: 'ICY 200 OK\r\n\r\n',
    'a bare LF': 'HTTP/1.1 200 OK\n\n',
    'a folded line': 'HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n',
    'an empty line before': '\r\nHTTP/1.1 200 OK\r\n\r\n',
  }
  for (const [name, text] of Object.entries(refusedAnswers)) {
    it(`refuses a response with ${name}`, () => {
      assert.equal(read('response', text).verdict, 'malformed')
    })
  }

  it('counts bytes and fields, whole or in segments', () => {
    const head = 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n'
    const fits = { maxBytes: head.length, maxFields: 2 }
    for (const step of [1, 7, head.length]) {
      const feed = (limits: typeof LIMITS) => {
        const reader = new HeadReader('request', limits)
        for (let at = 0; at < head.length; at += step) {
          const verdict = reader.read(Buffer.from(head.slice(at, at + step)), 0)
          if (verdict !== 'more') return verdict
        }
        return 'more'
      }
      assert.equal(feed(fits), 'complete')
      assert.equal(feed({ ...fits, maxBytes: head.length - 1 }), 'too-large')
      assert.equal(feed({ ...fits, maxFields: 1 }), 'too-large')
    }
  })

  it('a head that never ends is too large, and every byte is looked at once', () => {
    const reader = new HeadReader('request', { maxBytes: 65_536, maxFields: 256 })
    reader.read(Buffer.from('GET / HTTP/1.1\r\nX: '), 0)
    const byte = Buffer.from('x')
    const before = process.cpuUsage().user
    let verdict = 'more'
    let bytes = 0
    for (; verdict === 'more' && bytes < 100_000; bytes += 1) verdict = reader.read(byte, 0)
    assert.equal(verdict, 'too-large')
    assert.ok(bytes < 65_536)
    // Looking at all of them each time would be 2 * 10^9 looks.
    assert.ok(process.cpuUsage().user - before < 500_000)
  })

  it('what llhttp refuses among these we refuse', () => {
    for (const text of Object.values(refusedRequests)) {
      const bytes = Buffer.from(text, 'latin1')
      if (readByLlhttp('request', bytes) === undefined) {
        assert.notEqual(readMessage('request', bytes).kind, 'message', text)
      }
    }
  })
})
