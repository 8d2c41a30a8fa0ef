/**
 * The socket boundary (decision 4): accept, dial and relay belong together, since most of a short
 * connection's cost is in them. A worker has one backend; nothing above knows which. This file has
 * the interface and `streams`, raw/ and native/ the faster ones; choose.ts decides.
 */
import type { Socket } from 'node:net'
import { listenOn } from '../../ipc/bound-handle.ts'
import type { SocketHandle } from '../../ipc/link.ts'
import type { Endpoint } from '../../model/upstream.ts'
import { type RelaySink, StreamRelay } from '../relay/stream.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import { type Accepted, StreamAccepted } from './accepted.ts'
import { type DialOptions, type DialSink, StreamDial } from './dial.ts'
import { type RelayEnd, streamEnd } from './relay-end.ts'

export interface AcceptSink {
  /** Asked before anything is spent on a connection; false: it is reset. */
  admit(): boolean
  onAccepted(accepted: Accepted): void
  onAcceptFailed(error: Error): void
}

/** One attempt to connect. Exactly one call to its sink, unless cancelled. */
export interface Dial {
  cancel(): void
}

/** Two ends joined. Counts plain bytes from and to the downstream. */
export interface Relay {
  readonly bytesReceived: number
  readonly bytesSent: number
  start(): void
  /** Cuts both sides; the sink is not called. */
  stop(how: 'fin' | 'reset'): void
}

/** Owns the socket. */
export interface Listening {
  /** Nothing is accepted from here on; what was, was told. */
  close(): void
}

export interface IoBackend {
  readonly name: 'streams' | 'raw' | 'native'
  /** Takes the socket. undefined, and it stays the caller's: another process took the address. */
  accept(socket: SocketHandle, sink: AcceptSink): Listening | undefined
  /** With TLS the end is a TLSSocket, after a handshake of at most `timeoutMs` more. */
  dial(endpoint: Endpoint, options: DialOptions, sink: DialSink): Dial
  relay(downstream: RelayEnd, upstream: RelayEnd, idleMs: number, sink: RelaySink): Relay
  /** The worker is done: all sockets are closed. */
  close?(): void
}

/** net.Socket on both sides: public API only. `peekBytes` bounds the buffer of a peek. */
export function createStreamsBackend(wheel: TimerWheel, peekBytes: number): IoBackend {
  return {
    name: 'streams',
    accept: (handle, sink) => {
      const server = listenOn(handle)
      server?.on('connection', (socket: Socket) => {
        if (sink.admit()) sink.onAccepted(new StreamAccepted(socket, peekBytes))
        else refuse(socket)
      })
      server?.on('error', (error: Error) => sink.onAcceptFailed(error))
      return server
    },
    dial: (endpoint, options, sink) => new StreamDial(endpoint, options, wheel, sink),
    relay: (downstream, upstream, idleMs, sink) =>
      new StreamRelay(streamEnd(downstream), streamEnd(upstream), idleMs, wheel, sink),
  }
}

function refuse(socket: Socket): void {
  socket.on('error', ignore)
  socket.resetAndDestroy()
}

function ignore(): void {}
