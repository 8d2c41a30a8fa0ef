import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  CLIENT_PREFACE,
  FrameReader,
  Http2Code,
  Http2Error,
  writeFrameHeader,
} from '../../../src/wire/http2/frames.ts'
import { FRAME_LIMITS, FrameLog, tell } from '../../support/frame-log.ts'
import { frame, SETTINGS, setting, uint32 } from '../../support/h2-frames.ts'

const DATA = 0
const HEADERS = 1
const PRIORITY = 2
const RESET = 3
const SET = 4
const PUSH = 5
const PING = 6
const GOAWAY = 7
const WINDOW = 8
const CONTINUATION = 9
const END_STREAM = 1
const ACK = 1
const END_HEADERS = 4
const PADDED = 8
const PRIORITIZED = 32

const FIVE = Buffer.alloc(5)
const EIGHT = Buffer.from('01234567')
const { protocolError, frameSizeError, flowControlError, enhanceYourCalm } = Http2Code

interface Fault {
  readonly code: number
  /** Behind the first SETTINGS. */
  readonly frames: readonly Buffer[]
}

/** Each rule of RFC 9113 sections 4 to 6 that a frame can break by itself. */
const FAULTS: Readonly<Record<string, Fault>> = {
  '4.2, a frame longer than allowed': {
    code: frameSizeError,
    frames: [frame(DATA, 0, 1, Buffer.alloc(16_385))],
  },
  '4.2, an unknown frame longer than allowed': {
    code: frameSizeError,
    frames: [frame(99, 0, 1, Buffer.alloc(16_385))],
  },
  '6.1, DATA on stream 0': { code: protocolError, frames: [frame(DATA, 0, 0, EIGHT)] },
  '6.1, padding as long as its frame': {
    code: protocolError,
    frames: [frame(DATA, PADDED, 1, Buffer.from([3, 0, 0]))],
  },
  '6.1, no pad length': { code: frameSizeError, frames: [frame(DATA, PADDED, 1, Buffer.alloc(0))] },
  '6.2, HEADERS on stream 0': {
    code: protocolError,
    frames: [frame(HEADERS, END_HEADERS, 0, EIGHT)],
  },
  '6.2, padding longer than its frame': {
    code: protocolError,
    frames: [frame(HEADERS, END_HEADERS | PADDED, 1, Buffer.from([3, 0, 0]))],
  },
  '6.2, padding over the priority': {
    code: protocolError,
    frames: [
      frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, Buffer.from([2, 0, 0, 0, 0, 0, 1])),
    ],
  },
  '6.2, no pad length': {
    code: frameSizeError,
    frames: [frame(HEADERS, END_HEADERS | PADDED, 1, Buffer.alloc(0))],
  },
  '6.2, a cut priority': {
    code: frameSizeError,
    frames: [frame(HEADERS, END_HEADERS | PRIORITIZED, 1, Buffer.alloc(4))],
  },
  '6.2, a cut priority behind a pad length': {
    code: frameSizeError,
    frames: [frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, FIVE)],
  },
  '6.2, another frame within a field block': {
    code: protocolError,
    frames: [frame(HEADERS, 0, 1, EIGHT), frame(PING, 0, 0, EIGHT)],
  },
  '6.2, an unknown frame within a field block': {
    code: protocolError,
    frames: [frame(HEADERS, 0, 1, EIGHT), frame(99, 0, 1, EIGHT)],
  },
  '6.2, HEADERS within a field block': {
    code: protocolError,
    frames: [frame(HEADERS, 0, 1, EIGHT), frame(HEADERS, END_HEADERS, 1, EIGHT)],
  },
  '6.3, PRIORITY on stream 0': { code: protocolError, frames: [frame(PRIORITY, 0, 0, FIVE)] },
  '6.3, PRIORITY of another length': {
    code: frameSizeError,
    frames: [frame(PRIORITY, 0, 1, EIGHT)],
  },
  '6.4, RST_STREAM on stream 0': { code: protocolError, frames: [frame(RESET, 0, 0, uint32(0))] },
  '6.4, RST_STREAM of another length': { code: frameSizeError, frames: [frame(RESET, 0, 1, FIVE)] },
  '6.5, SETTINGS on a stream': { code: protocolError, frames: [frame(SET, 0, 1, Buffer.alloc(6))] },
  '6.5, SETTINGS of another length': { code: frameSizeError, frames: [frame(SET, 0, 0, FIVE)] },
  '6.5, an acknowledgement with settings': {
    code: frameSizeError,
    frames: [frame(SET, ACK, 0, Buffer.alloc(6))],
  },
  '6.5, more than 32 settings': {
    code: enhanceYourCalm,
    frames: [frame(SET, 0, 0, Buffer.alloc(33 * 6))],
  },
  '6.5.2, push neither on nor off': { code: protocolError, frames: [setting(2, 2)] },
  '6.5.2, a window above 2^31-1': { code: flowControlError, frames: [setting(4, 2 ** 31)] },
  '6.5.2, frames below 2^14': { code: protocolError, frames: [setting(5, 16_383)] },
  '6.5.2, frames above 2^24-1': { code: protocolError, frames: [setting(5, 2 ** 24)] },
  '6.6, PUSH_PROMISE': { code: protocolError, frames: [frame(PUSH, END_HEADERS, 1, EIGHT)] },
  '6.7, PING on a stream': { code: protocolError, frames: [frame(PING, 0, 1, EIGHT)] },
  '6.7, PING of another length': { code: frameSizeError, frames: [frame(PING, 0, 0, FIVE)] },
  '6.8, GOAWAY on a stream': { code: protocolError, frames: [frame(GOAWAY, 0, 1, EIGHT)] },
  '6.8, a cut GOAWAY': { code: frameSizeError, frames: [frame(GOAWAY, 0, 0, FIVE)] },
  '6.9, WINDOW_UPDATE of another length': {
    code: frameSizeError,
    frames: [frame(WINDOW, 0, 1, FIVE)],
  },
  '6.10, CONTINUATION of nothing': {
    code: protocolError,
    frames: [frame(CONTINUATION, END_HEADERS, 1, EIGHT)],
  },
  '6.10, CONTINUATION behind the end of a block': {
    code: protocolError,
    frames: [frame(HEADERS, END_HEADERS, 1, EIGHT), frame(CONTINUATION, END_HEADERS, 1, EIGHT)],
  },
  '6.10, CONTINUATION of another stream': {
    code: protocolError,
    frames: [frame(HEADERS, 0, 1, EIGHT), frame(CONTINUATION, END_HEADERS, 3, EIGHT)],
  },
  '6.10, CONTINUATION of stream 0': {
    code: protocolError,
    frames: [frame(HEADERS, 0, 1, EIGHT), frame(CONTINUATION, END_HEADERS, 0, EIGHT)],
  },
  '10.5.1, more CONTINUATION than allowed, empty as they are': {
    code: enhanceYourCalm,
    frames: [
      frame(HEADERS, 0, 1, EIGHT),
      ...new Array<Buffer>(5).fill(frame(CONTINUATION, 0, 1, Buffer.alloc(0))),
    ],
  },
  '10.5.1, a larger field block than allowed': {
    code: enhanceYourCalm,
    frames: [
      frame(HEADERS, 0, 1, Buffer.alloc(16_384)),
      frame(CONTINUATION, 0, 1, Buffer.alloc(16_384)),
      frame(CONTINUATION, 0, 1, Buffer.alloc(1)),
    ],
  },
}

/** What is allowed, at its limits. */
const SOUND: Readonly<Record<string, { readonly bytes: Buffer; readonly told: string }>> = {
  'DATA of the greatest length': {
    bytes: frame(DATA, END_STREAM, 1, Buffer.alloc(16_384)),
    told: 'data 1 end',
  },
  'DATA that is nothing but padding': {
    bytes: frame(DATA, PADDED | END_STREAM, 1, Buffer.from([2, 0, 0])),
    told: 'data 1 end',
  },
  'HEADERS padded and prioritized, the stream on itself': {
    bytes: frame(
      HEADERS,
      END_HEADERS | END_STREAM | PADDED | PRIORITIZED,
      1,
      Buffer.from([2, 0, 0, 0, 1, 9, 0x82, 0, 0]),
    ),
    told: 'headers 1 82 end',
  },
  'HEADERS without a fragment': {
    bytes: frame(HEADERS, END_HEADERS | PADDED, 3, Buffer.from([0])),
    told: 'headers 3 ',
  },
  'CONTINUATION to the limits': {
    bytes: Buffer.concat([
      frame(HEADERS, END_STREAM, 1, Buffer.alloc(16_384)),
      ...new Array<Buffer>(3).fill(frame(CONTINUATION, 0, 1, Buffer.alloc(0))),
      frame(CONTINUATION, END_HEADERS, 1, Buffer.alloc(16_384)),
    ]),
    told: `headers 1 ${'00'.repeat(32_768)} end`,
  },
  'flags and reserved bits that mean nothing': {
    bytes: frame(WINDOW, 0xff, 0x8000_0003, uint32(0x8000_0005)),
    told: 'window 3 5',
  },
  'an increment of 0, which is of the stream': {
    bytes: frame(WINDOW, 0, 3, uint32(0)),
    told: 'window 3 0',
  },
  'the greatest increment': {
    bytes: frame(WINDOW, 0, 0, uint32(2 ** 31 - 1)),
    told: `window 0 ${2 ** 31 - 1}`,
  },
  'the greatest stream': {
    bytes: frame(RESET, 0, 2 ** 31 - 1, uint32(2 ** 32 - 1)),
    told: `reset ${2 ** 31 - 1} ${2 ** 32 - 1}`,
  },
  '32 settings, unknown ones': {
    bytes: frame(SET, 0, 0, Buffer.alloc(192)),
    told: `settings ${'00'.repeat(192)}`,
  },
  'the greatest window': { bytes: setting(4, 2 ** 31 - 1), told: 'settings 00047fffffff' },
  'the greatest frames': { bytes: setting(5, 2 ** 24 - 1), told: 'settings 000500ffffff' },
  'the smallest frames': { bytes: setting(5, 16_384), told: 'settings 000500004000' },
  'push that is on': { bytes: setting(2, 1), told: 'settings 000200000001' },
  'an acknowledgement': { bytes: frame(SET, ACK, 0, Buffer.alloc(0)), told: 'settings ack' },
  PING: { bytes: frame(PING, 0, 0, EIGHT), told: `ping ${EIGHT.toString('hex')}` },
  PONG: { bytes: frame(PING, ACK, 0, EIGHT), told: `ping ack ${EIGHT.toString('hex')}` },
  'GOAWAY with words': {
    bytes: frame(GOAWAY, 0, 0, Buffer.concat([uint32(0x8000_0007), uint32(11), EIGHT])),
    told: 'goaway 7 11',
  },
  PRIORITY: { bytes: frame(PRIORITY, 0, 9, FIVE), told: 'ignored 2 9' },
  'an unknown frame': { bytes: frame(0xfa, 0xff, 0, EIGHT), told: 'ignored 250 0' },
  'an unknown frame without payload': {
    bytes: frame(0xc, 0, 0, Buffer.alloc(0)),
    told: 'ignored 12 0',
  },
}

describe('HTTP/2 frames', () => {
  for (const [name, { code, frames }] of Object.entries(FAULTS)) {
    it(`refuses ${name}`, () => {
      const bytes = Buffer.concat([SETTINGS, ...frames])
      assert.equal(tell(bytes).code, code)
      // By the header where that says it already: of the last frame all but one octet is missing.
      assert.equal(tell(bytes, everyByte(bytes)).code, code)
    })
  }

  for (const [name, { bytes, told }] of Object.entries(SOUND)) {
    it(`takes ${name}`, () => {
      const all = Buffer.concat([SETTINGS, bytes, frame(RESET, 0, 99, uint32(1))])
      const whole = tell(all)
      assert.deepEqual(whole, {
        code: undefined,
        lines: ['settings ', told, 'reset 99 1'],
        content: whole.content,
      })
      assert.deepEqual(tell(all, everyByte(all)), whole)
      for (let cut = 0; cut < Math.min(all.length, 100); cut++) {
        assert.deepEqual(tell(all, [cut]), whole)
        assert.deepEqual(tell(all, [all.length - cut]), whole)
      }
    })
  }

  it('counts CONTINUATION of one block, not of a connection', () => {
    const block = [
      frame(HEADERS, 0, 1, EIGHT),
      ...new Array<Buffer>(3).fill(frame(CONTINUATION, 0, 1, EIGHT)),
      frame(CONTINUATION, END_HEADERS, 1, EIGHT),
    ]
    const { code, lines } = tell(Buffer.concat([SETTINGS, ...block, ...block, ...block]))
    assert.equal(code, undefined)
    assert.equal(lines.length, 4)
    assert.equal(lines[3], `headers 1 ${EIGHT.toString('hex').repeat(5)}`)
  })

  it('a frame is judged by its header, before its payload comes', () => {
    const header = Buffer.alloc(9)
    for (const [length, type, code] of [
      [16_385, DATA, frameSizeError],
      [5, PING, frameSizeError],
      [16_384, SET, frameSizeError],
      [8, CONTINUATION, protocolError],
    ] as const) {
      writeFrameHeader(header, 0, length, type, 0, type === CONTINUATION ? 1 : 0)
      if (type === DATA) header[8] = 1
      assert.equal(tell(Buffer.concat([SETTINGS, header])).code, code)
    }
  })

  it('begins with SETTINGS, and no acknowledgement', () => {
    assert.equal(tell(frame(PING, 0, 0, EIGHT)).code, protocolError)
    assert.equal(tell(frame(SET, ACK, 0, Buffer.alloc(0))).code, protocolError)
    assert.equal(tell(Buffer.from('HTTP/1.1 400 Bad Request\r\n')).code, protocolError)
  })

  it('reads the connection preface, however it comes', () => {
    const bytes = Buffer.concat([CLIENT_PREFACE, SETTINGS])
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(tell(bytes, [cut], CLIENT_PREFACE).lines, ['settings '])
    }
    const wrong = Buffer.from(bytes)
    wrong[23] = 0
    assert.equal(tell(wrong, [], CLIENT_PREFACE).code, protocolError)
    assert.equal(tell(wrong, everyByte(wrong), CLIENT_PREFACE).code, protocolError)
    assert.equal(tell(Buffer.from('G'), [], CLIENT_PREFACE).code, protocolError)
  })

  it('hands content on as it comes, and the padding as what it takes of the window', () => {
    const log = new FrameLog()
    const reader = new FrameReader(log, FRAME_LIMITS)
    reader.read(SETTINGS)
    const bytes = frame(DATA, PADDED | END_STREAM, 1, Buffer.from('\x03hello\0\0\0', 'latin1'))
    for (const [from, to] of [
      [0, 10],
      [10, 12],
      [12, 16],
      [16, bytes.length],
    ] as const) {
      reader.read(bytes.subarray(from, to))
    }
    assert.deepEqual(log.pieces, [' 1', 'he 2', 'llo 4', ' 2 end'])
  })

  it('tells empty DATA with a length of 0', () => {
    const log = new FrameLog()
    new FrameReader(log, FRAME_LIMITS).read(
      Buffer.concat([SETTINGS, frame(DATA, 0, 1, Buffer.alloc(0))]),
    )
    assert.deepEqual(log.pieces, [' 0'])
  })

  it('tells nothing more once it was closed, or has thrown', () => {
    const log = new FrameLog()
    const reader = new FrameReader(log, FRAME_LIMITS)
    reader.read(SETTINGS)
    log.onLine = () => reader.close()
    reader.read(Buffer.concat([frame(PING, 0, 0, EIGHT), frame(PING, 0, 0, EIGHT)]))
    reader.read(frame(PING, 0, 0, EIGHT))
    assert.equal(log.lines.length, 2)

    const other = new FrameLog()
    const broken = new FrameReader(other, FRAME_LIMITS)
    assert.throws(() => broken.read(frame(PING, 0, 0, EIGHT)), Http2Error)
    broken.read(SETTINGS)
    assert.deepEqual(other.lines, [])
  })

  it('writes a frame header', () => {
    const out = Buffer.alloc(11, 0xff)
    assert.equal(writeFrameHeader(out, 1, 0x123456, 9, 0xa5, 0x7fffffff), 10)
    assert.equal(out.toString('hex'), 'ff12345609a57fffffffff')
  })
})

function everyByte(bytes: Buffer): number[] {
  return Array.from(bytes, (_, at) => at)
}
