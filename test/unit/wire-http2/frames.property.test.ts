/**
 * HTTP/2 frames under random segmentation: equal to the whole; and under random damage: nothing but
 * Http2Error is thrown, and no more memory is asked for than the limits say.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FRAME_LIMITS, tell } from '../../support/frame-log.ts'
import { frame, SETTINGS, uint32 } from '../../support/h2-frames.ts'

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.nat(20_000).map((length) => new Uint8Array(length)),
)
const stream = fc.constantFrom(1, 3, 5)

/** Mostly sound ones: of the kind, with the length that it has. */
const sound: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 1), stream, payload)
    .map(([flags, id, bytes]) => frame(0, flags, id, bytes.subarray(0, 16_384))),
  fc
    .tuple(fc.constantFrom(8, 9), stream, fc.nat(255), payload)
    .map(([flags, id, padding, bytes]) => padded(0, flags, id, padding, bytes)),
  fc
    .tuple(stream, fc.nat(255), payload)
    .map(([id, padding, bytes]) => padded(1, 12, id, padding, bytes)),
  fc
    .tuple(stream, fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }))
    .map(([id, parts]) => split(id, parts)),
  stream.map((id) => frame(3, 0, id, uint32(8))),
  fc.constantFrom(0, 1, 3).map((id) => frame(8, 0, id, uint32(id))),
  fc.constantFrom(0, 1).map((flags) => frame(6, flags, 0, Buffer.from('01234567'))),
  fc.nat(100).map((bytes) => frame(7, 0, 0, Buffer.alloc(8 + bytes))),
  fc.constant(frame(4, 0, 0, Buffer.from('000300000064000400100000', 'hex'))),
  fc.tuple(fc.nat(255), payload).map(([type, bytes]) => {
    return frame(Math.max(type, 10), 0, 1, bytes.subarray(0, 16_384))
  }),
)

const anything: fc.Arbitrary<Buffer> = fc
  .tuple(fc.nat(12), fc.nat(255), fc.nat(5), fc.uint8Array({ maxLength: 20 }))
  .map(([type, flags, id, bytes]) => frame(type, flags, id, bytes))

describe('HTTP/2 frames', () => {
  it('any segmentation gives what the whole gives', () => {
    let unbroken = 0
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 30, arbitrary: sound }, anything), { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (frames, cuts) => {
          const bytes = Buffer.concat([SETTINGS, ...frames])
          const whole = tell(bytes)
          if (whole.code === undefined) unbroken += 1
          const ends = cuts.map((cut) => cut % (bytes.length + 1))
          const stepped = tell(bytes, ends)
          // Content that came before a fault may have been told already.
          if (whole.code === undefined) assert.deepEqual(stepped, whole)
          else assert.deepEqual([stepped.code, stepped.lines], [whole.code, whole.lines])
        },
      ),
      { numRuns: 3000 },
    )
    assert.ok(unbroken > 1000, 'enough of them are sound')
  })

  it('damage ends in an error of HTTP/2, and memory has its bounds', (context) => {
    const allocated = context.mock.method(Buffer, 'allocUnsafe')
    const most = Math.max(9 + FRAME_LIMITS.maxFrameSize, FRAME_LIMITS.maxBlockBytes)
    let allocations = 0
    fc.assert(
      fc.property(
        fc.array(sound, { maxLength: 6 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        (frames, damages, cuts) => {
          const bytes = Buffer.concat([SETTINGS, ...frames])
          for (const [at, value] of damages) bytes[at % bytes.length] = value
          allocated.mock.resetCalls()
          const { lines } = tell(
            bytes,
            cuts.map((cut) => cut % (bytes.length + 1)),
          )
          const sizes = allocated.mock.calls
            .filter(({ stack }) => stack.stack?.includes('/src/wire/') === true)
            .map(({ arguments: [size] }) => size)
          allocations += sizes.length
          for (const size of sizes) assert.ok(size <= most, `${size} octets at once`)
          const total = sizes.reduce((sum, size) => sum + size, 0)
          // Doubling costs as much again as what came, and a little for each that is begun.
          assert.ok(total <= 4 * bytes.length + 600 * (lines.length + 2), `${total} octets`)
        },
      ),
      { numRuns: 1500 },
    )
    assert.ok(allocations > 200, `enough of them are seen: ${allocations}`)
  })
})

function padded(
  type: number,
  flags: number,
  id: number,
  padding: number,
  bytes: Uint8Array,
): Buffer {
  const content = bytes.subarray(0, 16_384 - 1 - padding)
  return frame(
    type,
    flags,
    id,
    Buffer.concat([Buffer.from([padding]), content, Buffer.alloc(padding)]),
  )
}

/** A field block in HEADERS and CONTINUATION. */
function split(id: number, parts: readonly Uint8Array[]): Buffer {
  const frames = parts.map((part, at) =>
    frame(at === 0 ? 1 : 9, at === parts.length - 1 ? 4 : 0, id, part),
  )
  return Buffer.concat(frames)
}
