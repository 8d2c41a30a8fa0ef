/**
 * Request smuggling (security.md section 2.4) against a strict origin that records bytes. For each
 * attack one of: (i) the origin's bytes, parsed strictly, are exactly the requests that gwproxy
 * logged as forwarded; (ii) an error, the connection closed and not a byte at the origin. Always
 * (iii): the next client gets its own answer.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { rawRequest } from '../support/raw-http.ts'
import { type RecordingOrigin, startRecordingOrigin } from '../support/recording-origin.ts'
import { startProxy, type TestProxy } from '../support/http-proxy.ts'

const HOST = 'Host: a.test\r\n'
const POST = `POST /one HTTP/1.1\r\n${HOST}`
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'

/** Refused, whole: an error, closed, nothing at the origin. */
const REFUSED: Readonly<Record<string, string>> = {
  'CL.TE': `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'TE.CL': `${POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n`,
  'two equal lengths': `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
  'two different lengths': `${POST}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde`,
  'list of lengths': `${POST}Content-Length: 3, 3\r\n\r\nabc`,
  'signed length': `${POST}Content-Length: +3\r\n\r\nabc`,
  'negative length': `${POST}Content-Length: -3\r\n\r\nabc`,
  'hexadecimal length': `${POST}Content-Length: 0x3\r\n\r\nabc`,
  'empty length': `${POST}Content-Length: \r\n\r\nabc`,
  'length with separator': `${POST}Content-Length: 1_0\r\n\r\n0123456789`,
  'length above 2^64': `${POST}Content-Length: 18446744073709551619\r\n\r\nabc`,
  'TE list': `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'TE identity': `${POST}Transfer-Encoding: identity\r\n\r\n${SMUGGLED}`,
  'TE unknown': `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  'TE parameter': `${POST}Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n`,
  'TE quoted': `${POST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
  'TE twice': `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'TE twice, one unknown': `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n`,
  'TE empty': `${POST}Transfer-Encoding:\r\n\r\n0\r\n\r\n`,
  'TE vertical tab': `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  'TE non-ASCII': `${POST}Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n`,
  'TE space before colon': `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  'TE folded': `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
  'TE look-alike': `${POST}Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'CL look-alike': `${POST}Content_Length: 3\r\n\r\nabc`,
  'TE in HTTP/1.0': `POST /one HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'chunk size 0x': `${POST}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n`,
  'trailer with a length': `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n`,
  'trailer with a coding': `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'two hosts': `GET / HTTP/1.1\r\n${HOST}Host: b.test\r\n\r\n`,
  'no host': 'GET / HTTP/1.1\r\nX: y\r\n\r\n',
  'no host in 1.0': 'GET / HTTP/1.0\r\n\r\n',
  'empty host': 'GET / HTTP/1.1\r\nHost:\r\n\r\n',
  'host list': 'GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n',
  'user in host': 'GET / HTTP/1.1\r\nHost: x@a.test\r\n\r\n',
  'port of host': 'GET / HTTP/1.1\r\nHost: a.test:80x\r\n\r\n',
  'port out of range': 'GET / HTTP/1.1\r\nHost: a.test:65536\r\n\r\n',
  'path in host': 'GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n',
  'HTTP/0.9': 'GET /\r\n\r\n',
  'HTTP/1.2': `GET / HTTP/1.2\r\n${HOST}\r\n`,
  'HTTP/3.0': `GET / HTTP/3.0\r\n${HOST}\r\n`,
  fragment: `GET /a#b HTTP/1.1\r\n${HOST}\r\n`,
  star: `GET * HTTP/1.1\r\n${HOST}\r\n`,
  'absolute with user': `GET http://x@a.test/ HTTP/1.1\r\n${HOST}\r\n`,
  'absolute with other scheme': `GET https://a.test/ HTTP/1.1\r\n${HOST}\r\n`,
  CONNECT: `CONNECT a.test:443 HTTP/1.1\r\n${HOST}\r\n`,
  'CONNECT, and a request behind it': `CONNECT a.test:443 HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
  'CONNECT with a length': `CONNECT a.test:443 HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello${SMUGGLED}`,
  'CONNECT with a coding': `CONNECT a.test:443 HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  TRACE: `TRACE / HTTP/1.1\r\n${HOST}\r\n`,
  'bare LF': `GET / HTTP/1.1\nHost: a.test\n\n`,
  'bare CR': `GET / HTTP/1.1\r\n${HOST}X: a\rb\r\n\r\n`,
  NUL: `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`,
  'leading space': `GET / HTTP/1.1\r\n ${HOST}\r\n`,
  'empty name': `GET / HTTP/1.1\r\n${HOST}: x\r\n\r\n`,
  'no colon': `GET / HTTP/1.1\r\n${HOST}nocolon\r\n\r\n`,
  'non-ASCII name': `GET / HTTP/1.1\r\n${HOST}X\xe9: y\r\n\r\n`,
  'unknown expectation': `${POST}Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc`,
  'obfuscated expectation': `${POST}Expect: 100-continue, x\r\nContent-Length: 3\r\n\r\nabc`,
  'encoded slash': `GET /a%2fb HTTP/1.1\r\n${HOST}\r\n`,
  'dot segments': `GET /a/../b HTTP/1.1\r\n${HOST}\r\n`,
}

/** Accepted: exactly these requests reach the origin, framed by gwproxy. */
const ACCEPTED: Readonly<Record<string, readonly [sent: string, seen: readonly string[]]>> = {
  'plain length': [`${POST}Content-Length: 3\r\n\r\nabc`, ['POST /one abc']],
  'chunked, in upper case': [
    `${POST}Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    ['POST /one abc'],
  ],
  'chunk extension': [
    `${POST}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n`,
    ['POST /one abc'],
  ],
  'body of GET': [`GET /one HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`, ['GET /one abc']],
  pipelined: [
    `${POST}Content-Length: 3\r\n\r\nabc${SMUGGLED}`,
    ['POST /one abc', 'GET /smuggled '],
  ],
  'CL.0': [
    `GET /one HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    [`GET /one ${SMUGGLED}`],
  ],
  'trailers, which are dropped': [
    `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nHost: b\r\nAuthorization: x\r\n\r\n`,
    ['POST /one abc'],
  ],
  'absolute form with another host': [
    `GET http://a.test/abs HTTP/1.1\r\nHost: evil.test\r\n\r\n`,
    ['GET /abs '],
  ],
  'h2c upgrade with a body': [
    `${POST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 3\r\n\r\nabc`,
    ['POST /one abc'],
  ],
  'websocket upgrade with a body': [
    `GET /one HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc`,
    ['GET /one abc'],
  ],
  'Connection nominates end-to-end fields': [
    `GET /one HTTP/1.1\r\n${HOST}Connection: close, Host, Authorization, X-Forwarded-For\r\nAuthorization: k\r\n\r\n`,
    ['GET /one '],
  ],
}

describe('request smuggling', () => {
  let origin: RecordingOrigin
  let proxy: TestProxy

  before(async () => {
    origin = await startRecordingOrigin()
    proxy = await startProxy({
      listeners: [{ hostname: 'a.test', rules: [{ ports: [origin.port] }] }],
    })
  })

  after(async () => {
    await proxy[Symbol.asyncDispose]()
    origin.close()
  })

  const nextClientIsServed = async () => {
    const text = await rawRequest(
      proxy.port,
      `GET /next HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    )
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
    assert.match(text, /answer to GET \/next /)
    assert.equal(origin.take().at(-1), 'GET /next ')
  }

  for (const [name, bytes] of Object.entries(REFUSED)) {
    it(`refuses ${name}`, async () => {
      origin.take()
      const text = await rawRequest(proxy.port, bytes)
      assert.match(text, /^HTTP\/1\.1 (?:400|405|417|431) .*Connection: close\r\n/is)
      assert.equal(text.match(/^HTTP\/1\.1 /gm)?.length, 1, 'one answer')
      assert.deepEqual(origin.take(), [])
      await nextClientIsServed()
    })
  }

  for (const [name, [bytes, seen]] of Object.entries(ACCEPTED)) {
    it(`forwards ${name} as what it is`, async () => {
      origin.take()
      const text = await rawRequest(proxy.port, bytes, seen.length)
      assert.equal(text.match(/^HTTP\/1\.1 200 /gm)?.length, seen.length)
      assert.deepEqual(origin.take(), seen)
      await nextClientIsServed()
    })
  }

  it('closes after a second request that cannot be read', async () => {
    origin.take()
    const text = await rawRequest(
      proxy.port,
      `GET /one HTTP/1.1\r\n${HOST}\r\nGET / BROKEN\r\n\r\n`,
    )
    assert.ok((text.match(/answer to/g)?.length ?? 0) <= 1)
    assert.ok(origin.take().every((seen) => seen === 'GET /one '))
    await nextClientIsServed()
  })
})
