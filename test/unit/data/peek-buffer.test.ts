/** The buffer of a peek: always one piece, whatever came in, and no larger than it must be. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { PeekBuffer } from '../../../src/data/io/peek.ts'

describe('peek buffer', () => {
  it('gives all bytes so far after every chunk', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 5000 })), (chunks) => {
        const buffer = new PeekBuffer(65_536)
        let expected = Buffer.alloc(0)
        for (const chunk of chunks) {
          expected = Buffer.concat([expected, chunk])
          assert.ok(buffer.append(Buffer.from(chunk)).equals(expected))
        }
        assert.ok(buffer.take().equals(expected))
        assert.equal(buffer.take().length, 0)
      }),
    )
  })

  it('does not copy a single chunk, nor write into it', () => {
    const buffer = new PeekBuffer(65_536)
    const first = Buffer.from('first')
    assert.equal(buffer.append(first).buffer, first.buffer)
    buffer.append(Buffer.from(' second'))
    assert.equal(first.toString(), 'first')
    assert.equal(buffer.take().toString(), 'first second')
  })

  it('doubles, so that single bytes are not copied again and again', () => {
    const buffer = new PeekBuffer(65_536)
    const buffers = new Set<ArrayBufferLike>()
    for (let i = 0; i < 60_000; i++) buffers.add(buffer.append(Buffer.from([i & 0xff])).buffer)
    assert.ok(buffers.size < 10, `${buffers.size} allocations`)
  })
})
