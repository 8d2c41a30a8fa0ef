/** UDP clients and backends for tests, over node:dgram. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/** A port that nobody had a moment ago. */
export async function freeUdpPort(address = '127.0.0.1'): Promise<number> {
  const socket = await boundSocket(address)
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Answers each datagram with its name and the datagram; remembers whom it heard. */
export class UdpBackend {
  readonly port: number
  /** `port` of each sender, in the order of their datagrams. */
  readonly senders: number[] = []
  readonly #socket: Socket

  static async start(
    name: string,
    port = 0,
    answers = true,
    address = '127.0.0.1',
  ): Promise<UdpBackend> {
    return new UdpBackend(name, await boundSocket(address, port), answers)
  }

  private constructor(name: string, socket: Socket, answers: boolean) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (datagram, from) => {
      this.senders.push(from.port)
      const answer = Buffer.concat([Buffer.from(`${name}:`), datagram])
      if (answers) socket.send(answer, from.port, from.address)
    })
  }

  get lastSender(): number {
    return this.senders.at(-1) ?? 0
  }

  /** To the flow with this port. */
  send(text: string, port: number): void {
    this.#socket.send(text, port, '127.0.0.1')
  }

  async close(): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }
}

export interface Answer {
  readonly text: string
  readonly bytes: Buffer
  /** Whom it came from. */
  readonly from: string
}

/** One client address: each is a flow of its own. */
export class UdpClient {
  readonly port: number
  readonly #socket: Socket
  readonly #answers: Answer[] = []
  readonly #waiting: ((answer: Answer) => void)[] = []

  static async open(address = '127.0.0.1'): Promise<UdpClient> {
    return new UdpClient(await boundSocket(address))
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
      const answer = { bytes, text: bytes.toString(), from: `${from.address}:${from.port}` }
      const next = this.#waiting.shift()
      if (next === undefined) this.#answers.push(answer)
      else next(answer)
    })
  }

  send(data: string | Buffer, port: number, address = '127.0.0.1'): void {
    this.#socket.send(data, port, address)
  }

  /** The next answer, past or future. */
  receive(): Promise<Answer> {
    const answer = this.#answers.shift()
    if (answer !== undefined) return Promise.resolve(answer)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async ask(data: string | Buffer, port: number, address = '127.0.0.1'): Promise<Answer> {
    this.send(data, port, address)
    return await this.receive()
  }

  /** Sends again every 100 ms until an answer comes: across a restart datagrams are lost. */
  async askUntilAnswered(data: string, port: number, address = '127.0.0.1'): Promise<Answer> {
    const repeat = setInterval(() => this.send(data, port, address), 100)
    try {
      return await this.ask(data, port, address)
    } finally {
      clearInterval(repeat)
    }
  }

  close(): void {
    this.#socket.close()
  }
}

async function boundSocket(address: string, port = 0): Promise<Socket> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  socket.bind(port, address)
  await once(socket, 'listening')
  return socket
}
