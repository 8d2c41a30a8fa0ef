/**
 * Tries streams on handles before anything is built on them, over a pair of sessions in memory: a
 * request with a body, an answer with a body and trailers, a reset, an answer without a body, and that
 * Node counts no stream that has gone.
 */
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { type Duplex, duplexPair } from 'node:stream'
import type { ClientSink } from './handle-contract.ts'
import { HandleServerStream, install, requestOnHandle, useHandles } from './handle-stream.ts'
import { type BindingOf, Internals } from './internals.ts'

/** Looked at in steps: an event loop that was kept busy meanwhile is no failure. */
const LOOKS = 10
const LOOK_MS = 20
const PROBE = Buffer.from('gwproxy')
const REQUEST = [
  ':method',
  'POST',
  ':path',
  '/',
  ':scheme',
  'http',
  ':authority',
  'probe',
  'a',
  'b',
]

/**
 * Throws with what does not work; Node's streams are then as they were. `bindingOf` stands for
 * `process.binding` in tests.
 */
export async function tryHandles(bindingOf?: BindingOf): Promise<void> {
  const trial = new Trial(bindingOf)
  const { promise: tooLate, reject } = Promise.withResolvers<never>()
  let looks = 0
  const timer = setInterval(() => {
    looks += 1
    if (looks === LOOKS) reject(new Error('no answer in time'))
  }, LOOK_MS)
  try {
    await Promise.race([trial.run(), tooLate])
  } catch (error) {
    trial.undo?.()
    throw new Error(`${trial.step}: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    })
  } finally {
    clearInterval(timer)
    trial.close()
  }
}

/** Two sessions that are connected. */
class Pair {
  readonly #sockets: readonly Duplex[]
  readonly client: ClientHttp2Session
  readonly server: ServerHttp2Session

  constructor() {
    const [near, far] = duplexPair()
    this.#sockets = [near, far]
    let accepted: ServerHttp2Session | undefined
    const server = createServer()
    server.on('session', (session) => {
      accepted = session
      session.on('error', ignore)
    })
    server.emit('connection', far)
    if (accepted === undefined) throw new Error('no session')
    this.server = accepted
    this.client = connect('http://probe', { createConnection: () => near })
    this.client.on('error', ignore)
  }

  close(): void {
    this.client.destroy()
    this.server.destroy()
    for (const socket of this.#sockets) socket.destroy()
  }
}

class Trial {
  readonly #bindingOf: BindingOf | undefined
  readonly #pairs: Pair[] = []
  step = 'session'
  undo: (() => void) | undefined

  constructor(bindingOf: BindingOf | undefined) {
    this.#bindingOf = bindingOf
  }

  async run(): Promise<void> {
    const own = this.#pair()
    this.step = 'internals'
    const internals = await this.#internals(own)
    this.undo = install(internals)
    const pair = this.#pair()
    await once(pair.client, 'connect')
    useHandles(pair.server)
    this.step = 'exchange'
    const echoed = await this.#exchange(pair, answer)
    expect(echoed, `response 200 b, data ${PROBE}, trailers done, end, close`)
    this.step = 'empty answer'
    const empty = await this.#exchange(pair, (stream) => {
      stream.respond([':status', '204', 'a', 'b'], { endStream: true, waitForTrailers: false })
    })
    expect(empty, 'response 204 b, end, close')
    this.step = 'reset'
    const reset = await this.#exchange(pair, (stream) => stream.destroy(new Error('reset')))
    expect(reset, 'close 2')
    this.step = 'count of streams'
    for (const one of [pair.server, pair.client]) {
      expect(String(internals.stateOf(one).streams.size), '0')
    }
  }

  close(): void {
    for (const pair of this.#pairs) pair.close()
  }

  #pair(): Pair {
    const pair = new Pair()
    this.#pairs.push(pair)
    return pair
  }

  /** Of one of Node's own streams. */
  #internals({ client, server }: Pair): Promise<Internals> {
    return new Promise((resolve, reject) => {
      server.once('stream', (stream: ServerHttp2Stream) => {
        try {
          resolve(new Internals(stream, this.#bindingOf))
        } catch (error) {
          reject(error as Error)
        }
        stream.on('error', ignore)
        stream.respond({ ':status': 204 }, { endStream: true })
      })
      client.request({ ':path': '/' }).on('error', ignore).resume()
    })
  }

  /** What the client is told, in its order. */
  #exchange(
    { client, server }: Pair,
    serve: (stream: HandleServerStream, raw: readonly string[]) => void,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      server.once('stream', (stream: unknown, _headers, _flags, raw = []) => {
        if (stream instanceof HandleServerStream) serve(stream, raw)
        else reject(new Error("Node's own stream"))
      })
      const told: string[] = []
      const sink: ClientSink = {
        onInterim: (status) => told.push(`interim ${status}`),
        onResponse: (status, raw) => told.push(`response ${status} ${fieldOf(raw, 'a')}`),
        onTrailers: (raw) => told.push(`trailers ${fieldOf(raw, 'a')}`),
        onData: (chunk) => told.push(`data ${chunk}`),
        onEnd: () => told.push('end'),
        onDrain: ignore,
        onClose: (error) => {
          told.push(error === undefined ? 'close' : `close ${stream.rstCode}`)
          resolve(told.join(', '))
        },
      }
      const stream = requestOnHandle(client, REQUEST, false, sink)
      stream.write(PROBE)
      stream.end()
    })
  }
}

/** Sends the body back, and trailers. */
function answer(stream: HandleServerStream, raw: readonly string[]): void {
  stream.sink = {
    onContent: ignore,
    onFinish: ignore,
    onDrain: ignore,
    onClose: ignore,
    onWantTrailers: () => stream.sendTrailers(['a', 'done']),
  }
  const head = [':status', '200', 'a', fieldOf(raw, 'a') ?? '']
  stream.respond(head, { endStream: false, waitForTrailers: true })
  stream.on('data', (chunk) => stream.write(chunk))
  stream.on('end', () => stream.end())
  stream.resume()
}

function fieldOf(raw: readonly string[], name: string): string | undefined {
  const at = raw.indexOf(name)
  return at === -1 ? undefined : raw[at + 1]
}

function expect(actual: string, expected: string): void {
  if (actual !== expected) throw new Error(`${actual} instead of ${expected}`)
}

function ignore(): void {}
