/**
 * What a relay moves bytes between. A union by backend: only relay/ and io/ look inside. Ownership
 * of the sockets goes to the relay with the end.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { assertNever } from '../../base/assert-never.ts'
import { closeHandle, type TcpHandle, wrapHandle } from './raw/native.ts'

export type RelayEnd = StreamEnd | RawEnd | NativeEnd

export interface StreamEnd {
  readonly kind: 'stream'
  /** Paused, without listeners; a TLSSocket where TLS ended here. */
  readonly socket: Socket
  /** The TCP or unix socket below, which alone can be reset; the same as `socket` without TLS. */
  readonly transport: Socket
  /** Bytes that were read from it and still have to be relayed. */
  readonly head: Buffer
}

/**
 * A TCP socket without a stream on it. No write is in flight. It may be reading: whoever takes it
 * calls `readTo`, or stops it, in the same tick.
 */
export interface RawEnd {
  readonly kind: 'raw'
  readonly handle: TcpHandle
  /** Bytes that were read from it and still have to be relayed. */
  readonly head: Buffer
  /** Its FIN was read, behind the head. */
  readonly ended: boolean
  /**
   * Nothing was written to it, and Nagle's algorithm is on. The first write does not wait for it, however
   * long (Linux looks for a small segment that is not acknowledged).
   */
  readonly delays: boolean
}

/** A connection of the relay thread; its upstream, once connected, is this end, too. */
export interface NativeEnd {
  readonly kind: 'native'
  /** Only while it has no upstream. */
  takeSocket(): { readonly socket: Socket; readonly head: Buffer }
}

export const KEEP_ALIVE_MS = 60_000
export const NO_BYTES: Buffer = Buffer.alloc(0)

/** The end as a stream, for a pair of which the other end is one. Nothing was read by its buffers. */
export function streamEnd(end: RelayEnd): StreamEnd {
  switch (end.kind) {
    case 'stream':
      return end
    case 'raw': {
      // A FIN that was read is read again.
      const socket = wrapHandle(end.handle).setKeepAlive(true, KEEP_ALIVE_MS)
      if (end.delays) socket.setNoDelay(true)
      return { kind: 'stream', socket, transport: socket, head: end.head }
    }
    case 'native': {
      const { socket, head } = end.takeSocket()
      return { kind: 'stream', socket, transport: socket, head }
    }
    default:
      return assertNever(end)
  }
}

/**
 * RST where the transport knows it; a unix socket and one still connecting are just closed, and so
 * is TLS, whose missing close_notify tells the same.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  const resettable =
    !(socket instanceof TLSSocket) && !socket.connecting && socket.remoteAddress !== undefined
  if (!resettable) socket.destroy()
  else if (isShuttingDown(socket)) socket.once('finish', () => socket.resetAndDestroy())
  else socket.resetAndDestroy()
}

/** libuv refuses a reset then, and Node would never close the descriptor (24.21, 26.12). */
function isShuttingDown({ writableEnded, writableFinished, writableLength }: Socket): boolean {
  return writableEnded && !writableFinished && writableLength === 0
}

/**
 * Ends both layers of a stream end, by FIN or by RST. The upper one later: a TLSSocket without its
 * transport frees OpenSSL's state in the same tick, and in the callback of its own handshake that
 * would be under OpenSSL's feet: the process ends by SIGSEGV (Node 24.21).
 */
export function closeEnd({ socket, transport }: StreamEnd, how: 'fin' | 'reset'): void {
  if (how === 'reset') resetSocket(transport)
  else transport.destroy()
  if (socket !== transport) setImmediate(() => socket.destroy())
}

/** Resets an end that was taken and goes to no relay. */
export function dropEnd(end: RelayEnd): void {
  switch (end.kind) {
    case 'stream':
      closeEnd(end, 'reset')
      return
    case 'raw':
      closeHandle(end.handle, 'reset')
      return
    case 'native':
      // Its Accepted still closes it.
      return
    default:
      assertNever(end)
  }
}
