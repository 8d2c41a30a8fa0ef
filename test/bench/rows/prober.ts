/** One client with one connection at a time: which version answers, and how long it ever waited. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { PORTS } from '../site.ts'

export class Prober {
  readonly #address: string
  readonly #name: string
  readonly #isTls: boolean
  #socket: Socket | undefined
  #longest = 0

  constructor(
    address: string,
    { name, isTls }: { readonly name: string; readonly isTls: boolean },
  ) {
    this.#address = address
    this.#name = name
    this.#isTls = isTls
  }

  /** Of the requests since `startPauses()`. */
  get longestPauseMs(): number {
    return this.#longest
  }

  startPauses(): void {
    this.#longest = 0
  }

  /** `x-version` of the answer; undefined when there is none. */
  version(): Promise<string | undefined> {
    this.#socket ??= this.#open()
    const socket = this.#socket
    const begin = performance.now()
    return new Promise((resolve) => {
      let text = ''
      const done = (version: string | undefined): void => {
        socket.off('data', onData)
        socket.off('close', onClose)
        this.#longest = Math.max(this.#longest, performance.now() - begin)
        resolve(version)
      }
      const onData = (chunk: Buffer): void => {
        text += chunk.toString('latin1')
        const end = text.indexOf('\r\n\r\n')
        const length = /^content-length: (\d+)/im.exec(text)?.[1]
        if (end < 0 || length === undefined || text.length < end + 4 + Number(length)) return
        done(/^x-version: (\S+)/im.exec(text)?.[1])
      }
      const onClose = (): void => {
        this.#socket = undefined
        done(undefined)
      }
      socket.on('data', onData)
      socket.on('close', onClose)
      socket.write(`GET /1k HTTP/1.1\r\nHost: ${this.#name}\r\n\r\n`)
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #open(): Socket {
    const socket = this.#isTls
      ? connectTls({
          host: this.#address,
          port: PORTS.https,
          servername: this.#name,
          rejectUnauthorized: false,
          ALPNProtocols: ['http/1.1'],
        })
      : connect(PORTS.http, this.#address)
    socket.setNoDelay(true)
    // Refused while nobody listens yet: 'close' follows.
    socket.on('error', () => {})
    return socket
  }
}
