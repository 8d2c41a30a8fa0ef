/**
 * HPACK against itself and against nghttp2, over many blocks on one table whose size changes: what we
 * write it reads, what it writes we read, the same fields in the same order.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Http2Error } from '../../../src/wire/http2/frames.ts'
import { HpackDecoder } from '../../../src/wire/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../../src/wire/http2/hpack-encoder.ts'
import { decodeHuffman, maxDecodedBytes } from '../../../src/wire/http2/huffman.ts'
import { requestFields } from '../../support/http2-fields.ts'
import { NodeClientEnd, NodeServerEnd } from '../../support/http2-oracle.ts'

interface Phase {
  /** undefined: as before. */
  readonly tableSize: number | undefined
  readonly lists: readonly string[][]
}

const tableSize = fc.oneof(
  fc.constantFrom(undefined, 0, 4096, 65_536),
  fc.integer({ min: 0, max: 5000 }),
)
const phases: fc.Arbitrary<Phase[]> = fc.array(
  fc.record({ tableSize, lists: fc.array(requestFields, { minLength: 1, maxLength: 8 }) }),
  { minLength: 1, maxLength: 6 },
)

describe('HPACK', () => {
  it('what is written is read', () => {
    fc.assert(
      fc.property(phases, fc.array(fc.nat(5000), { maxLength: 3 }), (all, sizes) => {
        const encoder = new HpackEncoder()
        const decoder = new HpackDecoder()
        for (const phase of all) {
          for (const size of sizes) encoder.maxTableSize = size
          if (phase.tableSize !== undefined) encoder.maxTableSize = phase.tableSize
          for (const fields of phase.lists) {
            assert.deepEqual(decoder.decode(encoded(encoder, fields), Infinity), fields)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('nghttp2 reads what we write', async () => {
    await fc.assert(
      fc.asyncProperty(phases, async (all) => {
        const end = new NodeServerEnd()
        const encoder = new HpackEncoder()
        for (const phase of all) {
          if (phase.tableSize !== undefined) {
            await end.setTableSize(phase.tableSize)
            encoder.maxTableSize = phase.tableSize
          }
          const blocks = phase.lists.map((fields) => encoded(encoder, fields))
          assert.deepEqual(await end.read(blocks), phase.lists)
        }
        end.close()
      }),
      { numRuns: 300 },
    )
  })

  it('we read what nghttp2 writes', async () => {
    await fc.assert(
      fc.asyncProperty(phases, async (all) => {
        const end = new NodeClientEnd()
        const decoder = new HpackDecoder()
        for (const phase of all) {
          if (phase.tableSize !== undefined) await end.setTableSize(phase.tableSize)
          const blocks = await end.write(phase.lists)
          assert.deepEqual(
            blocks.map((block) => decoder.decode(block, Infinity)),
            phase.lists,
          )
        }
        end.close()
      }),
      { numRuns: 300 },
    )
  })

  it('whatever comes ends in fields or in an error of compression', () => {
    const block = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(requestFields, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
        .map(([fields, damages]) => {
          const bytes = encoded(new HpackEncoder(), fields)
          for (const [at, value] of damages) bytes[at % bytes.length] = value
          return bytes
        }),
    )
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 4 }), fc.nat(3000), (blocks, most) => {
        const decoder = new HpackDecoder()
        try {
          for (const bytes of blocks) {
            const fields = decoder.decode(Buffer.from(bytes), most) ?? []
            const size = fields.reduce((sum, text) => sum + text.length + 16, 0)
            assert.ok(size <= most)
          }
        } catch (error) {
          assert.ok(error instanceof Http2Error, String(error))
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('we know the Huffman code of every octet that nghttp2 writes', async () => {
    const end = new NodeClientEnd()
    const octets = Array.from({ length: 256 }, (_, octet) => octet).filter(
      (octet) => octet === 9 || (octet >= 0x20 && octet !== 0x7f),
    )
    // What is shortest with the code is written with it: 'a' has 5 bits.
    const lists = octets.map((octet) => {
      const value = `a${String.fromCharCode(octet).repeat(3)}${'a'.repeat(40)}`
      return [':path', '/', ':method', 'GET', ':scheme', 'http', ':authority', 'a', 'x-a', value]
    })
    const blocks = await end.write(lists)
    const decoder = new HpackDecoder()
    for (const [at, block] of blocks.entries()) {
      assert.ok(!block.includes('aaaa'), 'Huffman')
      assert.deepEqual(decoder.decode(block, Infinity), lists[at])
    }
    end.close()
  })

  it('and of some that it does not write', () => {
    // RFC 7541 appendix B: NUL 1ff8, LF 3ffffffc, CR 3ffffffd, DEL ffffffc.
    for (const [bits, octet] of [
      ['1111111111000', 0],
      ['111111111111111111111111111100', 10],
      ['111111111111111111111111111101', 13],
      ['1111111111111111111111111100', 127],
    ] as const) {
      const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1')
      const bytes = Buffer.from(
        (padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)),
      )
      const out = Buffer.alloc(maxDecodedBytes(bytes.length))
      assert.equal(decodeHuffman(bytes, 0, bytes.length, out), 1)
      assert.equal(out[0], octet)
    }
  })
})

function encoded(encoder: HpackEncoder, fields: readonly string[]): Buffer {
  const out = Buffer.alloc(HpackEncoder.bound(fields))
  return out.subarray(0, encoder.encode(fields, out, 0))
}
