/**
 * The HTTP/2 client beside node:http2, on the same scripted upstreams: what both say must be the same,
 * but for the rows that name their difference.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  indexed,
  literal,
  setting,
  uint32,
} from '../support/h2-frames.ts'
import {
  data,
  goaway,
  H2_END,
  H2_PAUSE,
  H2_RESET,
  type H2Script,
  h2Peer,
  head,
  reset,
  whole,
  windowUpdate,
} from '../support/h2-peer.ts'
import { begin, clientOf, GET, type Result } from '../support/upstream-calls.ts'

const OK = { ':status': '200' }
const PADDED = 8
const PRIORITY = 32
const NOTHING = Buffer.alloc(0)

interface Row {
  readonly script: H2Script
  readonly method?: string
  /** What the own client says where nghttp2 is of another mind. */
  readonly own?: Partial<Result>
  /** node:http2 takes it for whole. */
  readonly isTaken?: true
}

const BROKEN = { outcome: 'upstream-protocol-error' }

const headers = (stream: number, flags: number, ...block: readonly Buffer[]) =>
  frame(FRAME.headers, flags, stream, Buffer.concat(block))

const ROWS: Readonly<Record<string, Row>> = {
  'a head and a body': { script: (id) => [whole(id, 'hello')] },
  'a head alone': { script: (id) => [head(id, OK, END_STREAM)] },
  'a head, and an empty end': { script: (id) => [head(id, OK), data(id, '', END_STREAM)] },
  'a head, and an end that comes apart': {
    script: (id) => [head(id, OK), H2_PAUSE, data(id, 'a'), H2_PAUSE, data(id, '', END_STREAM)],
  },
  'octets one by one': {
    script: (id) => {
      const bytes = Buffer.concat([head(id, { ...OK, x: 'y' }), data(id, 'hello', END_STREAM)])
      return [...bytes].flatMap((octet) => [Buffer.from([octet]), H2_PAUSE])
    },
  },
  'fields repeated, in their order': {
    script: (id) => [
      headers(
        id,
        END_HEADERS | END_STREAM,
        literal(':status', '200'),
        literal('set-cookie', 'a'),
        literal('x', '\xe9'),
        literal('set-cookie', 'b'),
      ),
    ],
  },
  'fields of the table': {
    script: (id) => [
      headers(id, END_HEADERS, Buffer.from([0x88]), indexed('x', 'y')),
      data(id, 'a'),
      headers(id, END_HEADERS | END_STREAM, Buffer.from([0xbe])),
    ],
  },
  trailers: {
    script: (id) => [head(id, OK), data(id, 'a'), head(id, { 'x-sum': 'b' }, END_STREAM)],
  },
  'trailers without a body': {
    script: (id) => [head(id, OK), head(id, { 'x-sum': 'b' }, END_STREAM)],
  },
  'hints before the answer': {
    script: (id) => [
      head(id, { ':status': '103', link: '</a>' }),
      head(id, { ':status': '100' }),
      whole(id, 'a'),
    ],
  },
  'a block in pieces': {
    script: (id) => [
      headers(id, 0, literal(':status', '200')),
      frame(FRAME.continuation, 0, id, NOTHING),
      frame(FRAME.continuation, END_HEADERS, id, literal('x', 'y')),
      data(id, 'a', END_STREAM),
    ],
  },
  padding: {
    script: (id) => [
      headers(
        id,
        END_HEADERS | PADDED,
        Buffer.from([3]),
        literal(':status', '200'),
        Buffer.alloc(3),
      ),
      data(id, Buffer.concat([Buffer.from([2]), Buffer.from('hi'), Buffer.alloc(2)]), PADDED),
      data(id, Buffer.from([0]), PADDED | END_STREAM),
    ],
  },
  'a priority': {
    script: (id) => [
      headers(id, END_HEADERS | PRIORITY, uint32(0), Buffer.from([9]), literal(':status', '200')),
      frame(FRAME.priority, 0, id, Buffer.alloc(5, 2)),
      data(id, 'a', END_STREAM),
    ],
  },
  'frames of no known type': {
    script: (id) => [
      frame(0xbe, 0xff, id, Buffer.from('x')),
      frame(0xee, 0, 0, NOTHING),
      whole(id, 'a'),
    ],
  },
  'settings, pings and windows between': {
    script: (id) => [
      head(id, OK),
      setting(4, 0),
      frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
      setting(1, 0),
      windowUpdate(0, 1000),
      windowUpdate(id, 1000),
      data(id, 'a', END_STREAM),
    ],
  },
  'HEAD with a length': {
    script: (id) => [head(id, { ...OK, 'content-length': '5' }, END_STREAM)],
    method: 'HEAD',
  },
  '304 with a length': {
    script: (id) => [head(id, { ':status': '304', 'content-length': '5' }, END_STREAM)],
  },
  '204': { script: (id) => [head(id, { ':status': '204' }, END_STREAM)] },
  'a length': {
    script: (id) => [head(id, { ...OK, 'content-length': '5' }), data(id, 'hello', END_STREAM)],
  },
  'a length of 0': { script: (id) => [head(id, { ...OK, 'content-length': '0' }, END_STREAM)] },
  'a status that nobody knows': { script: (id) => [head(id, { ':status': '799' }, END_STREAM)] },
  'an end of the connection after the answer': {
    script: (id) => [whole(id, 'a'), H2_END],
  },
  'a reset before the head': { script: (id) => [reset(id, 2)] },
  'a refusal': { script: (id) => [reset(id, 7)] },
  'a refusal after the head': {
    script: (id) => [head(id, OK), H2_PAUSE, reset(id, 7)],
    own: { status: 200, outcome: 'upstream-reset', unsent: false },
  },
  'a refusal after a hint': {
    script: (id) => [head(id, { ':status': '103' }), H2_PAUSE, reset(id, 7)],
    own: { outcome: 'upstream-reset', unsent: false },
  },
  'a cancel before the head': { script: (id) => [reset(id, 8)] },
  'no error before the head': { script: (id) => [reset(id, 0)] },
  'a reset in the body': { script: (id) => [head(id, OK), data(id, 'a'), H2_PAUSE, reset(id, 2)] },
  'a cancel in the body': { script: (id) => [head(id, OK), data(id, 'a'), H2_PAUSE, reset(id, 8)] },
  'no error in the body': { script: (id) => [head(id, OK), data(id, 'a'), H2_PAUSE, reset(id, 0)] },
  'no error after the answer': { script: (id) => [whole(id, 'a'), reset(id, 0)] },
  'an end of the connection before the head': { script: () => [H2_END] },
  'an end of the connection in the body': {
    script: (id) => [head(id, OK), data(id, 'a'), H2_PAUSE, H2_END],
  },
  'a reset of the connection in the body': {
    script: (id) => [head(id, OK), data(id, 'a'), H2_PAUSE, H2_RESET],
  },
  'a reset of the connection before the head': { script: () => [H2_RESET] },
  'a part of a frame': {
    script: (id) => [head(id, OK), data(id, 'hello', END_STREAM).subarray(0, 11), H2_PAUSE, H2_END],
  },

  // What is no answer.
  'no status': { script: (id) => [head(id, { x: 'y' }, END_STREAM)], own: BROKEN },
  'a status of letters': {
    script: (id) => [head(id, { ':status': 'abc' }, END_STREAM)],
    own: BROKEN,
  },
  'a status of four digits': {
    script: (id) => [head(id, { ':status': '2000' }, END_STREAM)],
    own: BROKEN,
  },
  'two statuses': {
    script: (id) => [
      headers(id, END_HEADERS | END_STREAM, literal(':status', '200'), literal(':status', '200')),
    ],
    own: BROKEN,
  },
  'a status behind a field': {
    script: (id) => [
      headers(id, END_HEADERS | END_STREAM, literal('x', 'y'), literal(':status', '200')),
    ],
    own: BROKEN,
  },
  'a pseudo-field of requests': {
    script: (id) => [head(id, { ...OK, ':path': '/' }, END_STREAM)],
    own: BROKEN,
  },
  'a status in trailers': {
    script: (id) => [head(id, OK), head(id, { ':status': '200' }, END_STREAM)],
    own: { ...BROKEN, status: 200 },
  },
  'a name in upper case': {
    script: (id) => [head(id, { ...OK, X: 'y' }, END_STREAM)],
    own: BROKEN,
  },
  // nghttp2 leaves such fields out.
  'an empty name': {
    script: (id) => [head(id, { ...OK, '': 'y' }, END_STREAM)],
    own: BROKEN,
    isTaken: true,
  },
  'a line end in a value': {
    script: (id) => [head(id, { ...OK, x: 'y\r\nz: a' }, END_STREAM)],
    own: BROKEN,
    isTaken: true,
  },
  'a field of the connection': {
    script: (id) => [head(id, { ...OK, connection: 'close' }, END_STREAM)],
    own: BROKEN,
  },
  'a transfer coding': {
    script: (id) => [head(id, { ...OK, 'transfer-encoding': 'chunked' }, END_STREAM)],
    own: BROKEN,
  },
  '101': { script: (id) => [head(id, { ':status': '101' }), whole(id, 'a')], own: BROKEN },
  'a hint that ends the stream': {
    script: (id) => [head(id, { ':status': '103' }, END_STREAM)],
    own: BROKEN,
  },
  'trailers that do not end the stream': {
    script: (id) => [head(id, OK), head(id, { x: 'y' }), data(id, 'a', END_STREAM)],
    own: { ...BROKEN, status: 200 },
  },
  'a second head': {
    script: (id) => [head(id, OK), head(id, OK), data(id, 'a', END_STREAM)],
    own: { ...BROKEN, status: 200 },
  },
  'a body without a head': { script: (id) => [data(id, 'a', END_STREAM)], own: BROKEN },
  'a body between hint and head': {
    script: (id) => [head(id, { ':status': '103' }), data(id, 'a'), whole(id, 'a')],
    own: BROKEN,
  },
  'less than its length': {
    script: (id) => [head(id, { ...OK, 'content-length': '5' }), data(id, 'hell', END_STREAM)],
    own: { ...BROKEN, status: 200 },
  },
  'more than its length': {
    script: (id) => [
      head(id, { ...OK, 'content-length': '5' }),
      data(id, 'hello!'),
      data(id, '', END_STREAM),
    ],
    own: { ...BROKEN, status: 200 },
  },
  'a length and no body': {
    script: (id) => [head(id, { ...OK, 'content-length': '5' }, END_STREAM)],
    own: BROKEN,
  },
  'less than its length before trailers': {
    script: (id) => [
      head(id, { ...OK, 'content-length': '5' }),
      data(id, 'hell'),
      head(id, { x: 'y' }, END_STREAM),
    ],
    own: { ...BROKEN, status: 200 },
  },
  'a body for HEAD': {
    script: (id) => [head(id, OK), data(id, 'a', END_STREAM)],
    method: 'HEAD',
    own: { ...BROKEN, status: 200 },
  },
  'a body of 204': {
    script: (id) => [head(id, { ':status': '204' }), data(id, 'a', END_STREAM)],
    own: { ...BROKEN, status: 204 },
  },
  'two lengths': {
    script: (id) => [
      headers(
        id,
        END_HEADERS,
        literal(':status', '200'),
        literal('content-length', '1'),
        literal('content-length', '2'),
      ),
      data(id, 'a', END_STREAM),
    ],
    own: BROKEN,
  },
  'a length with a sign': {
    script: (id) => [head(id, { ...OK, 'content-length': '+1' }), data(id, 'a', END_STREAM)],
    own: BROKEN,
  },
  'a head larger than is allowed': {
    script: (id) => [
      headers(id, 0, literal(':status', '200')),
      ...Array.from({ length: 3 }, () =>
        frame(FRAME.continuation, 0, id, literal('x', 'y'.repeat(8000))),
      ),
      frame(FRAME.continuation, END_HEADERS, id, NOTHING),
      data(id, 'a', END_STREAM),
    ],
    own: BROKEN,
    isTaken: true,
  },
  'trailers larger than are allowed': {
    script: (id) => [
      head(id, OK),
      headers(id, END_STREAM, literal('x', 'y'.repeat(15_000))),
      frame(FRAME.continuation, END_HEADERS, id, literal('x', 'y'.repeat(15_000))),
    ],
    own: { ...BROKEN, status: 200 },
    isTaken: true,
  },

  // What breaks the connection.
  'a push': {
    script: (id) => [
      frame(
        FRAME.pushPromise,
        END_HEADERS,
        id,
        Buffer.concat([uint32(2), literal(':method', 'GET')]),
      ),
      whole(id, 'a'),
    ],
    own: BROKEN,
  },
  'a frame too large': {
    script: (id) => [head(id, OK), data(id, Buffer.alloc(16_385), END_STREAM)],
    own: { ...BROKEN, status: 200 },
  },
  'a head on an idle stream': { script: () => [head(99, OK)], own: BROKEN },
  'a body on an idle stream': { script: () => [data(99, 'a')], own: BROKEN },
  'a reset of an idle stream': { script: () => [reset(99, 0)], own: BROKEN },
  'a window of an idle stream': { script: () => [windowUpdate(99, 1)], own: BROKEN },
  'a head on a stream of the server': { script: () => [head(2, OK)], own: BROKEN },
  'a body of stream 0': { script: () => [data(0, 'a')], own: BROKEN },
  'settings of a stream': {
    script: (id) => [frame(FRAME.settings, 0, id, NOTHING)],
    own: BROKEN,
  },
  'an index that is not there': {
    script: (id) => [headers(id, END_HEADERS | END_STREAM, Buffer.from([0x88, 0xff, 0x20]))],
    own: BROKEN,
  },
  'a table larger than is allowed': {
    script: (id) => [headers(id, END_HEADERS | END_STREAM, Buffer.from([0x3f, 0xe2, 0x1f, 0x88]))],
    own: BROKEN,
  },
  'a frame in the middle of a block': {
    script: (id) => [headers(id, 0, literal(':status', '200')), data(id, 'a')],
    own: BROKEN,
  },
  'a continuation of nothing': {
    script: (id) => [frame(FRAME.continuation, END_HEADERS, id, literal('x', 'y'))],
    own: BROKEN,
  },
  'padding longer than its frame': {
    script: (id) => [head(id, OK), data(id, Buffer.from([9, 1]), PADDED)],
    own: { ...BROKEN, status: 200 },
  },
  'a window of the connection that overflows': {
    script: () => [windowUpdate(0, 2 ** 31 - 1)],
    own: BROKEN,
  },
  'a window of the stream that overflows': {
    script: (id) => [windowUpdate(id, 2 ** 31 - 1)],
    own: BROKEN,
  },
  'a window of the connection by 0': { script: () => [windowUpdate(0, 0)], own: BROKEN },
  'a window of the stream by 0': { script: (id) => [windowUpdate(id, 0)], own: BROKEN },
  'an initial window too large': { script: () => [setting(4, 2 ** 31)], own: BROKEN },
  'a frame size too small': { script: () => [setting(5, 16_383)], own: BROKEN },
  'push of a server': { script: () => [setting(2, 1)], own: BROKEN },
  'settings of an odd length': {
    script: () => [frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
    own: BROKEN,
  },
  'GOAWAY with an error': { script: (id) => [goaway(id, 1)] },
  'GOAWAY below the stream': {
    script: () => [goaway(0, 0)],
    own: { outcome: 'connect-refused', unsent: true },
  },
  'GOAWAY with an error, below the stream': {
    script: () => [goaway(0, 11)],
    own: { outcome: 'connect-refused', unsent: true },
  },
}

async function answer(
  kind: 'own h2' | 'nghttp2',
  { script, method = 'GET' }: Row,
): Promise<Result> {
  using peer = await h2Peer([script])
  const client = clientOf(kind, peer.port)
  const result = await begin(client, { ...GET, method }).over
  client.close()
  return result
}

describe('HTTP/2 upstreams: the own client and node:http2', () => {
  for (const [name, row] of Object.entries(ROWS)) {
    it(name, async () => {
      const own = await answer('own h2', row)
      if (row.own !== undefined) {
        assert.partialDeepStrictEqual(own, row.own)
        const { outcome } = await answer('nghttp2', row)
        assert.equal(outcome === 'end', row.isTaken === true, `node:http2: ${outcome}`)
        return
      }
      assert.deepEqual(own, await answer('nghttp2', row))
    })
  }
})
