/** What an HTTP/1.1 connection writes: order, and that no byte changes before the socket has done with it. */
import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { Http1Output } from '../../../src/data/http/output-h1.ts'
import { SLAB_BYTES } from '../../../src/data/http/slabs.ts'

type Done = (error?: Error | null) => void

interface Write {
  readonly bytes: Buffer
  readonly done: Done
}

/** An output whose socket holds each write until it is told that it is over. */
function holding() {
  const writes: Write[] = []
  const socket = new Socket()
  socket.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    const bytes = chunk as Buffer
    const [done] = rest
    writes.push({ bytes, done: typeof done === 'function' ? (done as Done) : () => {} })
    return true
  }
  const output = new Http1Output(socket, {
    onFlushed: () => {},
    onOutputFault: (error) => assert.fail(String(error)),
  })
  const text = (): string => writes.map(({ bytes }) => bytes.toString('latin1')).join('')
  const finish = (error?: Error): void => {
    for (const { done } of writes.splice(0)) done(error)
  }
  return { output, writes, text, finish }
}

/** One large body through it, which leaves at once. */
function send(output: Http1Output, letter: string, length = 8192): void {
  output.addLent(Buffer.alloc(length, letter))
  output.flush()
}

describe('the output of an HTTP/1.1 connection', () => {
  it('is one write of all that was added, whatever becomes of lent bytes', () => {
    for (const length of [1, 4095, 4096, 65_536]) {
      const { output, writes, text, finish } = holding()
      const lent = Buffer.alloc(length, 'a')
      output.add('head\r\n\r\n')
      output.addLent(lent)
      lent.fill('X')
      output.addLent(lent)
      lent.fill('Y')
      output.add('end\xe9')
      output.flush()
      assert.equal(text(), `head\r\n\r\n${'a'.repeat(length)}${'X'.repeat(length)}end\xe9`)
      assert.equal(writes.length, 1 + Number(2 * length + 12 > SLAB_BYTES))
      finish()
    }
  })

  it('keeps the order of pieces of any size, text and bytes, owned and lent', () => {
    const sizes = [1, 500, 2047, 2048, 2049, 1, 3000, 15_000, 2, 2048, 40_000, 7]
    for (let first = 0; first < sizes.length; first++) {
      const { output, text, finish } = holding()
      let expected = ''
      for (const [index, size] of sizes.slice(first).entries()) {
        const letter = String.fromCharCode(97 + index)
        expected += letter.repeat(size)
        if (index % 3 === 0) output.add(letter.repeat(size))
        else if (index % 3 === 1) output.add(Buffer.alloc(size, letter))
        else {
          const lent = Buffer.alloc(size, letter)
          output.addLent(lent)
          lent.fill('X')
        }
      }
      output.flush()
      assert.equal(text(), expected)
      // Gives back the slabs, which all tests share.
      finish()
    }
  })

  it('never has more than a slab waiting', () => {
    const { output, writes, text, finish } = holding()
    const piece = 'p'.repeat(60_000)
    for (let i = 0; i < 5; i++) {
      output.addLent(Buffer.from(piece))
      output.add(`<${i}>`)
      output.add(Buffer.from(`[${i}]`))
    }
    output.flush()
    assert.equal(text(), [0, 1, 2, 3, 4].map((i) => `${piece}<${i}>[${i}]`).join(''))
    assert.deepEqual(
      writes.map(({ bytes }) => bytes.length),
      [120_012, 120_012, 60_006],
    )
    finish()
  })

  it('keeps its bytes while a write is unfinished', () => {
    const slow = holding()
    const quick = holding()
    send(slow.output, 's')
    for (let i = 0; i < 100; i++) {
      send(quick.output, 'q')
      quick.finish()
    }
    assert.equal(slow.text(), 's'.repeat(8192))
    slow.finish()
  })

  it('uses memory again when writes are over, but not after errors', () => {
    const { output, writes, finish } = holding()
    const memory = (): ArrayBufferLike | undefined => {
      send(output, 'm')
      return writes[0]?.bytes.buffer
    }
    const first = memory()
    finish()
    const second = memory()
    assert.equal(second, first)
    finish(new Error('the socket is gone'))
    assert.notEqual(memory(), second)
    finish()
  })

  it('of slow clients takes a bounded number of slabs; the rest has its own bytes', () => {
    const slow = Array.from({ length: 100 }, (_, i) => ({ ...holding(), letter: String(i % 10) }))
    for (const { output, letter } of slow) send(output, letter)
    const slabs = slow.filter(({ writes }) => writes[0]?.bytes.buffer.byteLength === SLAB_BYTES)
    assert.equal(slabs.length, 64)
    for (const { text, letter } of slow) assert.equal(text(), letter.repeat(8192))
    for (const { finish } of slow) finish()
    const { output, writes, finish } = holding()
    send(output, 'z')
    assert.equal(writes[0]?.bytes.buffer.byteLength, SLAB_BYTES, 'they come back')
    finish()
  })
})
