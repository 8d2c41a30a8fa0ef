/** Plain TCP peers for end-to-end tests: every socket is watched, nothing waits by sleeping. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface Listening {
  readonly server: Server
  readonly port: number
  /** The next connection that the server accepts. */
  accepted(): Promise<Peer>
  close(): void
}

/** A socket with its history. */
export class Peer {
  readonly socket: Socket
  #chunks: Buffer[] = []
  /** Of all bytes that it received. */
  length = 0
  ended = false
  error: NodeJS.ErrnoException | undefined
  closed = false
  readonly #waiters: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.length += chunk.length
      this.#wake()
    })
    socket.on('end', () => {
      this.ended = true
      this.#wake()
    })
    socket.on('error', (error) => {
      this.error = error
      this.#wake()
    })
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  /** Lets go of what it has received. */
  forget(): void {
    this.#chunks = []
  }

  resumed(): this {
    this.socket.resume()
    return this
  }

  /** Resolves as soon as `fits`; checked with every event of the socket. */
  async until(fits: (peer: Peer) => boolean): Promise<this> {
    while (!fits(this)) {
      if (this.closed) throw new Error(`closed before: ${fits}; received ${this.text}`)
      await this.#news()
    }
    return this
  }

  /** The next event of the socket. */
  changes(): Promise<void> {
    return this.#news()
  }

  receives(text: string): Promise<this> {
    return this.until((peer) => peer.text.includes(text))
  }

  ends(): Promise<this> {
    return this.until((peer) => peer.ended)
  }

  async closes(): Promise<this> {
    while (!this.closed) await this.#news()
    return this
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve()
  }
}

/** A TCP server on a free port of the loopback; half-open, as peers may be. */
export async function listenTcp(path?: string): Promise<Listening> {
  const server = createServer({ allowHalfOpen: true })
  const waiting: Peer[] = []
  const takers: ((peer: Peer) => void)[] = []
  server.on('connection', (socket) => {
    const peer = new Peer(socket)
    const taker = takers.shift()
    if (taker === undefined) waiting.push(peer)
    else taker(peer)
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  const peers = (): Promise<Peer> => {
    const peer = waiting.shift()
    return peer === undefined
      ? new Promise((resolve) => takers.push(resolve))
      : Promise.resolve(peer)
  }
  return {
    server,
    port: path === undefined ? (server.address() as AddressInfo).port : 0,
    accepted: peers,
    close: () => void server.close(),
  }
}

/** A client that is still connecting: what becomes of it is in its history. */
export function startTcp(port: number): Peer {
  return new Peer(connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }))
}

/** A connected client that does not answer a FIN by itself. */
export async function dialTcp(port: number): Promise<Peer> {
  const peer = startTcp(port)
  await once(peer.socket, 'connect')
  return peer
}
