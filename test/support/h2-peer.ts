/** An HTTP/2 server by hand: it keeps the frames that it gets, and answers each request by a script. */
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  literal,
  PREFACE,
  SETTINGS,
  uint32,
} from './h2-frames.ts'
import { until } from './until.ts'

export interface PeerFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** Bytes, or what becomes of the connection. `pause`: what follows comes apart. */
export type H2Step = Buffer | { readonly then: 'end' | 'reset' | 'pause' }

export const H2_END: H2Step = { then: 'end' }
export const H2_RESET: H2Step = { then: 'reset' }
export const H2_PAUSE: H2Step = { then: 'pause' }

/** What a request on this stream gets. */
export type H2Script = (stream: number) => readonly H2Step[]

/** HEADERS in one frame, its fields as literals. */
export function head(stream: number, fields: Readonly<Record<string, string>>, flags = 0): Buffer {
  const block = Object.entries(fields).map(([name, value]) => literal(name, value))
  return frame(FRAME.headers, END_HEADERS | flags, stream, Buffer.concat(block))
}

export function data(stream: number, text: string | Buffer, flags = 0): Buffer {
  return frame(FRAME.data, flags, stream, Buffer.from(text))
}

export function reset(stream: number, code: number): Buffer {
  return frame(FRAME.rstStream, 0, stream, uint32(code))
}

export function goaway(lastStream: number, code: number): Buffer {
  return frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(lastStream), uint32(code)]))
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(FRAME.windowUpdate, 0, stream, uint32(increment))
}

/** `200` with this body. */
export function whole(stream: number, body: string): Buffer {
  return Buffer.concat([head(stream, { ':status': '200' }), data(stream, body, END_STREAM)])
}

export interface H2PeerOptions {
  /** Its first frame, when a connection comes; empty SETTINGS by default. */
  readonly opening?: Buffer
  /** SETTINGS and PING are left without acknowledgement. */
  readonly silent?: true
  /** Nothing is read beyond the preface. */
  readonly deaf?: true
}

export class PeerConnection {
  readonly socket: net.Socket
  readonly frames: PeerFrame[] = []
  isClosed = false
  #rest = Buffer.alloc(0)
  #prefaced = false
  readonly #options: H2PeerOptions
  readonly #onRequest: (connection: PeerConnection, stream: number) => void

  constructor(
    socket: net.Socket,
    options: H2PeerOptions,
    onRequest: (connection: PeerConnection, stream: number) => void,
  ) {
    this.socket = socket
    this.#options = options
    this.#onRequest = onRequest
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
    })
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.write(options.opening ?? SETTINGS)
  }

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes))
  }

  of(type: number, stream?: number): PeerFrame[] {
    return this.frames.filter(
      (one) => one.type === type && (stream === undefined || one.stream === stream),
    )
  }

  /** The first frame of its kind, once it has come. */
  async got(type: number, stream?: number): Promise<PeerFrame> {
    await until(
      () => this.of(type, stream).length > 0,
      () => `no frame of type ${type}`,
    )
    return this.of(type, stream)[0] as PeerFrame
  }

  async play(steps: readonly H2Step[]): Promise<void> {
    for (const step of steps) {
      if (Buffer.isBuffer(step)) this.socket.write(step)
      else if (step.then === 'end') this.socket.end()
      else if (step.then === 'reset') this.socket.resetAndDestroy()
      // Both ends run here: in a few turns the segment before is read.
      else for (let i = 0; i < 8; i += 1) await turn()
    }
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    if (!this.#prefaced) {
      if (this.#rest.length < PREFACE.length) return
      if (!this.#rest.subarray(0, PREFACE.length).equals(PREFACE)) throw new Error('no preface')
      this.#prefaced = true
      this.#rest = this.#rest.subarray(PREFACE.length)
      if (this.#options.deaf) this.socket.pause()
    }
    for (;;) {
      if (this.#rest.length < 9) return
      const end = 9 + this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < end) return
      const one = {
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5),
        payload: Buffer.from(this.#rest.subarray(9, end)),
      }
      this.#rest = this.#rest.subarray(end)
      this.#take(one)
    }
  }

  #take(one: PeerFrame): void {
    this.frames.push(one)
    if (one.type === FRAME.headers) this.#onRequest(this, one.stream)
    const asks = one.type === FRAME.settings || one.type === FRAME.ping
    if (this.#options.silent || !asks || (one.flags & 1) !== 0) return
    this.socket.write(frame(one.type, 1, 0, one.type === FRAME.ping ? one.payload : NOTHING))
  }
}

const NOTHING = Buffer.alloc(0)

export interface H2Peer extends Disposable {
  readonly port: number
  readonly connections: PeerConnection[]
  /** Of all connections. */
  readonly requests: () => number
  /** The nth connection, once it is there. */
  connection(index?: number): Promise<PeerConnection>
}

/** Answers the nth request of all connections by the nth script, the last one again and again. */
export async function h2Peer(
  scripts: readonly H2Script[],
  options: H2PeerOptions = {},
): Promise<H2Peer> {
  const connections: PeerConnection[] = []
  let answered = 0
  const server = net.createServer({ noDelay: true }, (socket) => {
    connections.push(
      new PeerConnection(socket, options, (connection, stream) => {
        const script = scripts[Math.min(answered, scripts.length - 1)]
        answered += 1
        if (script !== undefined) void connection.play(script(stream))
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as net.AddressInfo).port,
    connections,
    requests: () => answered,
    connection: async (index = 0) => {
      await until(
        () => connections.length > index,
        () => 'no connection',
      )
      return connections[index] as PeerConnection
    },
    [Symbol.dispose]: () => {
      for (const { socket } of connections) socket.destroy()
      server.close()
    },
  }
}
