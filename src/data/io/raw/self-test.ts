/**
 * Tries the handles of this Node once before anything is built on them: accept, connect, write, read
 * by default and into a buffer of ours, a late net.Socket on an accepted handle, FIN. One loopback
 * connection to ourselves, in bounded time.
 */
import { createServer, type Server } from 'node:net'
import { messageOf } from '../../../base/errors.ts'
import { inTime } from '../../in-time.ts'
import {
  closeHandle,
  END_OF_FILE,
  errnoName,
  listeningHandle,
  localName,
  type Native,
  type TcpHandle,
  wrapHandle,
} from './native.ts'

/** Together 100 ms. */
const LOOK_MS = 10
const PROBE = Buffer.from('gwproxy')

/** undefined: all of it works. Otherwise what does not. */
export async function testNative(native: Native): Promise<string | undefined> {
  const trial = new Trial(native)
  try {
    await inTime(trial.run(), LOOK_MS)
    return undefined
  } catch (error) {
    return `${trial.step}: ${messageOf(error)}`
  } finally {
    trial.close()
  }
}

class Trial {
  readonly #native: Native
  readonly #server: Server = createServer()
  readonly #handles: TcpHandle[] = []
  step = 'listen'

  constructor(native: Native) {
    this.#native = native
  }

  async run(): Promise<void> {
    const port = this.#listen()
    this.step = 'connect'
    // Together, so that neither fails while nobody waits for it.
    const [client, accepted] = await Promise.all([this.#connect(port), this.#accept()])
    this.step = 'read'
    this.#write(client)
    expectProbe(await this.#read(accepted))
    accepted.readStop()
    this.step = 'net.Socket'
    const socket = wrapHandle(accepted)
    socket.pipe(socket)
    this.step = 'useUserBuffer'
    const buffer = Buffer.alloc(PROBE.length * 2)
    client.useUserBuffer(buffer)
    this.#write(client)
    const bytes = await this.#read(client)
    expectProbe(bytes ?? buffer.subarray(0, PROBE.length))
    if (bytes !== undefined) throw new Error('not used')
    this.step = 'shutdown'
    await this.#shutdown(client)
  }

  close(): void {
    this.#server.close()
    for (const handle of this.#handles) closeHandle(handle, 'fin')
  }

  #listen(): number {
    const bound = this.#native.createServer()
    check(bound.bind('127.0.0.1', 0))
    this.#server.listen(bound)
    return localName(bound).port
  }

  #accept(): Promise<TcpHandle> {
    const listening = listeningHandle(this.#server)
    return new Promise((resolve, reject) => {
      if (listening === undefined) return reject(new Error('net.Server has no handle'))
      listening.onconnection = (status, handle) => {
        if (handle === undefined) return reject(new Error(errnoName(status)))
        this.#handles.push(handle)
        resolve(handle)
      }
    })
  }

  #connect(port: number): Promise<TcpHandle> {
    const handle = this.#native.createSocket()
    this.#handles.push(handle)
    const request = new this.#native.ConnectRequest()
    return new Promise((resolve, reject) => {
      request.oncomplete = (status) => {
        handle.readStop()
        if (status === 0) resolve(handle)
        else reject(new Error(errnoName(status)))
      }
      check(handle.connect(request, '127.0.0.1', port))
      // As a dial does.
      check(handle.readStart())
    })
  }

  #write(handle: TcpHandle): void {
    check(handle.writeBuffer(new this.#native.WriteRequest(), PROBE))
    if (this.#native.wroteLater) throw new Error('a few bytes were not written at once')
  }

  /** undefined: they are in the user buffer. */
  #read(handle: TcpHandle): Promise<Uint8Array | undefined> {
    const native = this.#native
    return new Promise((resolve, reject) => {
      handle.onread = (buffer) => {
        if (native.lastRead !== PROBE.length) reject(new Error(`read ${native.lastRead}`))
        else if (buffer === undefined) resolve(undefined)
        else resolve(new Uint8Array(buffer, native.lastOffset, native.lastRead))
      }
      check(handle.readStart())
    })
  }

  /** The peer's stream answers with its FIN. */
  #shutdown(handle: TcpHandle): Promise<void> {
    const native = this.#native
    return new Promise((resolve, reject) => {
      handle.onread = () => {
        if (native.lastRead === END_OF_FILE) resolve()
        else reject(new Error(`read ${native.lastRead}`))
      }
      check(handle.shutdown(new native.ShutdownRequest()))
    })
  }
}

function check(status: number): void {
  if (status < 0) throw new Error(errnoName(status))
}

function expectProbe(bytes: Uint8Array | undefined): void {
  if (bytes === undefined || !PROBE.equals(bytes)) throw new Error('other bytes')
}
