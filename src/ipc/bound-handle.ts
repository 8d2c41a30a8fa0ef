/**
 * A TCP socket that is bound and not accepting: what control holds and what travels to workers.
 * Only a worker listens on it, so control never accepts a connection.
 * Why this handle and not `net.Server` or `net.BoundSocket`: ADR 0001.
 */
import * as net from 'node:net'

/** Node's own TCP handle, as node:cluster shares it between processes. */
export interface NativeTcpHandle {
  /** Fills `address` and `port`; 0, or a negative errno: a bind that failed may tell so only here. */
  getsockname(out: { address?: string; port?: number }): number
  /** Closes this process's descriptor; idempotent. */
  close(): void
  /** The descriptor; -1 once closed. */
  readonly fd: number
}

/** Connections that the kernel queues while no worker accepts; capped by net.core.somaxconn. */
export const BACKLOG = 4096

/**
 * Accepts from the next turn of the event loop on, so a `connection` handler set at once misses
 * nothing; half-open, since a relay carries a half-close through. undefined: listen(2) failed, since
 * another process took the address between our bind and the first listen.
 */
export function listenOn(handle: NativeTcpHandle): net.Server | undefined {
  const server = net.createServer({ allowHalfOpen: true })
  // `listening` tells a failure at once; its event would only repeat that.
  const ignore = (): void => undefined
  server.on('error', ignore)
  server.listen(handle, BACKLOG)
  if (!server.listening) return undefined
  server.off('error', ignore)
  return server
}
