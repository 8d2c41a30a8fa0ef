/** The link inside one process behaves as one between two: in order, later, and told of its end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as net from 'node:net'
import { describe, it } from 'node:test'
import { bindTcp } from '../../../src/control/bind-tcp.ts'
import { listenOn } from '../../../src/ipc/bound-handle.ts'
import { createMemoryLink } from '../../../src/ipc/memory-link.ts'
import { bindKey } from '../../../src/model/identity.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

describe('createMemoryLink', () => {
  it('keeps messages until somebody listens, and their order', async () => {
    const { worker, control } = createMemoryLink()
    worker.send({ type: 'reopen-logs' })
    worker.send({ type: 'drain', deadlineMs: 1 })
    await turns(2)
    const seen: string[] = []
    control.onMessage(({ type }) => void seen.push(type))
    assert.deepEqual(seen, [], 'never within the call')
    await turns(3)
    assert.deepEqual(seen, ['reopen-logs', 'drain'])
  })

  it('carries answers the other way', async () => {
    const { worker, control } = createMemoryLink()
    const seen: string[] = []
    worker.onMessage(({ type }) => void seen.push(type))
    control.send({ type: 'drained' })
    await turns(2)
    assert.deepEqual(seen, ['drained'])
  })

  it('a bound handle arrives, to be listened on, half-open', async () => {
    const bound = bindTcp('127.0.0.1', 0)
    assert.ok(bound.kind === 'bound')
    const { worker, control } = createMemoryLink()
    const adopted = new Promise<net.Server>((resolve) => {
      control.onMessage((_message, socket) => {
        const server = socket && listenOn(socket)
        assert.ok(server)
        server.on('connection', (peer) => peer.on('end', () => peer.end('late')).resume())
        resolve(server)
      })
    })
    worker.send({ type: 'socket', bind: bindKey('tcp', '127.0.0.1', bound.port) }, bound.handle)
    const server = await adopted
    const client = net.connect(bound.port, '127.0.0.1')
    client.end()
    const [data] = await once(client, 'data')
    assert.equal(String(data), 'late')
    client.destroy()
    server.close()
  })

  it('close tells both ends and drops what is under way', async () => {
    const { worker, control, close } = createMemoryLink()
    const seen: string[] = []
    control.onMessage(({ type }) => void seen.push(type))
    worker.onClose((reason) => void seen.push(`worker gone: ${reason}`))
    control.onClose(() => void seen.push('control gone'))
    worker.send({ type: 'reopen-logs' })
    close('test over')
    await turns(2)
    assert.deepEqual(seen, ['worker gone: test over', 'control gone'])
  })
})
