/**
 * Tries the addon once before anything is built on it: a connection to ourselves is accepted, peeked
 * at, relayed to an echo, half-closed and counted, in bounded time.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../../base/clock.ts'
import { messageOf } from '../../../base/errors.ts'
import type { SocketHandle } from '../../../ipc/link.ts'
import { TimerWheel } from '../../timer-wheel.ts'
import type { Accepted } from '../accepted.ts'
import type { IoBackend, Relay } from '../backend.ts'
import { inTime } from '../../in-time.ts'
import type { Addon } from './addon.ts'
import { createNativeBackend } from './backend.ts'

/** Together 1 s. */
const LOOK_MS = 100
/** Of the relay itself, which no look shows: longer than any trial on a machine that is busy. */
const LIMIT_MS = 60_000
const PROBE = 'gwproxy'

/** undefined: it works. Otherwise what does not. */
export async function testAddon(addon: Addon): Promise<string | undefined> {
  const wheel = new TimerWheel(systemClock)
  const sockets: Socket[] = []
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', ignore))
    socket.pipe(socket)
  })
  let backend: IoBackend | undefined
  try {
    backend = createNativeBackend(addon, wheel, PROBE.length)
    await inTime(trial(backend, echo, sockets), LOOK_MS)
    return undefined
  } catch (error) {
    return messageOf(error)
  } finally {
    for (const socket of sockets) socket.destroy()
    echo.close()
    backend?.close?.()
    wheel.stop()
  }
}

async function trial(io: IoBackend, echo: Server, sockets: Socket[]): Promise<void> {
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as AddressInfo
  const bound = await bindLoopback()
  const relayed = new Promise<Relay>((resolve, reject) => {
    const listening = io.accept(bound.handle, {
      admit: () => true,
      onAccepted: (accepted) => relayTo(io, port, accepted, resolve, reject),
      onAcceptFailed: reject,
    })
    if (listening === undefined) reject(new Error('does not listen'))
  })
  bound.release()
  const client = connect({ port: bound.port, host: '127.0.0.1', allowHalfOpen: true })
  sockets.push(client.on('error', ignore))
  client.end(PROBE)
  // Together: when one fails, the other fails as well, and an error that nobody awaits is a defect.
  const [relay, answer] = await Promise.all([relayed, client.toArray()])
  const { bytesReceived, bytesSent } = relay
  const text = Buffer.concat(answer).toString()
  if (text !== PROBE || bytesReceived !== PROBE.length || bytesSent !== PROBE.length) {
    throw new Error(`"${text}", ${bytesReceived} and ${bytesSent} bytes came through`)
  }
}

function relayTo(
  io: IoBackend,
  port: number,
  downstream: Accepted,
  resolve: (relay: Relay) => void,
  reject: (error: Error) => void,
): void {
  const fail = (text: string): void => reject(new Error(text))
  const options = { tls: undefined, preface: undefined, timeoutMs: LIMIT_MS }
  downstream.watch({
    onLost: (_cause, detail) => fail(detail),
    onPeek: () => {
      const relay = { downstream, idleMs: LIMIT_MS }
      io.dial(
        { kind: 'ip', address: '127.0.0.1', port },
        { ...options, relay },
        {
          onDialFailed: (_reason, detail) => fail(detail),
          onDefect: reject,
          onConnected: (end) => {
            const joined = io.relay(downstream.takeRelayEnd(), end, LIMIT_MS, {
              onRelayEnd: (reason) => (reason === 'completed' ? resolve(joined) : fail(reason)),
              onDefect: reject,
            })
            joined.start()
          },
        },
      )
      return true
    },
  })
  downstream.peek()
}

/** A bound socket that Node does not accept from: it is closed in the tick in which it listens. */
async function bindLoopback(): Promise<{ handle: SocketHandle; port: number; release(): void }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { _handle: handle } = server as unknown as { readonly _handle: SocketHandle }
  return { handle, port: (server.address() as AddressInfo).port, release: () => server.close() }
}

function ignore(): void {}
