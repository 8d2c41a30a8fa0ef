/**
 * Fuzz target: the server's side of an HTTP/2 connection. A client sends frames in an order that
 * chance chooses, some of them wrong, over a wire that now and then takes nothing, to a server that
 * answers, reads and breaks off by chance. What comes back must be HTTP/2, keep to the windows, and go on
 * with no stream that is over; every stream's end is told once.
 */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { ServerSink, ServerStream, SessionEnd } from '../../src/data/http/h2/contract.ts'
import { ServerSession, type ServerSessionSink } from '../../src/data/http/h2/server-session.ts'
import { TimerWheel } from '../../src/data/timer-wheel.ts'
import { FrameReader, type FrameSink } from '../../src/wire/http2/frames.ts'
import { HpackDecoder } from '../../src/wire/http2/hpack-decoder.ts'
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  getFields,
  indexed,
  PREFACE,
  SETTINGS,
  setting,
  uint32,
} from '../support/h2-frames.ts'
import type { FuzzTarget } from './campaign.ts'
import type { FuzzRandom } from './random.ts'

export const http2Server: FuzzTarget = { name: 'http2-server', prepare }

const WINDOW = 65_535
const MAX_STREAMS = 8
const LIMITS = { headersMs: 10_000, headerBytes: 8192, streamsPerConnection: MAX_STREAMS }
const CONTENT = Buffer.alloc(100_000, 'c')

async function prepare(): Promise<(random: FuzzRandom) => Promise<void>> {
  return async (random) => {
    const world = new World(random)
    await world.run()
  }
}

/** What a session writes to; it takes that only while it is open. */
export class Wire extends Duplex {
  readonly #onBytes: (bytes: Buffer) => void
  #held: (() => void) | undefined
  isShut = false

  constructor(onBytes: (bytes: Buffer) => void) {
    super({ highWaterMark: 16_384, allowHalfOpen: false })
    this.#onBytes = onBytes
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const take = (): void => {
      this.#onBytes(chunk)
      done()
    }
    if (this.isShut) this.#held = take
    else take()
  }

  open(): void {
    this.isShut = false
    const held = this.#held
    this.#held = undefined
    held?.()
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }
}

interface Seen {
  window: number
  hasHead: boolean
  isOver: boolean
}

class World implements ServerSessionSink {
  readonly #random: FuzzRandom
  readonly #client = new ClientView()
  readonly #wire: Wire
  readonly #session: ServerSession
  readonly #wheel = new TimerWheel({ now: () => 0, monotonic: () => 0 })
  readonly #exchanges: Exchange[] = []
  readonly #ends: SessionEnd[] = []
  #lastId = -1

  constructor(random: FuzzRandom) {
    this.#random = random
    this.#wire = new Wire((bytes) => this.#client.read(bytes))
    this.#session = new ServerSession(this.#wire as unknown as Socket, LIMITS, this.#wheel, this)
  }

  async run(): Promise<void> {
    this.#session.start()
    this.#wire.push(Buffer.concat([PREFACE, SETTINGS]))
    for (let steps = this.#random.below(60); steps > 0 && !this.#wire.destroyed; steps -= 1) {
      const count = 1 + this.#random.below(4)
      this.#send(Array.from({ length: count }, () => this.#anyFrame()))
      for (const exchange of this.#exchanges) exchange.step()
      if (this.#random.below(3) === 0) this.#wire.isShut = true
      else this.#wire.open()
      if (this.#random.below(2) === 0) await turn()
      assert.ok(this.#session.streamCount <= MAX_STREAMS)
    }
    this.#wire.open()
    await turn()
    if (this.#random.below(2) === 0) this.#session.close()
    this.#wire.destroy()
    await turn()
    await turn()
    this.#wheel.stop()
    assert.equal(this.#ends.length, 1)
    for (const { closes } of this.#exchanges) assert.equal(closes, 1)
  }

  onStream(stream: ServerStream): void {
    this.#exchanges.push(new Exchange(stream, this.#random))
  }

  onSessionEnd(end: SessionEnd): void {
    this.#ends.push(end)
  }

  onDefect(error: unknown): void {
    throw error
  }

  /** The client's view of its grants comes first: the server may use them at once. */
  #send(frames: readonly Buffer[]): void {
    for (const one of frames) this.#client.sent(one)
    const bytes = Buffer.concat(frames)
    const cut = this.#random.below(bytes.length + 1)
    if (this.#wire.readableEnded || this.#wire.destroyed) return
    this.#wire.push(bytes.subarray(0, cut))
    this.#wire.push(bytes.subarray(cut))
  }

  #anyFrame(): Buffer {
    const random = this.#random
    // Of one that is idle seldom: that ends the connection.
    const next = random.below(50) === 0 ? 3 : 1
    const id = 1 + 2 * random.below(Math.max(1, (this.#lastId + next) / 2))
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        this.#lastId += 2
        const end = random.below(2)
        return frame(FRAME.headers, END_HEADERS | end, this.#lastId, getFields('a.test', '/'))
      }
      case 4:
      case 5:
        return frame(FRAME.data, random.below(4) === 0 ? END_STREAM : 0, id, this.#anyContent())
      case 6:
        return frame(FRAME.windowUpdate, 0, random.below(2) * id, uint32(random.below(50_000)))
      case 7:
        return setting(4, random.below(100_000))
      case 8:
        return frame(FRAME.rstStream, 0, id, uint32(random.below(14)))
      case 9:
        return frame(FRAME.ping, random.below(2), 0, Buffer.alloc(8))
      case 10: {
        const trailers = indexed(random.below(4) === 0 ? ':path' : 'x', 'y')
        return frame(FRAME.headers, END_HEADERS | END_STREAM, id, trailers)
      }
      default:
        return setting(random.below(30) === 0 ? random.below(10) : 1, random.below(5000))
    }
  }

  #anyContent(): Buffer {
    return CONTENT.subarray(0, this.#random.below(3) === 0 ? 0 : this.#random.below(16_384))
  }
}

/** An answer that goes on by chance. */
class Exchange implements ServerSink {
  readonly #stream: ServerStream
  readonly #random: FuzzRandom
  #isFinished = false
  closes = 0

  constructor(stream: ServerStream, random: FuzzRandom) {
    this.#stream = stream
    this.#random = random
    stream.sink = this
    stream.on('data', () => assert.equal(this.closes, 0))
    stream.on('end', () => assert.ok(!stream.aborted))
  }

  step(): void {
    const stream = this.#stream
    switch (this.#random.below(8)) {
      case 0:
        stream.resume()
        break
      case 1:
        stream.pause()
        break
      case 2:
        if (!stream.headersSent) stream.inform([':status', '103', 'link', '</a>'])
        break
      case 3:
        if (!stream.headersSent) stream.respond([':status', '200', 'x', 'y'], false)
        break
      case 4:
        if (!stream.headersSent) stream.respond([':status', '204'], true)
        break
      case 5:
        if (stream.headersSent) stream.end(this.#random.below(2) === 0 ? undefined : ['a', 'b'])
        break
      case 6:
        if (this.#random.below(6) === 0) stream.destroy()
        break
      default: {
        const chunk = Buffer.from(CONTENT.subarray(0, this.#random.below(CONTENT.length)))
        if (stream.headersSent) stream.write(chunk, true)
        // It was lent.
        chunk.fill('?')
      }
    }
  }

  onFinish(): void {
    assert.ok(!this.#isFinished && this.closes === 0)
    this.#isFinished = true
  }

  onDrain(): void {
    assert.equal(this.closes, 0)
  }

  onClose(): void {
    this.closes += 1
  }
}

/** Reads what the server sends, and judges it. */
class ClientView implements FrameSink {
  readonly #reader = new FrameReader(this, {
    maxFrameSize: 16_384,
    maxBlockBytes: 65_536,
    maxContinuations: 4,
  })
  readonly #decoder = new HpackDecoder()
  readonly #streams = new Map<number, Seen>()
  #window = WINDOW
  /** The largest that was ever announced: when the server takes it up is its business. */
  #initialWindow = WINDOW

  read(bytes: Buffer): void {
    this.#reader.read(bytes)
  }

  /** A frame of ours: what it grants. */
  sent(bytes: Buffer): void {
    const id = bytes.readUInt32BE(5)
    if (bytes[3] === FRAME.windowUpdate) {
      if (id === 0) this.#window += bytes.readUInt32BE(9)
      else this.#of(id).window += bytes.readUInt32BE(9)
    } else if (bytes[3] === FRAME.settings && bytes.length > 9 && bytes.readUInt16BE(9) === 4) {
      this.#initialWindow = Math.max(this.#initialWindow, bytes.readUInt32BE(11))
    }
  }

  #of(id: number): Seen {
    let seen = this.#streams.get(id)
    if (seen === undefined) {
      seen = { window: 0, hasHead: false, isOver: false }
      this.#streams.set(id, seen)
    }
    return seen
  }

  onData(id: number, content: Buffer, flowLength: number, endStream: boolean): void {
    const seen = this.#of(id)
    assert.ok(seen.hasHead && !seen.isOver, `DATA on stream ${id}`)
    seen.window -= flowLength
    this.#window -= flowLength
    assert.ok(seen.window + this.#initialWindow >= 0, `the window of stream ${id}`)
    assert.ok(this.#window >= 0, 'the window of the connection')
    for (const byte of content) assert.equal(byte, 0x63)
    seen.isOver = endStream
  }

  onHeaders(id: number, block: Buffer, endStream: boolean): void {
    const fields = this.#decoder.decode(block, 65_536) ?? []
    const seen = this.#of(id)
    assert.ok(!seen.isOver, `HEADERS on stream ${id}`)
    if (seen.hasHead) assert.ok(endStream, 'trailers end a stream')
    else seen.hasHead = fields[1] !== '103'
    seen.isOver = endStream
  }

  onReset(id: number): void {
    this.#of(id).isOver = true
  }

  onWindowUpdate(id: number, increment: number): void {
    assert.ok(increment > 0)
    if (id !== 0) assert.ok(id % 2 === 1)
  }

  onGoaway(): void {}
  onIgnored(): void {
    assert.fail('a frame of no known type')
  }
  onPing(): void {}
  onPingAck(): void {}
  onSettings(): void {}
  onSettingsAck(): void {}
}
