/**
 * A UDP socket that is bound and not read from: what control keeps of systemd's, and what travels to
 * the worker that owns the bind. Datagrams wait in the kernel until somebody reads. node:dgram takes
 * such a handle in `bind`, as node:cluster gives it one, and has no public way to get at it.
 */
import dgram, { type Socket } from 'node:dgram'
import { GwProxyError } from '../base/errors.ts'

export interface NativeUdpHandle {
  /** Fills `address` and `port`; 0, or a negative errno. */
  getsockname(out: { address?: string; port?: number }): number
  /** What comes from now on waits in the kernel. */
  recvStop(): number
  close(): void
  /** The descriptor; -1 once closed. */
  readonly fd: number
}

/** A UDP socket that came with the process. undefined: it is something else, and left alone. */
export function openUdp(fd: number): NativeUdpHandle | undefined {
  // The family is of no consequence before something is sent.
  const socket = dgram.createSocket('udp4')
  socket.on('error', () => undefined)
  try {
    socket.bind({ fd })
    const handle = nativeHandleOf(socket)
    // Nothing was read: that takes a turn of the event loop.
    handle.recvStop()
    return handle
  } catch {
    return undefined
  }
}

/** @throws GwProxyError GWP_RUNTIME_UNSUPPORTED when this Node keeps it elsewhere */
export function nativeHandleOf(socket: Socket): NativeUdpHandle {
  const state = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  )
  const { handle } = (socket as unknown as Record<symbol, { handle?: NativeUdpHandle }>)[
    state ?? Symbol()
  ] ?? { handle: undefined }
  if (typeof handle?.recvStop === 'function') return handle
  throw new GwProxyError(
    'GWP_RUNTIME_UNSUPPORTED',
    `Node.js ${process.version} offers no way to hand a UDP socket on; use Node.js 24`,
  )
}
