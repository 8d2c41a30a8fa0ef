/** An HTTP/2 client by hand: it sends what it is told to, and keeps the frames that it gets. */
import net from 'node:net'
import { FRAME, PREFACE, SETTINGS } from './h2-frames.ts'
import { until } from './until.ts'

export interface SeenFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

const GOAWAY = 7
const OPENING = Buffer.concat([PREFACE, SETTINGS])

export class Stranger {
  readonly socket: net.Socket
  readonly frames: SeenFrame[] = []
  isClosed = false
  #rest: Buffer = Buffer.alloc(0)

  constructor(port: number, bytes: readonly Buffer[] = [], opening: Buffer = OPENING) {
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.send(opening, ...bytes)
  }

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes))
  }

  of(type: number, stream?: number): SeenFrame[] {
    return this.frames.filter(
      (one) => one.type === type && (stream === undefined || one.stream === stream),
    )
  }

  /** Content of a stream so far. */
  content(stream: number): Buffer {
    return Buffer.concat(this.of(FRAME.data, stream).map(({ payload }) => payload))
  }

  async got(type: number, stream?: number): Promise<SeenFrame> {
    await until(
      () => this.of(type, stream).length > 0 || this.isClosed,
      () => `no frame of type ${type}`,
    )
    const first = this.of(type, stream)[0]
    if (first === undefined) throw new Error(`closed without a frame of type ${type}`)
    return first
  }

  /** The last code of GOAWAY, and that the connection is closed behind it. */
  async goaway(): Promise<number> {
    await until(() => this.isClosed)
    return this.of(GOAWAY).at(-1)?.payload.readUInt32BE(4) ?? -1
  }

  async reset(stream: number): Promise<number> {
    return (await this.got(FRAME.rstStream, stream)).payload.readUInt32BE(0)
  }

  close(): void {
    this.socket.destroy()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (;;) {
      if (this.#rest.length < 9) return
      const length = this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < 9 + length) return
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5) & 0x7fff_ffff,
        payload: Buffer.from(this.#rest.subarray(9, 9 + length)),
      })
      this.#rest = this.#rest.subarray(9 + length)
    }
  }
}
