/**
 * The backend on raw TCP handles. What raw handles are no use for goes to the streams backend: unix
 * sockets, TLS, and pairs of which one end is a stream.
 */
import { GwProxyError } from '../../../base/errors.ts'
import { listenOn } from '../../../ipc/bound-handle.ts'
import type { SocketHandle } from '../../../ipc/link.ts'
import { RawRelay, RawRelays } from '../../relay/raw.ts'
import type { TimerWheel } from '../../timer-wheel.ts'
import {
  type AcceptSink,
  createStreamsBackend,
  type IoBackend,
  type Listening,
} from '../backend.ts'
import { KEEP_ALIVE_MS } from '../relay-end.ts'
import { AcceptBatch } from './accept-batch.ts'
import { RawAccepted } from './accepted.ts'
import { RawDial } from './dial.ts'
import { errnoName, listeningHandle, localName, type Native } from './native.ts'

/** Of all read buffers that bulk transfers of a worker have for themselves. */
const BULK_BYTES = 64 * 1024 * 1024

/** What is bound to them has another local address with every connection. */
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** `peekBytes` bounds the buffer of a peek. */
export function createRawBackend(native: Native, wheel: TimerWheel, peekBytes: number): IoBackend {
  const streams = createStreamsBackend(wheel, peekBytes)
  const relays = new RawRelays(native, wheel, BULK_BYTES)
  return {
    name: 'raw',
    accept: (socket, sink) => accept(socket, sink, native, peekBytes),
    dial: (endpoint, options, sink) => {
      if (endpoint.kind === 'unix' || options.tls !== undefined) {
        return streams.dial(endpoint, options, sink)
      }
      return new RawDial(endpoint, options, native, wheel, sink)
    },
    relay: (downstream, upstream, idleMs, sink) => {
      if (downstream.kind === 'raw' && upstream.kind === 'raw') {
        return new RawRelay(downstream, upstream, idleMs, relays, sink)
      }
      return streams.relay(downstream, upstream, idleMs, sink)
    },
  }
}

/** The server listens and closes; what it would do with a connection is done here. */
function accept(
  socket: SocketHandle,
  sink: AcceptSink,
  native: Native,
  peekBytes: number,
): Listening | undefined {
  const server = listenOn(socket)
  if (server === undefined) return undefined
  const listening = listeningHandle(server)
  if (listening === undefined) {
    throw new GwProxyError('GWP_RUNTIME_UNSUPPORTED', 'a listening server without a handle')
  }
  // Connections inherit them (Linux), which saves each of them the calls.
  listening.setNoDelay(true)
  listening.setKeepAlive(true, KEEP_ALIVE_MS / 1000)
  const local = localName(listening)
  const own = WILDCARDS.has(local.address) ? undefined : local
  const batch = new AcceptBatch((accepted: RawAccepted) => {
    if (sink.admit()) sink.onAccepted(accepted)
    else accepted.close('reset')
  })
  listening.onconnection = (status, handle) => {
    if (status !== 0 || handle === undefined) sink.onAcceptFailed(acceptError(status))
    // Made before it is held: a client that resets meanwhile has no name any more.
    else batch.add(new RawAccepted(handle, own, peekBytes, native))
  }
  return {
    close: () => {
      batch.flush()
      server.close()
    },
  }
}

function acceptError(status: number): Error {
  const code = errnoName(status)
  return Object.assign(new Error(`accept ${code}`), { code })
}
