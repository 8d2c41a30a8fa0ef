/** Too many connections, too few descriptors: newcomers are refused, the live ones notice nothing. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { chain, DataPlane, ip, tcpForward } from '../support/data-plane.ts'
import { dialTcp, listenTcp, type Peer, startTcp } from '../support/sockets.ts'

const SMALL_PLANE = join(import.meta.dirname, '../support/small-plane.ts')

describe('overload', () => {
  it('refuses over the connection limit and serves again below it', async () => {
    const plane = await DataPlane.start({ maxConnections: 3 })
    const backend = await listenTcp()
    const port = plane.open('tcp')
    const upstream = plane.upstream('b', [ip(backend.port)])
    await plane.publish({ tcp: { ingress: 'tcp', chains: [chain('', tcpForward(upstream))] } })
    const live: (readonly [Peer, Peer])[] = []
    for (let i = 0; i < 3; i++) live.push([await dialTcp(port), await backend.accepted()])
    for (let i = 0; i < 5; i++) {
      assert.equal((await startTcp(port).closes()).error?.code, 'ECONNRESET')
    }
    for (const [client, server] of live) {
      client.socket.write('alive')
      await server.receives('alive')
    }
    live[0]?.[0].socket.resetAndDestroy()
    await plane.lineCount(1)
    const next = await dialTcp(port)
    next.socket.write('welcome')
    await (await backend.accepted()).receives('welcome')
    await plane.stop()
    backend.close()
  })

  it('outlives the lack of descriptors and recovers by itself', async () => {
    const backend = await listenTcp()
    const child = spawn(
      'sh',
      ['-c', `ulimit -n 70; exec "$0" "$@"`, process.execPath, SMALL_PLANE, String(backend.port)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const port = Number(line.toString())
    backend.server.on('connection', (socket) => socket.pipe(socket))
    const clients = Array.from({ length: 80 }, () => startTcp(port))
    for (const client of clients) client.socket.write('ping')
    // Each is either served or refused; nobody is left waiting. What libuv sheds may end without a
    // reset, when it is closed before the ping has come.
    const isRefused = ({ closed, ended }: Peer): boolean => closed || ended
    await Promise.all(
      clients.map(async (client) => {
        while (!isRefused(client) && client.text !== 'ping') await client.changes()
      }),
    )
    const served = clients.filter((client) => !isRefused(client))
    assert.ok(served.length > 5 && served.length < 40, `${served.length} are served`)
    child.stdin.write('?')
    const [refused] = (await once(child.stdout, 'data')) as [Buffer]
    assert.ok(Number(refused.toString()) > 0, 'the log says overload')
    for (const { socket } of served) socket.destroy()
    const released = performance.now()
    for (let text = ''; text !== 'again'; ) {
      const again = startTcp(port)
      again.socket.write('again')
      while (!isRefused(again) && again.text !== 'again') await again.changes()
      text = again.text
      again.socket.destroy()
    }
    assert.ok(performance.now() - released < 2000)
    child.kill()
    await once(child, 'exit')
    backend.close()
  })
})
