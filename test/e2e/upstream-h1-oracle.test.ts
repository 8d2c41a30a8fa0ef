/**
 * The HTTP/1.1 client beside undici, on the same scripted upstreams: what both say must be the same,
 * but for the rows that name their difference.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  begin,
  clientOf,
  END,
  GET,
  PAUSE,
  RESET,
  type Result,
  type Step,
  scriptedPeer,
} from '../support/upstream-calls.ts'

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`

interface Row {
  readonly steps: readonly Step[]
  readonly method?: string
  /** What the own client says where undici is of another mind. */
  readonly own?: Partial<Result>
}

const ROWS: Readonly<Record<string, Row>> = {
  'a length': { steps: [`${OK}Content-Length: 5\r\nX: y\r\n\r\nhello`] },
  'a length of 0': { steps: [`${OK}Content-Length: 0\r\n\r\n`] },
  'a length in pieces': {
    steps: [OK, PAUSE, 'Content-Le', PAUSE, 'ngth: 5\r\n\r', PAUSE, '\nhel', PAUSE, 'lo'],
  },
  'repeated fields in their case and order': {
    steps: [`${OK}Set-Cookie: a\r\nset-cookie: b\r\nX: \xe9\r\nContent-Length: 0\r\n\r\n`],
  },
  'no reason phrase': { steps: ['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'] },
  'a status that nobody knows': { steps: ['HTTP/1.1 799 ?\r\nContent-Length: 0\r\n\r\n'] },
  'until the close': { steps: [`${OK}X: y\r\n\r\nhello`, PAUSE, ' world', PAUSE, END] },
  'until the close, HTTP/1.0': { steps: ['HTTP/1.0 200 OK\r\n\r\nhello', END] },
  'until a reset': { steps: [`${OK}X: y\r\n\r\nhello`, PAUSE, RESET] },
  chunks: { steps: [`${CHUNKED}5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n`] },
  'chunks in pieces': {
    steps: [CHUNKED, PAUSE, '5\r', PAUSE, '\nhe', PAUSE, 'llo\r\n0\r\n', PAUSE, '\r\n'],
  },
  trailers: { steps: [`${CHUNKED}5\r\nhello\r\n0\r\nA: b\r\na: c\r\n\r\n`] },
  'HEAD with a length': { steps: [`${OK}Content-Length: 5\r\n\r\n`], method: 'HEAD' },
  'HEAD with chunks': { steps: [CHUNKED], method: 'HEAD' },
  '204': { steps: ['HTTP/1.1 204 No Content\r\n\r\n'] },
  '304 with a length': { steps: ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'] },
  'hints before the answer': {
    steps: [
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n',
      PAUSE,
      `${OK}Content-Length: 2\r\n\r\nok`,
    ],
  },
  'a close after the answer': {
    steps: [`${OK}Connection: close\r\nContent-Length: 2\r\n\r\nok`, END],
  },
  'a close instead of an answer': { steps: [END] },
  'a reset instead of an answer': { steps: [RESET] },
  'a close in the head': { steps: [`${OK}Content-`, PAUSE, END] },
  'a short length': { steps: [`${OK}Content-Length: 5\r\n\r\nhel`, PAUSE, END] },
  'a reset in a body': { steps: [`${OK}Content-Length: 5\r\n\r\nhel`, PAUSE, RESET] },
  'a close between chunks': { steps: [`${CHUNKED}5\r\nhello\r\n`, PAUSE, END] },
  'a close before the last line': { steps: [`${CHUNKED}5\r\nhello\r\n0\r\n`, PAUSE, END] },
  'a reset between chunks': { steps: [`${CHUNKED}5\r\nhello\r\n`, PAUSE, RESET] },
  'another protocol': { steps: ['220 mail.test ESMTP ready\r\n'] },
  'a bare LF': { steps: ['HTTP/1.1 200 OK\nContent-Length: 0\n\n'] },
  'a bare CR': { steps: [`${OK}X: a\rb\r\n\r\n`] },
  'NUL in a value': { steps: [`${OK}X: a\0b\r\n\r\n`] },
  'a folded line': { steps: [`${OK}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`] },
  'a blank before the colon': { steps: [`${OK}Content-Length : 0\r\n\r\n`] },
  'a line without colon': { steps: [`${OK}nonsense\r\n\r\n`] },
  'a length and chunks': {
    steps: [`${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  },
  'two lengths': { steps: [`${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`] },
  'the same length twice': { steps: [`${OK}Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello`] },
  'a length with a sign': { steps: [`${OK}Content-Length: +5\r\n\r\nhello`] },
  'a length in words': { steps: [`${OK}Content-Length: five\r\n\r\nhello`] },
  'a list of lengths': { steps: [`${OK}Content-Length: 5, 5\r\n\r\nhello`] },
  'an empty length': { steps: [`${OK}Content-Length:\r\n\r\n`, END] },
  'a chunk size that is none': { steps: [`${CHUNKED}xyz\r\nhello\r\n`] },
  'a chunk size with a prefix': { steps: [`${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`] },
  'a chunk longer than its size': { steps: [`${CHUNKED}3\r\nhello\r\n0\r\n\r\n`] },
  'a chunk line with LF alone': { steps: [`${CHUNKED}5\nhello\r\n0\r\n\r\n`] },
  'a head without end': { steps: [`${OK}X: ${'x'.repeat(20_000)}`] },
  '101 that nobody asked for': {
    steps: ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  },
  // Where undici is laxer, or unable.
  '100 that nobody asked for': {
    steps: ['HTTP/1.1 100 Continue\r\n\r\n', PAUSE, `${OK}Content-Length: 2\r\n\r\nok`],
    own: { informations: [[100, []]], status: 200, body: 'ok', outcome: 'end' },
  },
  'another version': {
    steps: ['HTTP/2.0 200 OK\r\n\r\n', END],
    own: { outcome: 'upstream-protocol-error', body: '' },
  },
  'another coding below the chunks': {
    steps: [`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    own: { outcome: 'upstream-protocol-error', body: '' },
  },
  'another coding than chunks': {
    steps: [`${OK}Transfer-Encoding: gzip\r\n\r\nhello`, END],
    own: { outcome: 'upstream-protocol-error', body: '' },
  },
  'chunks of HTTP/1.0': {
    steps: ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    own: { outcome: 'upstream-protocol-error', body: '' },
  },
}

async function answer(kind: 'own' | 'undici', { steps, method = 'GET' }: Row): Promise<Result> {
  using peer = await scriptedPeer(steps)
  const client = clientOf(kind, peer.port)
  const result = await begin(client, { ...GET, method }).over
  client.close()
  return result
}

describe('HTTP/1.1 upstreams: the own client and undici', () => {
  for (const [name, row] of Object.entries(ROWS)) {
    it(name, async () => {
      const own = await answer('own', row)
      const oracle = await answer('undici', row)
      if (row.own !== undefined) {
        assert.partialDeepStrictEqual(own, row.own)
        assert.notEqual(own.outcome, oracle.outcome, 'undici is of the same mind')
        return
      }
      const { isWhole, ...said } = own
      // What undici never tells.
      const { isWhole: _never, ...expected } = oracle
      assert.deepEqual(said, expected)
      if (isWhole === true) assert.deepEqual([own.body, own.trailers], ['', []])
    })
  }
})
