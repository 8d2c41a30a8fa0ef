/** The link between processes: hello, handles in order with messages, the end of either side. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import * as net from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { bindTcp } from '../../../src/control/bind-tcp.ts'
import type { WorkerLink } from '../../../src/ipc/link.ts'
import type { WorkerMessage } from '../../../src/ipc/messages.ts'
import { workerLink } from '../../../src/ipc/process-link.ts'
import { bindKey } from '../../../src/model/identity.ts'

/** Acks every message with its type, greets on sockets, and exits when control is gone. */
const ENTRY = new URL('./echo-worker.ts', import.meta.url)

const children: ChildProcess[] = []

function start(): { child: ChildProcess; link: WorkerLink; next: () => Promise<WorkerMessage> } {
  const child = fork(ENTRY, { serialization: 'advanced' })
  children.push(child)
  const link = workerLink(child)
  const inbox: WorkerMessage[] = []
  const waiting: ((message: WorkerMessage) => void)[] = []
  link.onMessage((message) => {
    const resolve = waiting.shift()
    if (resolve === undefined) inbox.push(message)
    else resolve(message)
  })
  const next = (): Promise<WorkerMessage> => {
    const message = inbox.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve) => waiting.push(resolve))
  }
  return { child, link, next }
}

async function greeting(port: number): Promise<string> {
  const client = net.connect(port, '127.0.0.1')
  const [data] = await once(client, 'data')
  client.destroy()
  return String(data)
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

describe('process-link', () => {
  it('carries messages both ways', async () => {
    const { link, next } = start()
    assert.equal((await next()).type, 'hello')
    link.send({ type: 'reopen-logs' })
    assert.deepEqual(await next(), { type: 'name-failed', name: 'reopen-logs' })
  })

  it('hands one socket to two workers; it outlives both', async () => {
    const bound = bindTcp('127.0.0.1', 0)
    assert.ok(bound.kind === 'bound')
    const key = bindKey('tcp', '127.0.0.1', bound.port)
    const workers = [start(), start()]
    for (const { link, next } of workers) {
      await next()
      link.send({ type: 'socket', bind: key }, bound.handle)
      link.send({ type: 'reopen-logs' })
      assert.deepEqual(await next(), { type: 'name-failed', name: 'socket' })
      assert.deepEqual(await next(), { type: 'name-failed', name: 'reopen-logs' }, 'in order')
    }
    const pids = workers.map(({ child }) => String(child.pid))
    assert.ok(pids.includes(await greeting(bound.port)))

    workers[0]?.child.kill('SIGKILL')
    workers[1]?.child.kill('SIGKILL')
    await Promise.all(workers.map(({ child }) => once(child, 'exit')))
    // Nobody accepts now: the connection waits in the kernel's queue for the next worker.
    const queued = greeting(bound.port)
    const successor = start()
    await successor.next()
    successor.link.send({ type: 'socket', bind: key }, bound.handle)
    assert.equal(await queued, String(successor.child.pid))
    bound.handle.close()
  })

  it('tells once that a worker ended, and how', async () => {
    const { child, link, next } = start()
    const reasons: string[] = []
    link.onClose((reason) => void reasons.push(reason))
    await next()
    child.emit('error', new Error('a signal could not be sent'))
    assert.deepEqual(reasons, [], 'it is alive')
    child.kill('SIGKILL')
    await once(child, 'exit')
    link.send({ type: 'reopen-logs' })
    assert.deepEqual(reasons, ['was ended by SIGKILL'])
  })

  it('tells a worker that control is gone', async () => {
    const { child, next } = start()
    await next()
    child.disconnect()
    const [code] = await once(child, 'exit')
    assert.equal(code, 3)
  })
})
