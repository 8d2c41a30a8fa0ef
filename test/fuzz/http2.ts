/**
 * Fuzz target: the HTTP/2 codec. Frames of sound and hostile field blocks, mutated and cut anywhere,
 * go through reader, decoder and rules of messages: nothing but Http2Error is thrown, segmentation
 * changes nothing, lists keep their bounds, and what is a message can be written and read again.
 */
import assert from 'node:assert/strict'
import { FrameReader, Http2Error } from '../../src/wire/http2/frames.ts'
import { HpackDecoder } from '../../src/wire/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/wire/http2/hpack-encoder.ts'
import { requestProblem, responseProblem, trailersProblem } from '../../src/wire/http2/message.ts'
import { FRAME_LIMITS, FrameLog } from '../support/frame-log.ts'
import { frame, indexed, literal, SETTINGS, setting, uint32 } from '../support/h2-frames.ts'
import type { FuzzTarget } from './campaign.ts'
import type { FuzzRandom } from './random.ts'

export const http2: FuzzTarget = { name: 'http2', prepare }

const MAX_LIST_BYTES = 8192
const MAX_FIELDS = 64

const PAIRS: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':path', '/a?b'],
  [':scheme', 'http'],
  [':authority', 'a.test'],
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['content-length', '5'],
  ['te', 'trailers'],
  ['cookie', 'a=b'],
  ['x', 'v'.repeat(200)],
  ['x', ' a\r\n\0'],
  ['Upgrade', 'h2c'],
  ['connection', 'close'],
  ['grpc-status', '0'],
  ['', ''],
]
/** Indices, table sizes, Huffman strings, integers that go on and on. */
const PIECES: readonly Buffer[] = [
  '828684',
  '88be',
  'bebfc0',
  '203fe11f',
  '3f45',
  '418cf1e3c2e5f23a6ba0ab90f4ff',
  '0f7fffffff',
  'ffffffffff0f',
  '40',
  '7f00',
].map((hex) => Buffer.from(hex, 'hex'))

async function prepare(): Promise<(random: FuzzRandom) => void> {
  return (random) => {
    const frames = Array.from({ length: 1 + random.below(6) }, () => anyFrame(random))
    const bytes = mutate(Buffer.concat([SETTINGS, ...frames]), random)
    const cuts = Array.from({ length: random.below(5) }, () => random.below(bytes.length + 1))
    const whole = read(bytes, [])
    const stepped = read(bytes, cuts)
    assert.deepEqual(stepped, whole)
  }
}

interface Read {
  readonly lines: readonly string[]
  readonly lists: readonly (readonly string[] | undefined)[]
  readonly code: number | undefined
}

/** A connection's whole way in: what was told, until it broke. */
function read(bytes: Buffer, cuts: readonly number[]): Read {
  const decoder = new HpackDecoder()
  const encoder = new HpackEncoder()
  const mirror = new HpackDecoder()
  const lists: (readonly string[] | undefined)[] = []
  const log = new (class extends FrameLog {
    override onHeaders(streamId: number, block: Buffer, endStream: boolean): void {
      super.onHeaders(streamId, block, endStream)
      const fields = decoder.decode(block, MAX_LIST_BYTES, MAX_FIELDS)
      lists.push(fields)
      if (fields !== undefined) judge(fields, encoder, mirror)
    }
  })()
  const reader = new FrameReader(log, FRAME_LIMITS)
  let code: number | undefined
  let at = 0
  for (const end of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    try {
      reader.read(Buffer.from(bytes.subarray(at, end)))
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error
      code = error.code
      break
    }
    at = end
  }
  return { lines: log.lines, lists, code }
}

/** What is a message has nothing that could not be sent, or be read in another way. */
function judge(fields: readonly string[], encoder: HpackEncoder, mirror: HpackDecoder): void {
  assert.ok(fields.length <= 2 * MAX_FIELDS)
  assert.ok(fields.reduce((sum, text) => sum + text.length + 16, 0) <= MAX_LIST_BYTES)
  const isMessage = [requestProblem, responseProblem, trailersProblem].some(
    (problem) => problem(fields) === undefined,
  )
  const out = Buffer.alloc(HpackEncoder.bound(fields))
  let end: number
  try {
    end = encoder.encode(fields, out, 0)
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error))
    assert.ok(!isMessage, JSON.stringify(fields))
    return
  }
  const names = fields.map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text))
  assert.deepEqual(mirror.decode(out.subarray(0, end), Infinity), names)
}

function anyFrame(random: FuzzRandom): Buffer {
  const id = 1 + 2 * random.below(3)
  switch (random.below(10)) {
    case 0:
      return frame(0, random.below(16), id, Buffer.alloc(random.below(50), random.below(20)))
    case 1:
      return frame(3, 0, id, uint32(random.below(14)))
    case 2:
      return setting(random.below(7), random.below(2) * 2 ** random.below(32))
    case 3:
      return frame(6, random.below(2), 0, Buffer.alloc(8))
    case 4:
      return frame(8, 0, random.below(2) * id, uint32(random.below(3)))
    case 5: {
      const block = anyBlock(random)
      const cut = random.below(block.length + 1)
      return Buffer.concat([
        frame(1, random.below(2), id, block.subarray(0, cut)),
        frame(9, 4, id, block.subarray(cut)),
      ])
    }
    case 6: {
      const padding = random.below(9)
      return frame(
        1,
        0x2c,
        id,
        Buffer.concat([
          ...[Buffer.from([padding, 0, 0, 0, id, 7]), anyBlock(random)],
          Buffer.alloc(padding),
        ]),
      )
    }
    case 7:
      return frame(random.below(14), random.below(256), random.below(4), anyBlock(random))
    default:
      return frame(1, 4 + random.below(2), id, anyBlock(random))
  }
}

function anyBlock(random: FuzzRandom): Buffer {
  const parts = Array.from({ length: random.below(10) }, () => {
    const [name, value] = PAIRS[random.below(PAIRS.length)] ?? ['', '']
    switch (random.below(4)) {
      case 0:
        return PIECES[random.below(PIECES.length)] ?? Buffer.alloc(0)
      case 1:
        return literal(name, value)
      default:
        return indexed(name, value)
    }
  })
  // Often the head of a request, so that some are whole.
  if (random.below(2) === 0) parts.unshift(Buffer.from('828684', 'hex'), literal(':authority', 'a'))
  return Buffer.concat(parts)
}

function mutate(seed: Buffer, random: FuzzRandom): Buffer {
  let bytes = Buffer.from(seed)
  for (let i = random.below(4) - 1; i > 0; i--) {
    const at = random.below(bytes.length)
    switch (random.below(4)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 2:
        bytes = bytes.subarray(0, at + 1)
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at / 2), bytes.subarray(at)])
    }
  }
  return bytes
}
