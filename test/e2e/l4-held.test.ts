/** Held connections pin nothing of the runtimes that they outlive. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queryObjects } from 'node:v8'
import { CompiledBind, Runtime } from '../../src/data/runtime.ts'
import { chain, DataPlane, ip, passthrough } from '../support/data-plane.ts'
import { helloMessage, records, serverName } from '../support/client-hello.ts'
import { dialTcp, listenTcp, type Peer } from '../support/sockets.ts'

describe('held connections', () => {
  it('leave the runtimes of before to the garbage collector', async () => {
    const plane = await DataPlane.start()
    const backend = await listenTcp()
    const port = plane.open('tls')
    const held: Peer[] = []
    for (let generation = 0; generation < 10; generation++) {
      const upstream = plane.upstream(`generation ${generation}`, [ip(backend.port)])
      const chains = [chain('a.test', passthrough(upstream))]
      await plane.publish({ tls: { ingress: 'tls', chains } })
      const client = await dialTcp(port)
      client.socket.write(records(helloMessage({ extensions: [serverName('a.test')] })))
      await (await backend.accepted()).until(({ received }) => received.length > 0)
      held.push(client)
    }
    // Counts what is reachable after a full collection.
    assert.equal(queryObjects(Runtime, { format: 'count' }), 1)
    assert.equal(queryObjects(CompiledBind, { format: 'count' }), 1)
    assert.ok(held.every(({ closed }) => !closed))
    for (const { socket } of held) socket.destroy()
    await plane.stop()
    backend.close()
  })
})
