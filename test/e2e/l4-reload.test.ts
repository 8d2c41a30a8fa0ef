/** What a reload does to live L4 connections (the table of DESIGN.md). */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ChainAction } from '../../src/model/snapshot.ts'
import { chain, DataPlane, ip, tcpForward } from '../support/data-plane.ts'
import { dialTcp, type Listening, listenTcp, type Peer, startTcp } from '../support/sockets.ts'

const HELD = 1000
const RELOADS = 50
const DRAIN_MS = 300

describe('reload', () => {
  let plane: DataPlane
  let backend: Listening

  before(async () => {
    plane = await DataPlane.start({ limits: { drainMs: DRAIN_MS } })
    backend = await listenTcp()
  })

  after(async () => {
    await plane.stop()
    backend.close()
  })

  const tcp = (action: ChainAction, listener = 'tcp') =>
    ({ ingress: 'tcp', chains: [chain('', action, listener)] }) as const

  const pair = async (port: number): Promise<readonly [client: Peer, server: Peer]> => {
    const client = await dialTcp(port)
    return [client, await backend.accepted()]
  }

  it('tells the endpoints in use once, and again when they are others', async () => {
    plane.open('told')
    const told = async (name: string): Promise<unknown> => {
      const action = tcpForward(plane.upstream(name, [ip(backend.port)]))
      await plane.publish({ told: tcp(action) })
      return (await plane.beat()).endpoints
    }
    const endpoint = { endpoint: `127.0.0.1:${backend.port}`, healthy: true }
    assert.deepEqual(await told('one'), [{ upstream: 'one', ...endpoint }])
    assert.equal((await plane.beat()).endpoints, undefined)
    assert.deepEqual(await told('two'), [{ upstream: 'two', ...endpoint }])
  })

  it('holds a thousand connections through fifty reloads with at most two runtimes', async () => {
    const port = plane.open('held')
    const to = (name: string): ChainAction => tcpForward(plane.upstream(name, [ip(backend.port)]))
    await plane.publish({ held: tcp(to('first')) })
    const pairs: (readonly [Peer, Peer])[] = []
    for (let i = 0; i < HELD; i++) pairs.push(await pair(port))
    for (let i = 0; i < RELOADS; i++) {
      const answer = await plane.publish({ held: tcp(to(`upstream ${i}`)) })
      assert.equal(answer.type, 'ack')
    }
    const stats = await plane.stats()
    assert.equal(stats.connections, HELD)
    assert.ok(stats.runtimes <= 2, `${stats.runtimes} runtimes`)
    for (const [index, [client, server]] of pairs.entries()) {
      client.socket.write(`up ${index}`)
      server.socket.write(`down ${index}`)
    }
    for (const [index, [client, server]] of pairs.entries()) {
      await server.receives(`up ${index}`)
      await client.receives(`down ${index}`)
    }
    for (const [client, server] of pairs) {
      client.socket.destroy()
      server.socket.destroy()
    }
    await plane.lineCount(HELD)
  })

  it('lets connections of a removed endpoint end by themselves', async () => {
    const port = plane.open('endpoint')
    await plane.publish({ endpoint: tcp(tcpForward(plane.upstream('gone', [ip(backend.port)]))) })
    const [client, server] = await pair(port)
    await plane.publish({ endpoint: tcp(tcpForward(plane.upstream('gone', []))) })
    const refused = await startTcp(port).closes()
    assert.equal(refused.error?.code, 'ECONNRESET')
    await new Promise((resolve) => setTimeout(resolve, DRAIN_MS * 1.5))
    client.socket.write('still here')
    await server.receives('still here')
    client.socket.destroy()
  })

  it('gives connections of a removed listener the drain deadline', async () => {
    const port = plane.open('listener')
    const action = tcpForward(plane.upstream('b', [ip(backend.port)]))
    await plane.publish({ listener: tcp(action, 'old') })
    const [client, server] = await pair(port)
    const removed = performance.now()
    await plane.publish({ listener: tcp(action, 'new') })
    client.socket.write('not cut at once')
    await server.receives('not cut at once')
    const [newcomer] = await pair(port)
    await client.closes()
    assert.ok(performance.now() - removed >= DRAIN_MS)
    assert.equal(client.error?.code, 'ECONNRESET')
    const line = await plane.line(({ listener }) => listener === 'Gateway/default/web/old')
    assert.equal(line.reason, 'listener-removed')
    assert.equal(newcomer.closed, false)
    newcomer.socket.destroy()
  })

  it('stops accepting on a removed bind and drains its connections', async () => {
    const port = plane.open('bind')
    const action = tcpForward(plane.upstream('b', [ip(backend.port)]))
    await plane.publish({ bind: tcp(action, 'bind') })
    const [client] = await pair(port)
    await plane.publish({})
    const late = await startTcp(port).closes()
    assert.equal(late.error?.code, 'ECONNREFUSED')
    await client.closes()
    const line = await plane.line(({ listener }) => listener?.endsWith('/bind') === true)
    assert.equal(line.reason, 'listener-removed')
  })

  it('serves connections that came before the first tables', async () => {
    const port = plane.open('early')
    // The link delivers in a later turn; only then does anybody listen.
    await setImmediate()
    await setImmediate()
    const client = await dialTcp(port)
    client.socket.write('early bird')
    await plane.publish({ early: tcp(tcpForward(plane.upstream('b', [ip(backend.port)]))) })
    await (await backend.accepted()).receives('early bird')
    client.socket.destroy()
  })

  it('keeps the old runtime when a part is missing, and says so', async () => {
    const port = plane.open('nack')
    const good = tcpForward(plane.upstream('b', [ip(backend.port)]))
    await plane.publish({ nack: tcp(good) })
    const unknown = { kind: 'upstream', upstream: 'unknown' as never } as const
    const answer = await plane.publish({
      nack: tcp(tcpForward({ weight: 1, target: unknown, filters: [] })),
    })
    assert.equal(answer.type, 'nack')
    const [client] = await pair(port)
    client.socket.destroy()
    assert.equal((await plane.stats()).runtimes, 1)
  })
})

describe('drain', () => {
  it('refuses newcomers, lets the live finish, resets what is left at the deadline', async () => {
    const plane = await DataPlane.start()
    const backend = await listenTcp()
    const port = plane.open('tcp')
    const action = tcpForward(plane.upstream('b', [ip(backend.port)]))
    await plane.publish({ tcp: { ingress: 'tcp', chains: [chain('', action)] } })
    const [finishing, stuck] = [await dialTcp(port), await dialTcp(port)]
    const peer = `127.0.0.1:${finishing.socket.localPort}`
    const server = await backend.accepted()
    const before = plane.lines.length
    plane.send({ type: 'drain', deadlineMs: 300 })
    // One that comes before the worker has heard of it is served, and goes by itself.
    while ((await goes(port)).error?.code !== 'ECONNREFUSED');
    finishing.socket.end('done')
    await server.receives('done')
    server.socket.end()
    await finishing.closes()
    assert.equal((await plane.line((line) => line.peer === peer, before)).reason, 'completed')
    await plane.drained()
    await stuck.closes()
    assert.equal(stuck.error?.code, 'ECONNRESET')
    assert.ok(plane.lines.some(({ reason }) => reason === 'drain-deadline'))
    backend.close()
  })
})

/** A client that leaves as soon as it is connected, or is refused. */
function goes(port: number): Promise<Peer> {
  const peer = startTcp(port)
  peer.socket.once('connect', () => peer.socket.destroy())
  return peer.closes()
}
