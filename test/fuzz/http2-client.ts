/**
 * Fuzz target: the client's side of an HTTP/2 connection. A server answers in an order that chance
 * chooses, sometimes wrongly, over a wire that now and then takes nothing, to calls that read, send and
 * give up by chance. What is told has its order, an end is told only of what was sent whole, and every
 * call hears of its close once.
 */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { ClientSession } from '../../src/data/http/h2/client-session.ts'
import type {
  ClientSink,
  ClientStream,
  SessionEnd,
  StreamLoss,
} from '../../src/data/http/h2/contract.ts'
import { TimerWheel } from '../../src/data/timer-wheel.ts'
import { FrameReader, type FrameSink } from '../../src/wire/http2/frames.ts'
import { END_STREAM, FRAME, frame, PREFACE, SETTINGS, setting } from '../support/h2-frames.ts'
import { data, goaway, head, reset, windowUpdate } from '../support/h2-peer.ts'
import type { FuzzTarget } from './campaign.ts'
import { Wire } from './http2-server.ts'
import type { FuzzRandom } from './random.ts'

export const http2Client: FuzzTarget = { name: 'http2-client', prepare }

const FIELDS = [':method', 'POST', ':path', '/', ':scheme', 'http', ':authority', 'a']
const CONTENT = Buffer.alloc(100_000, 'c')

async function prepare(): Promise<(random: FuzzRandom) => Promise<void>> {
  return async (random) => {
    const world = new World(random)
    await world.run()
  }
}

class World {
  readonly #random: FuzzRandom
  readonly #server = new ServerView()
  readonly #wire: Wire
  readonly #session: ClientSession
  readonly #wheel = new TimerWheel({ now: () => 0, monotonic: () => 0 })
  readonly #calls: Call[] = []
  readonly #ends: SessionEnd[] = []

  constructor(random: FuzzRandom) {
    this.#random = random
    this.#wire = new Wire((bytes) => this.#server.read(bytes))
    const borrows = random.below(2) === 0
    this.#session = new ClientSession(
      this.#wire as unknown as Socket,
      { headerBytes: 8192, wheel: this.#wheel, borrows },
      { onIdle: () => {}, onSessionEnd: (end) => this.#ends.push(end) },
    )
  }

  async run(): Promise<void> {
    const random = this.#random
    this.#session.start()
    this.#push(SETTINGS)
    for (let steps = random.below(60); steps > 0 && !this.#wire.destroyed; steps -= 1) {
      if (random.below(3) === 0 && this.#session.room > 0) this.#open()
      const count = 1 + random.below(4)
      this.#push(Buffer.concat(Array.from({ length: count }, () => this.#anyFrame())))
      for (const call of this.#calls) call.step()
      if (random.below(3) === 0) this.#wire.isShut = true
      else this.#wire.open()
      if (random.below(2) === 0) await turn()
    }
    this.#wire.open()
    await turn()
    if (random.below(2) === 0) this.#session.close()
    this.#wire.destroy()
    await turn()
    for (const call of this.#calls) call.stream?.resume()
    await turn()
    this.#wheel.stop()
    assert.equal(this.#ends.length, 1)
    for (const { closes } of this.#calls) assert.equal(closes, 1)
  }

  #open(): void {
    const call = new Call(this.#random)
    const endStream = this.#random.below(2) === 0
    call.stream = this.#session.open(FIELDS, endStream, call)
    this.#calls.push(call)
  }

  #push(bytes: Buffer): void {
    const cut = this.#random.below(bytes.length + 1)
    if (this.#wire.readableEnded || this.#wire.destroyed) return
    this.#wire.push(bytes.subarray(0, cut))
    this.#wire.push(bytes.subarray(cut))
  }

  #anyFrame(): Buffer {
    const random = this.#random
    const known = random.below(this.#calls.length + (random.below(60) === 0 ? 1 : 0))
    const id = 2 * known + 1
    const sent = this.#calls[known]?.sent
    const end = random.below(3) === 0 ? END_STREAM : 0
    switch (sent === undefined ? 8 + random.below(3) : random.below(11)) {
      case 0:
        return head(id, { ':status': '103' })
      case 1:
      case 2:
        sent?.ends(sent.hasHead ? END_STREAM : end)
        if (sent?.hasHead === true) return head(id, { x: 'y' }, END_STREAM)
        sent?.begins()
        return head(id, { ':status': '200' }, end)
      case 3:
      case 4:
      case 5: {
        const bytes = random.below(4) === 0 ? 0 : random.below(16_384)
        sent?.content(bytes)
        sent?.ends(end)
        return data(id, CONTENT.subarray(0, bytes), end)
      }
      case 6:
        return random.below(4) === 0 ? reset(id, random.below(14)) : windowUpdate(id, 1000)
      case 7:
        return random.below(4) === 0 ? head(id, { x: 'y' }) : windowUpdate(0, 1000)
      case 8:
        return setting(4, random.below(100_000))
      case 9:
        return frame(FRAME.ping, random.below(2), 0, Buffer.alloc(8))
      default:
        return random.below(20) === 0 ? goaway(id, random.below(2)) : setting(1, random.below(5000))
    }
  }
}

/** What the server has sent for one call. */
class Sent {
  hasHead = false
  /** Before the end. */
  bytes = 0
  isWhole = false

  begins(): void {
    this.hasHead = true
  }

  content(bytes: number): void {
    if (!this.isWhole) this.bytes += bytes
  }

  ends(flags: number): void {
    if (flags !== 0) this.isWhole = true
  }
}

class Call implements ClientSink {
  readonly #random: FuzzRandom
  readonly sent = new Sent()
  stream: ClientStream | undefined
  #isGivenUp = false
  #hasHead = false
  #isEnded = false
  #bytes = 0
  closes = 0

  constructor(random: FuzzRandom) {
    this.#random = random
  }

  step(): void {
    const { stream } = this
    switch (this.#random.below(8)) {
      case 0:
        stream?.pause()
        break
      case 1:
      case 2:
        stream?.resume()
        break
      case 3:
        stream?.end()
        break
      case 4:
        if (this.#random.below(8) !== 0) break
        this.#isGivenUp = true
        stream?.destroy()
        break
      default:
        stream?.write(CONTENT.subarray(0, this.#random.below(CONTENT.length)))
    }
  }

  onInterim(): void {
    assert.ok(!this.#hasHead && this.closes === 0)
  }

  onResponse(): void {
    assert.ok(!this.#hasHead && this.closes === 0)
    this.#hasHead = true
  }

  onTrailers(): void {
    assert.ok(this.#hasHead && !this.#isEnded && this.closes === 0)
  }

  onData(chunk: Buffer): void {
    assert.ok(this.#hasHead && !this.#isEnded)
    for (const byte of chunk) assert.equal(byte, 0x63)
    this.#bytes += chunk.length
  }

  onEnd(): void {
    assert.ok(this.#hasHead && !this.#isEnded)
    this.#isEnded = true
    assert.ok(this.sent.isWhole, 'an end that nobody sent')
    assert.equal(this.#bytes, this.sent.bytes)
  }

  onDrain(): void {
    assert.equal(this.closes, 0)
  }

  onClose(loss: StreamLoss | undefined): void {
    this.closes += 1
    if (loss !== undefined) assert.ok(!this.#isEnded || this.#isGivenUp)
  }

  onDefect(error: unknown): void {
    throw error
  }
}

/** What the client sends has to be HTTP/2, and within what a connection may have at once. */
class ServerView implements FrameSink {
  readonly #reader = new FrameReader(
    this,
    { maxFrameSize: 16_384, maxBlockBytes: 65_536, maxContinuations: 4 },
    PREFACE,
  )
  readonly #over = new Set<number>()
  #lastId = -1

  read(bytes: Buffer): void {
    this.#reader.read(bytes)
  }

  onData(id: number, content: Buffer, _flowLength: number, endStream: boolean): void {
    assert.ok(id <= this.#lastId && !this.#over.has(id), `DATA on stream ${id}`)
    for (const byte of content) assert.equal(byte, 0x63)
    if (endStream) this.#over.add(id)
  }

  onHeaders(id: number, _block: Buffer, endStream: boolean): void {
    assert.equal(id, this.#lastId + 2)
    this.#lastId = id
    if (endStream) this.#over.add(id)
  }

  onReset(id: number): void {
    assert.ok(id <= this.#lastId, `RST_STREAM on stream ${id}`)
    this.#over.add(id)
  }

  onWindowUpdate(id: number, increment: number): void {
    assert.ok(increment > 0 && id <= Math.max(this.#lastId, 0))
  }

  onGoaway(lastStream: number): void {
    assert.equal(lastStream, 0)
  }
  onIgnored(): void {
    assert.fail('a frame of no known type')
  }
  onPing(): void {}
  onPingAck(): void {}
  onSettings(): void {}
  onSettingsAck(): void {}
}
