/**
 * One local address of a UDP bind: where clients send to, and where answers leave from. Owns the
 * socket.
 */
import type { BindOptions, RemoteInfo, Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { errnoOf, messageOf } from '../../base/errors.ts'
import { type NativeUdpHandle, nativeHandleOf } from '../../ipc/datagram-handle.ts'
import { createSocket, SEND_QUEUE_BYTES } from './datagram-socket.ts'
import type { BindResult } from '../../model/status.ts'

export type BindError = NonNullable<BindResult['error']>

/** Asked of the kernel, which grants what net.core.rmem_max allows: room for bursts. */
const RECEIVE_BUFFER_BYTES = 1 << 20

export interface DatagramSink {
  onDatagram(local: LocalSocket, datagram: Buffer, from: RemoteInfo): void
}

/** Bound already. */
export interface AdoptedHandle {
  readonly handle: NativeUdpHandle
  /** Control keeps a descriptor of it. */
  readonly isKept: boolean
}

export class LocalSocket {
  /** As given, with the zone of a link-local address. */
  readonly address: string
  readonly #sink: DatagramSink
  readonly #socket: Socket
  readonly #adopted: AdoptedHandle | undefined
  #port: number
  #lent: NativeUdpHandle | undefined
  #isClosed = false

  constructor(address: string, port: number, sink: DatagramSink, adopted?: AdoptedHandle) {
    this.#adopted = adopted
    this.address = address
    this.#port = port
    this.#sink = sink
    this.#socket = createSocket(isIPv6(address.split('%')[0] ?? ''), RECEIVE_BUFFER_BYTES)
  }

  get port(): number {
    return this.#port
  }

  /** Resolves with the reason when the address cannot be bound; then the socket is closed. */
  open(): Promise<BindError | undefined> {
    const socket = this.#socket
    return new Promise((resolve) => {
      const fail = (error: unknown): void => {
        this.close()
        resolve({ errno: errnoOf(error) ?? 'UNKNOWN', message: messageOf(error) })
      }
      socket.on('error', fail)
      socket.once('listening', () => {
        this.#port = socket.address().port
        socket.on('message', (datagram, from) => this.#sink.onDatagram(this, datagram, from))
        resolve(undefined)
      })
      try {
        if (this.#adopted === undefined) {
          socket.bind({ address: this.address, port: this.#port, exclusive: true })
        } else {
          // As node:cluster gives a worker the handle of its primary; the types do not know it.
          socket.bind(this.#adopted.handle as unknown as BindOptions)
        }
      } catch (error) {
        fail(error)
      }
    })
  }

  /** False: dropped, since too much waits already. What the network refuses is lost silently. */
  send(datagram: Buffer, address: string, port: number): boolean {
    if (this.#isClosed || this.#socket.getSendQueueSize() > SEND_QUEUE_BYTES) return false
    this.#socket.send(datagram, port, address, ignore)
    return true
  }

  /** Control keeps a descriptor of it. */
  get isKept(): boolean {
    return this.#adopted?.isKept === true
  }

  /** A successor has a descriptor of it. */
  get isLent(): boolean {
    return this.#lent !== undefined
  }

  /** What a successor shall have, still read from here; undefined: closed. */
  lend(): NativeUdpHandle | undefined {
    if (!this.#isClosed) this.#lent = nativeHandleOf(this.#socket)
    return this.#lent
  }

  /** Kept or lent: what comes from now on waits in the kernel; answers still leave. */
  pause(): void {
    if (!this.#isClosed) (this.#lent ?? this.#adopted?.handle)?.recvStop()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }
}

function ignore(): void {}
