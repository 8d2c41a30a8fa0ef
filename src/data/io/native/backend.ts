/**
 * The backend on the relay thread: a passthrough connection is accepted, peeked at, connected and
 * relayed there, and only decided here. What ends in TLS or HTTP goes to the streams backend.
 */
import type { SocketHandle } from '../../../ipc/link.ts'
import type { Endpoint } from '../../../model/upstream.ts'
import { NativeRelay } from '../../relay/native.ts'
import type { TimerWheel } from '../../timer-wheel.ts'
import {
  type AcceptSink,
  createStreamsBackend,
  type IoBackend,
  type Listening,
} from '../backend.ts'
import { NativeAccepted } from './accepted.ts'
import type { Addon } from './addon.ts'
import { NativeDial } from './dial.ts'
import { RelayThread } from './relay-thread.ts'

/** `peekBytes` bounds the buffer of a peek. Throws when no thread or descriptor is left. */
export function createNativeBackend(addon: Addon, wheel: TimerWheel, peekBytes: number): IoBackend {
  const streams = createStreamsBackend(wheel, peekBytes)
  const thread = new RelayThread(addon)
  return {
    name: 'native',
    accept: (socket, sink) => accept(socket, sink, thread, peekBytes),
    dial: (endpoint, options, sink) => {
      const { relay, tls, preface, timeoutMs } = options
      const place = placeOf(endpoint)
      const downstream = relay?.downstream
      const isNative = downstream instanceof NativeAccepted && downstream.isNative
      if (!isNative || tls !== undefined || place === undefined) {
        return streams.dial(endpoint, options, sink)
      }
      const idleMs = relay?.idleMs ?? 0
      return new NativeDial(downstream, { ...place, preface, timeoutMs, idleMs }, sink)
    },
    relay: (downstream, upstream, idleMs, sink) => {
      if (downstream === upstream && downstream instanceof NativeAccepted) {
        return new NativeRelay(downstream, sink)
      }
      return streams.relay(downstream, upstream, idleMs, sink)
    },
    close: () => thread.close(),
  }
}

/** undefined: an address with a scope, which needs more than inet_pton. */
function placeOf(endpoint: Endpoint): { address: string; port: number } | undefined {
  if (endpoint.kind === 'unix') return { address: endpoint.path, port: 0 }
  const { address, port } = endpoint
  return address.includes('%') ? undefined : { address, port }
}

function accept(
  socket: SocketHandle,
  sink: AcceptSink,
  thread: RelayThread,
  peekBytes: number,
): Listening | undefined {
  const id = thread.listen(socket, {
    onAccepted: (facts) => {
      if (sink.admit()) sink.onAccepted(new NativeAccepted(facts, peekBytes, thread))
      else thread.cut(facts.slot, 'reset')
    },
    onAcceptFailed: (code) =>
      sink.onAcceptFailed(Object.assign(new Error(`accept ${code}`), { code })),
  })
  if (id === undefined) return undefined
  return {
    close: () => {
      thread.unlisten(id)
      socket.close()
    },
  }
}
