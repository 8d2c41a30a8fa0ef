/** A killed or hung worker under load: only what it had accepted itself is lost (ADR 0001). */
import assert from 'node:assert/strict'
import * as net from 'node:net'
import { after, before, describe, it } from 'node:test'
import { type Backend, startTcpBackend } from '../../demo/backends.ts'
import { realHello } from '../support/client-hello.ts'
import { type Daemon, type LogLine, startDaemon } from '../support/daemon.ts'
import { backendRef, gateway, service, tlsListener, tlsRoute, yaml } from '../support/manifests.ts'
import { isStopped } from '../support/processes.ts'
import { until } from '../support/until.ts'

const CLIENTS = 8
const KILLS = 4

interface Tally {
  served: number
  /** Ended by the other side after the connection was there. */
  cut: number
  /** Refused, or never answered: nobody took it. */
  lost: string[]
}

describe('a daemon with two workers', () => {
  let backend: Backend
  let daemon: Daemon
  let hello: Buffer

  before(async () => {
    hello = await realHello({ servername: 'echo.test' })
    backend = await startTcpBackend('echo')
    daemon = await startDaemon({
      workers: 2,
      files: {
        'all.yaml': yaml(
          gateway([tlsListener('pass', 8443, undefined, 'passthrough')]),
          tlsRoute('echo', ['*.test'], [backendRef('echo')]),
          ...service('echo', 80, [backend]),
        ),
      },
    })
  })

  after(async () => {
    assert.equal(await daemon.stop(), 0)
    await backend.close()
  })

  /** One connection: hello, the backend's first bytes, the end. */
  function connectOnce(tally: Tally): Promise<void> {
    const socket = net.connect(8443, daemon.address)
    let connected = false
    let problem = 'closed before it was connected'
    socket.setTimeout(5000, () => {
      connected = false
      socket.destroy(new Error('nobody answered within 5 s'))
    })
    socket.on('connect', () => {
      connected = true
      socket.write(hello)
    })
    socket.on('error', ({ message }) => {
      problem = message
    })
    return new Promise((resolve) => {
      let served = false
      socket.on('data', () => {
        served = true
        socket.destroy()
      })
      socket.on('close', () => {
        if (served) tally.served += 1
        else if (connected) tally.cut += 1
        else tally.lost.push(problem)
        resolve()
      })
      socket.on('end', () => socket.destroy())
    })
  }

  function workerStarted(slot: number, but: ReadonlySet<unknown>): Promise<LogLine> {
    return daemon.line(
      (line) =>
        line['msg'] === 'worker started' && line['worker'] === slot && !but.has(line['pid']),
      `the start of worker ${slot}`,
    )
  }

  it('loses nothing that waits when workers are killed', async () => {
    const tally: Tally = { served: 0, cut: 0, lost: [] }
    let stop = false
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!stop) await connectOnce(tally)
    })
    const dead = new Set<unknown>()
    for (let kill = 0; kill < KILLS; kill++) {
      const slot = kill % 2
      const victim = await workerStarted(slot, dead)
      dead.add(victim['pid'])
      process.kill(Number(victim['pid']), 'SIGKILL')
      await workerStarted(slot, dead)
    }
    stop = true
    await Promise.all(clients)
    assert.deepEqual(tally.lost, [])
    assert.ok(tally.cut <= CLIENTS * KILLS, `${tally.cut} connections were cut`)
    assert.ok(tally.served > CLIENTS * KILLS, `${tally.served} connections were served`)
  })

  it('serves with the other while one hangs, and replaces that', async () => {
    const running = daemon.lines.filter((line) => line['msg'] === 'worker started')
    const victim = running.findLast((line) => line['worker'] === 0)
    assert.ok(victim)
    const pid = Number(victim['pid'])
    process.kill(pid, 'SIGSTOP')
    await until(() => isStopped(pid))
    const tally: Tally = { served: 0, cut: 0, lost: [] }
    for (let i = 0; i < 50; i++) await connectOnce(tally)
    assert.deepEqual(tally, { served: 50, cut: 0, lost: [] })
    const ended = await daemon.line((line) => line['pid'] === victim['pid'] && 'silentMs' in line)
    assert.equal(ended['silentMs'], 5000)
    const seen = new Set(daemon.lines.map((line) => line['pid']))
    await workerStarted(0, seen)
    const report = await daemon.reload()
    assert.equal(report.applied, true)
  })
})
