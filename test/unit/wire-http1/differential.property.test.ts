/**
 * HTTP/1.1 messages under random damage, against llhttp: whatever we accept it accepts with the same
 * meaning. And under random segmentation: equal to the whole.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Direction, readByLlhttp, readMessage } from '../../support/http1-oracle.ts'

const MESSAGES: Readonly<Record<Direction, readonly string[]>> = {
  request: [
    'GET /path?query=1 HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n',
    '\r\nGET http://a.test:80/x HTTP/1.0\r\nHost:a.test\r\nX:\r\nY: \t z \t\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello',
    'PUT /u HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nT: x\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a.test\r\nConnection: close, x\r\n\r\n',
    'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n',
    // No content: what follows is of the tunnel that was asked for.
    'CONNECT a.test:443 HTTP/1.1\r\nContent-Length: 5\r\nHost: a.test:443\r\n\r\nhello',
    'CONNECT a.test:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a.test\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ],
  response: [
    'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n',
    'HTTP/1.0 404 Not  Found\r\nX: \xe9 \r\nSet-Cookie: a=b\r\nset-cookie: c\r\n\r\nuntil the close',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0A\r\n0123456789\r\n2;x="\\"y";z\r\nab\r\n000\r\nTrail: er\r\nMore: 1\r\n\r\n',
    'HTTP/1.1 304 \r\nContent-Length: 5\r\nETag: "x"\r\n\r\n',
  ],
}

const BYTES = [
  ...[0, 1, 9, 10, 11, 12, 13, 32, 34, 44, 58, 59, 61, 92, 127, 128, 255],
  ...Buffer.from('0123fFxXaAzZ+-*/#%@hH'),
]
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\r\n ',
  'Content-Length: 5\r\n',
  'Content-Length: 3, 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'transfer-encoding : chunked\r\n',
  'X:\r\n',
  ' ',
  '\t',
  ';',
  ';a',
  '"',
  '0\r\n\r\n',
]

interface Damage {
  readonly at: number
  readonly remove: number
  readonly insert: string
}

const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.nat(),
  remove: fc.nat(2),
  insert: fc.oneof(
    fc.constantFrom(...BYTES).map((byte) => String.fromCharCode(byte)),
    fc.constantFrom(...PIECES),
    fc.constant(''),
  ),
})

function damaged(text: string, damages: readonly Damage[]): Buffer {
  let result = text
  for (const { at, remove, insert } of damages) {
    const place = at % (result.length + 1)
    result = result.slice(0, place) + insert + result.slice(place + remove)
  }
  return Buffer.from(result, 'latin1')
}

function messages(direction: Direction, most: number): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.constantFrom(...MESSAGES[direction]), fc.array(damage, { maxLength: most }))
    .map(([text, damages]) => damaged(text, damages))
}

const DIRECTIONS: readonly Direction[] = ['request', 'response']

describe('HTTP/1.1 messages', () => {
  for (const direction of DIRECTIONS) {
    it(`a sound ${direction} is read, and by llhttp alike`, () => {
      for (const text of MESSAGES[direction]) {
        const bytes = Buffer.from(text, 'latin1')
        const message = readMessage(direction, bytes)
        assert.equal(message.kind, 'message', text)
        assert.deepEqual(message, readByLlhttp(direction, bytes), text)
      }
    })

    it(`no damaged ${direction} is accepted that llhttp refuses or reads in another way`, () => {
      let accepted = 0
      fc.assert(
        fc.property(messages(direction, 3), (bytes) => {
          const message = readMessage(direction, bytes)
          if (message.kind !== 'message') return
          accepted += 1
          assert.deepEqual(message, readByLlhttp(direction, bytes))
        }),
        { numRuns: 20_000 },
      )
      assert.ok(accepted > 1000, 'enough of them are still sound')
    })

    it(`any segmentation of a ${direction} gives what the whole gives`, () => {
      fc.assert(
        fc.property(
          messages(direction, 2),
          fc.array(fc.nat(), { maxLength: 20 }),
          (bytes, cuts) => {
            const ends = cuts.map((cut) => cut % (bytes.length + 1))
            assert.deepEqual(readMessage(direction, bytes, ends), readMessage(direction, bytes))
          },
        ),
        { numRuns: 5000 },
      )
    })
  }
})
