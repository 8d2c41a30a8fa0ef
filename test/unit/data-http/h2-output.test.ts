import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FrameWriter } from '../../../src/data/http/h2/frame-writer.ts'
import { giveSlab, takeSlab } from '../../../src/data/http/slabs.ts'

const PING = Buffer.from('12345678')

/** Takes writes, and is done with each when it is told to be. */
class Sink extends Writable {
  readonly writes: { readonly bytes: Buffer; readonly done: (error?: Error) => void }[] = []

  constructor() {
    super({ highWaterMark: 1000 })
    this.on('error', () => {})
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.writes.push({ bytes, done })
  }
}

function written() {
  const sink = new Sink()
  return { sink, writer: new FrameWriter(sink as unknown as Socket) }
}

function awaiting() {
  const one = {
    count: 0,
    onWritten: () => {
      one.count += 1
    },
  }
  return one
}

/** Type and flags of each frame. */
function framesOf(bytes: Buffer): number[][] {
  const frames: number[][] = []
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    frames.push([bytes[at + 3] ?? -1, bytes[at + 4] ?? -1])
  }
  return frames
}

describe('the output of an HTTP/2 connection', () => {
  it('is one write for all frames of a turn', async () => {
    const { sink, writer } = written()
    writer.headers(1, [':status', '200'], false)
    writer.data(1, Buffer.from('abc'), 0, 3)
    writer.ping(PING, true)
    assert.equal(sink.writes.length, 0)
    await turn()
    assert.equal(sink.writes.length, 1)
    assert.deepEqual(framesOf(sink.writes[0]?.bytes ?? PING), [
      [1, 4],
      [0, 0],
      [6, 1],
    ])
    sink.writes[0]?.done()
  })

  it('ends a stream with its last frame, if that is still here and the last', async () => {
    const { sink, writer } = written()
    writer.headers(1, [':status', '200'], false)
    writer.endStream(1)
    writer.data(3, PING, 0, 8)
    writer.data(5, PING, 0, 8)
    writer.endStream(5)
    writer.endStream(3)
    writer.data(7, PING, 0, 8)
    await turn()
    writer.endStream(7)
    await turn()
    const frames = sink.writes.flatMap(({ bytes }) => framesOf(bytes))
    sink.writes[0]?.done()
    await turn()
    assert.deepEqual(frames, [
      [1, 5],
      [0, 0],
      [0, 1],
      [0, 1],
      [0, 0],
    ])
    assert.deepEqual(framesOf(sink.writes[1]?.bytes ?? PING), [[0, 1]])
    sink.writes[1]?.done()
  })

  it('uses its room again once it is written, and not after an error', async () => {
    const { sink, writer } = written()
    const rooms: ArrayBufferLike[] = []
    for (const error of [undefined, undefined, new Error('gone')]) {
      writer.ping(PING, false)
      await turn()
      const { bytes, done } = sink.writes.at(-1) ?? assert.fail()
      rooms.push(bytes.buffer)
      done(error)
      await turn()
    }
    assert.equal(rooms[1], rooms[0])
    assert.equal(rooms[2], rooms[0])
    const other = written()
    other.writer.ping(PING, false)
    await turn()
    assert.notEqual(other.sink.writes[0]?.bytes.buffer, rooms[0])
    other.sink.writes[0]?.done()
    await turn()
  })

  it('gives its room back when what was to be laid cannot be sent', () => {
    const idle = takeSlab()
    giveSlab(idle)
    const { writer } = written()
    assert.throws(() => writer.headers(1, [':status', '200', 'x', 'a\n'], false))
    writer.flush()
    assert.equal(takeSlab(), idle)
    giveSlab(idle)
  })

  it('keeps what was written as it is while it is not taken', async () => {
    const { sink, writer } = written()
    for (let i = 0; i < 40; i += 1) {
      writer.data(1, Buffer.alloc(16_384, i), 0, 16_384)
      await turn()
    }
    for (let i = 0; i < 40; i += 1) {
      const { bytes, done } = sink.writes[i] ?? assert.fail()
      assert.ok(bytes.subarray(9).every((byte) => byte === i))
      done()
      await turn()
    }
  })

  it('tells who waits: soon while the socket takes more, else when it has it, never if it fails', async () => {
    const { sink, writer } = written()
    const soon = awaiting()
    writer.ping(PING, false)
    writer.sendFor(soon)
    await turn()
    await turn()
    assert.equal(soon.count, 1)
    const late = awaiting()
    writer.data(1, Buffer.alloc(5000), 0, 5000)
    writer.sendFor(late)
    const never = awaiting()
    await turn()
    assert.ok(writer.isBlocked)
    writer.data(1, Buffer.alloc(5000), 0, 5000)
    writer.sendFor(never)
    await turn()
    assert.equal(late.count, 0)
    sink.writes[0]?.done()
    await turn()
    sink.writes[1]?.done()
    await turn()
    assert.equal(late.count, 1)
    sink.writes[2]?.done(new Error('gone'))
    await turn()
    assert.deepEqual([soon.count, late.count, never.count], [1, 1, 0])
  })
})
