/**
 * What a relay moves bytes between. A union by backend: only relay/ and io/ look inside. Ownership
 * of the sockets goes to the relay with the end.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export type RelayEnd = StreamEnd

export interface StreamEnd {
  readonly kind: 'stream'
  /** Paused, without listeners; a TLSSocket where TLS ended here. */
  readonly socket: Socket
  /** The TCP or unix socket below, which alone can be reset; the same as `socket` without TLS. */
  readonly transport: Socket
  /** Bytes that were read from it and still have to be relayed. */
  readonly head: Buffer
}

export const NO_BYTES: Buffer = Buffer.alloc(0)

/**
 * RST where the transport knows it; a unix socket and one still connecting are just closed, and so
 * is TLS, whose missing close_notify tells the same.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  const resettable =
    !(socket instanceof TLSSocket) && !socket.connecting && socket.remoteAddress !== undefined
  if (resettable) socket.resetAndDestroy()
  else socket.destroy()
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
