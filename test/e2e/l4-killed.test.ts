/**
 * Thousands of connections that die at every point of their life, by FIN and by RST, from either
 * end: each has its line, and no descriptor or handle stays behind. For every backend.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { resetSocket } from '../../src/data/io/relay-end.ts'
import { helloMessage, records, serverName } from '../support/client-hello.ts'
import { chain, DataPlane, ip, passthrough } from '../support/data-plane.ts'
import { BACKENDS } from '../support/io-harness.ts'
import { until } from '../support/until.ts'

const CONNECTIONS = 1500
const AT_ONCE = 60
const HELLO = records(helloMessage({ extensions: [serverName('a.test')] }))
const MUCH = Buffer.alloc(1.25 * 1024 * 1024, 1)

/** What the client sends last decides what the backend does. */
const BACKEND_ACTS: Readonly<Record<string, (socket: Socket) => void>> = {
  E: (socket) => socket.end('answer'),
  R: resetSocket,
  M: (socket) => socket.write(MUCH),
  '-': () => undefined,
}

type Kill = (socket: Socket) => void
const KILLS: readonly Kill[] = [(socket) => socket.destroy(), resetSocket]

/** How far a client goes before it is killed. */
const STAGES: readonly ((socket: Socket) => Promise<void>)[] = [
  async () => undefined,
  async (socket) => void socket.write(HELLO.subarray(0, 20)),
  async (socket) => {
    socket.write(HELLO.subarray(0, 20))
    await turn()
    socket.write(HELLO.subarray(20))
  },
  async (socket) => {
    socket.write(HELLO)
    await turn()
  },
  (socket) => say(socket, 'E', 'end'),
  (socket) => say(socket, 'R', 'close'),
  (socket) => say(socket, 'M', 'data'),
  async (socket) => {
    socket.write(Buffer.concat([HELLO, MUCH, Buffer.from('M')]))
    await seen(socket, 'data')
  },
  async (socket) => {
    socket.end(Buffer.concat([HELLO, Buffer.from('E')]))
    await seen(socket, 'end')
  },
  async (socket) => {
    socket.write(Buffer.concat([HELLO, Buffer.from('M')]))
    socket.pause()
    await turn()
    socket.end()
  },
]

for (const io of BACKENDS) {
  describe(`killed connections on ${io}`, () => {
    let plane: DataPlane
    let backend: Server
    let port: number

    before(async () => {
      plane = await DataPlane.start({ io })
      backend = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1')
      await once(backend, 'listening')
      port = plane.open('tls')
      const upstream = plane.upstream('b', [ip((backend.address() as AddressInfo).port)])
      const chains = [chain('a.test', passthrough(upstream))]
      await plane.publish({ tls: { ingress: 'tls', chains } })
    })

    after(async () => {
      await plane.stop()
      backend.close()
    })

    it('leave nothing', async () => {
      const start = { descriptors: descriptors(), handles: handles() }
      let next = 0
      const one = async (): Promise<void> => {
        while (next < CONNECTIONS) await live(port, next++)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, one))
      await plane.lineCount(CONNECTIONS)
      await until(
        () => descriptors() <= start.descriptors && handles() <= start.handles,
        () => `${descriptors()} descriptors, ${handles()} handles; before ${JSON.stringify(start)}`,
      )
      assert.equal(plane.lines.length, CONNECTIONS)
      assert.equal((await plane.stats()).connections, 0)
      const reasons = new Set(plane.lines.map(({ reason }) => reason))
      for (const reason of [
        'client-closed',
        'client-reset',
        'upstream-reset',
        'completed',
      ] as const) {
        assert.ok(reasons.has(reason), `none ended as ${reason}`)
      }
      assert.ok(!reasons.has('internal-error'))
    })
  })
}

async function live(port: number, index: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  socket.on('data', () => undefined)
  const closed = seen(socket, 'close')
  await seen(socket, 'connect')
  const stage = STAGES[index % STAGES.length]
  const kill = KILLS[Math.floor(index / STAGES.length) % KILLS.length]
  await Promise.race([stage?.(socket), closed])
  kill?.(socket)
  await closed
}

async function say(socket: Socket, act: string, until: string): Promise<void> {
  socket.write(Buffer.concat([HELLO, Buffer.from(act)]))
  await seen(socket, until)
}

/** Unlike `once`, also of a socket that is reset meanwhile. */
function seen(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve) => socket.once(event, () => resolve()))
}

function serve(socket: Socket): void {
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => BACKEND_ACTS[String.fromCharCode(chunk.at(-1) ?? 0)]?.(socket))
  socket.on('end', () => socket.end())
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** TCP handles of this process that are open. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length
}
