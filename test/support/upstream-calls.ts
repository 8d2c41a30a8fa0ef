/** Calls of an upstream client as plain results, and peers that answer by a script. */
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { Http1Client } from '../../src/data/http/client-h1.ts'
import { Http2Client } from '../../src/data/http/client-h2.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamRequest,
} from '../../src/data/http/upstream-client.ts'
import { TimerWheel } from '../../src/data/timer-wheel.ts'
import type { Endpoint } from '../../src/model/upstream.ts'
import { NodeHttp2Client } from './node-h2-client.ts'
import { UndiciClient } from './undici-client.ts'

export const CLIENTS = {
  own: Http1Client,
  undici: UndiciClient,
  'own h2': Http2Client,
  nghttp2: NodeHttp2Client,
}

export function clientOf(
  kind: keyof typeof CLIENTS,
  port: number,
  clock: Clock = systemClock,
): UpstreamClient {
  const endpoint: Endpoint = { kind: 'ip', address: '127.0.0.1', port }
  const wheel = new TimerWheel(clock)
  return new CLIENTS[kind](endpoint, {
    connectMs: 5000,
    headerBytes: 16_384,
    wheel,
    tls: undefined,
  })
}

export const GET: UpstreamRequest = {
  method: 'GET',
  target: '/path?query',
  host: 'a.test',
  fields: ['X-One', '1', 'x-one', '2'],
  body: undefined,
  contentLength: undefined,
  websocket: false,
}

export interface Result {
  readonly informations: (readonly [number, readonly string[]])[]
  status?: number
  fields?: readonly string[]
  body: string
  trailers?: readonly string[]
  /** `end`, `upgrade`, or the reason of the failure. */
  outcome: string
  unsent?: boolean
  isWhole?: boolean
}

export interface Running {
  readonly call: UpstreamCall
  readonly result: Result
  readonly over: Promise<Result>
}

export function begin(client: UpstreamClient, request: UpstreamRequest): Running {
  const result: Result = { informations: [], body: '', outcome: '' }
  const { promise, resolve } = Promise.withResolvers<Result>()
  const end = (outcome: string) => {
    result.outcome += outcome
    resolve(result)
  }
  const call = client.request(request, {
    onConnected: () => {},
    onInformation: (status, fields) => void result.informations.push([status, fields]),
    onHead: (status, fields, isWhole) => Object.assign(result, { status, fields, isWhole }),
    onData: (chunk) => {
      result.body += Buffer.from(chunk).toString('latin1')
    },
    onEnd: (trailers) => {
      result.trailers = trailers
      end('end')
    },
    onUpgrade: (fields, socket) => {
      result.fields = fields
      socket.destroy()
      end('upgrade')
    },
    onError: ({ reason, unsent }) => {
      result.unsent = unsent
      end(reason)
    },
    onDefect: (error) => {
      throw error
    },
  })
  return { call, result, over: promise }
}

/** A segment of bytes, or what becomes of the connection. `pause`: the next segment comes apart. */
export type Step = string | { readonly then: 'end' | 'reset' | 'pause' }

export const END: Step = { then: 'end' }
export const RESET: Step = { then: 'reset' }
export const PAUSE: Step = { then: 'pause' }

export interface Peer extends Disposable {
  readonly port: number
  readonly connections: () => number
  /** Each request's bytes, as they came. */
  readonly requests: string[]
}

/** Answers the nth request of all connections with the nth script, the last one again and again. */
export async function scriptedPeer(...scripts: (readonly Step[])[]): Promise<Peer> {
  const sockets: net.Socket[] = []
  const requests: string[] = []
  let answered = 0
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.push(socket)
    let text = ''
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (chunk: string) => {
      text += chunk
      if (!/\r\n\r\n/.test(text)) return
      requests.push(text)
      text = ''
      const script = scripts[Math.min(answered, scripts.length - 1)] ?? []
      answered += 1
      void play(socket, script)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as net.AddressInfo).port,
    connections: () => sockets.length,
    requests,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

async function play(socket: net.Socket, script: readonly Step[]): Promise<void> {
  for (const step of script) {
    if (typeof step === 'string') socket.write(step, 'latin1')
    else if (step.then === 'end') socket.end()
    else if (step.then === 'reset') socket.resetAndDestroy()
    // Both ends run here: in a few turns the segment before is read.
    else for (let i = 0; i < 8; i += 1) await turn()
  }
}
