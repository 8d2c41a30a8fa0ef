/**
 * What a relay moves bytes between. A union by backend: only relay/ and io/ look inside. Ownership
 * of the sockets goes to the relay with the end.
 */
import type { Socket } from 'node:net'

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

/** RST where the transport knows it; a unix socket and one still connecting are just closed. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.connecting || socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

/** Ends both layers of a stream end, by FIN or by RST. */
export function closeEnd(end: StreamEnd, how: 'fin' | 'reset'): void {
  if (how === 'reset') resetSocket(end.transport)
  else end.transport.destroy()
  end.socket.destroy()
}
