/**
 * Connects a raw TCP handle to a literal address in bounded time. Owns the handle until it is
 * connected, or for good when it fails.
 */
import type { Endpoint } from '../../../model/upstream.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../../timer-wheel.ts'
import { type DialOptions, type DialSink, dialReason } from '../dial.ts'
import { NO_BYTES } from '../relay-end.ts'
import {
  type ConnectRequest,
  closeHandle,
  errnoName,
  type Native,
  type TcpHandle,
  type WriteRequest,
} from './native.ts'

const kDial = Symbol('dial')

interface DialRequest extends ConnectRequest, WriteRequest {
  [kDial]?: RawDial
}

type IpEndpoint = Extract<Endpoint, { readonly kind: 'ip' }>

/** One attempt. Exactly one call to the sink, later than the constructor, unless cancelled. */
export class RawDial implements TimerSink {
  readonly #native: Native
  readonly #sink: DialSink
  readonly #preface: Buffer | undefined
  readonly #handle: TcpHandle
  readonly #deadline: Deadline
  #over = false

  constructor(
    { address, port }: IpEndpoint,
    { preface, timeoutMs }: Pick<DialOptions, 'preface' | 'timeoutMs'>,
    native: Native,
    wheel: TimerWheel,
    sink: DialSink,
  ) {
    this.#native = native
    this.#sink = sink
    this.#preface = preface
    this.#deadline = new Deadline(wheel, this)
    this.#deadline.arm(timeoutMs)
    this.#handle = native.createSocket()
    const request: DialRequest = new native.ConnectRequest()
    request[kDial] = this
    request.oncomplete = onConnect
    const status = address.includes(':')
      ? this.#handle.connect6(request, address, port)
      : this.#handle.connect(request, address, port)
    if (status !== 0) process.nextTick(() => this.onConnect(status))
    // Nothing is read before the connect is over; asked for now, libuv tells epoll of both at once.
    else if (preface === undefined) this.#handle.readStart()
  }

  cancel(): void {
    if (this.#over) return
    this.#end()
    closeHandle(this.#handle, 'fin')
  }

  onDeadline(): void {
    this.cancel()
    this.#sink.onDialFailed('connect-timeout', 'connect timed out')
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  onConnect(status: number): void {
    if (this.#over) return
    if (status !== 0) {
      this.#fail(status)
      return
    }
    // Keep-alive and no delay are the relay's to set: a short connection needs neither.
    if (this.#preface === undefined) this.#connected()
    else this.#write(this.#preface)
  }

  onPrefaceWritten(status: number): void {
    if (this.#over) return
    if (status === 0) this.#connected()
    else this.#fail(status)
  }

  #write(preface: Buffer): void {
    this.#handle.setNoDelay(true)
    const request: DialRequest = new this.#native.WriteRequest()
    request[kDial] = this
    request.oncomplete = onPrefaceWritten
    const status = this.#handle.writeBuffer(request, preface)
    if (status !== 0 || !this.#native.wroteLater) this.onPrefaceWritten(status)
  }

  #connected(): void {
    this.#end()
    const delays = this.#preface === undefined
    const handle = this.#handle
    this.#sink.onConnected({ kind: 'raw', handle, head: NO_BYTES, ended: false, delays })
  }

  #fail(status: number): void {
    this.cancel()
    const errno = errnoName(status)
    this.#sink.onDialFailed(dialReason(errno), errno)
  }

  #end(): void {
    this.#over = true
    this.#deadline.cancel()
  }
}

function onConnect(this: DialRequest, status: number): void {
  this[kDial]?.onConnect(status)
}

function onPrefaceWritten(this: DialRequest, status: number): void {
  this[kDial]?.onPrefaceWritten(status)
}
