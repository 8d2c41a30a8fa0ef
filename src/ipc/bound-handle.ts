/**
 * A TCP socket that is bound and not accepting: what control holds and what travels to workers.
 * Only the worker's end turns it into a listening server, so control never accepts a connection.
 * Why this handle and not `net.Server` or `net.BoundSocket`: ADR 0001.
 */
import * as net from 'node:net'
import type { ControlMessage } from './messages.ts'

/** Node's own TCP handle, as node:cluster shares it between processes. */
export interface NativeTcpHandle {
  /** Fills `address` and `port`; 0, or a negative errno: a bind that failed may tell so only here. */
  getsockname(out: { address?: string; port?: number }): number
  /** Closes this process's descriptor; idempotent. */
  close(): void
}

/** Control's form of a socket. A listening server is taken as it is. */
export type BoundHandle = NativeTcpHandle | net.Server

export interface Delivery {
  readonly message: ControlMessage
  readonly socket: net.Server | undefined
}

/** Connections that the kernel queues while no worker accepts; capped by net.core.somaxconn. */
const BACKLOG = 4096

/**
 * What the worker's handler gets for a message and the handle beside it. The socket accepts from
 * the next turn of the event loop on, so a `connection` handler set at once misses nothing. When
 * listen(2) fails (another process took the address between our bind and the first listen), the
 * worker is told as if control had not been able to bind.
 */
export function receive(message: ControlMessage, handle: BoundHandle | undefined): Delivery {
  if (message.type !== 'socket' || handle === undefined) return { message, socket: undefined }
  const socket = handle instanceof net.Server ? handle : listenOn(handle)
  if (socket !== undefined) return { message, socket }
  const error = { errno: 'EADDRINUSE', message: 'another process took the address' }
  return {
    message: { type: 'socket-failed', result: { bind: message.bind, error } },
    socket: undefined,
  }
}

/** Half-open, since a relay carries a half-close through. */
function listenOn(handle: NativeTcpHandle): net.Server | undefined {
  const server = net.createServer({ allowHalfOpen: true })
  // `listening` tells a failure at once; its event would only repeat that.
  const ignore = (): void => undefined
  server.on('error', ignore)
  server.listen(handle, BACKLOG)
  if (!server.listening) return undefined
  server.off('error', ignore)
  return server
}
