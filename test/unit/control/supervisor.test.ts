/** Supervisor: greets, watches, starts anew, drains. Workers are scripted ends of a link. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { Publisher } from '../../../src/control/publisher.ts'
import { Sockets } from '../../../src/control/sockets.ts'
import { type StartedWorker, Supervisor } from '../../../src/control/supervisor.ts'
import type { WorkerStats } from '../../../src/ipc/messages.ts'
import { bindKey } from '../../../src/model/identity.ts'
import { configUpdate, recordingLog } from './fixtures.ts'
import { Scripted, SETTINGS } from './scripted-worker.ts'

function setUp(count: number, kind: StartedWorker['kind'] = 'process', failingStarts = 0) {
  const workers: Scripted[] = []
  const failedNames: string[] = []
  const { log, lines } = recordingLog()
  let now = 0
  const sockets = new Sockets()
  const publisher = new Publisher({
    sockets,
    send: (slot, outgoing) => supervisor.send(slot, outgoing),
    onSettled: () => undefined,
  })
  const supervisor: Supervisor = new Supervisor({
    count,
    build: 'b1',
    start: () => {
      failingStarts -= 1
      if (failingStarts >= 0) throw new Error('spawn ENOMEM')
      const worker = new Scripted(100 + workers.length, kind)
      workers.push(worker)
      return worker.started
    },
    settings: SETTINGS,
    greeting: () => [{ type: 'names', names: [] }],
    publisher,
    sockets,
    onNameFailed: (name) => void failedNames.push(name),
    log,
    clock: { now: () => now, monotonic: () => now },
  })
  const pass = (ms: number): void => {
    now += ms
    mock.timers.tick(ms)
  }
  const worker = (index: number): Scripted => {
    const found = workers[index]
    assert.ok(found, `worker ${index} was started`)
    return found
  }
  return { supervisor, publisher, workers, worker, pass, lines, failedNames }
}

const STATS: WorkerStats = {
  connections: 0,
  exchanges: 0,
  runtimes: 1,
  droppedLines: 0,
  loopDelayMs: { p50: 0, p99: 0, max: 0 },
  residentBytes: 0,
  cpuSeconds: 0,
}

describe('Supervisor', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
  afterEach(() => mock.timers.reset())

  it('greets with the settings first, then publishes', () => {
    const { supervisor, publisher, worker } = setUp(1)
    publisher.update(configUpdate({ generation: 1 }))
    supervisor.start()
    assert.deepEqual(worker(0).types, [], 'nothing before its hello')
    worker(0).hello()
    assert.deepEqual(worker(0).types, ['settings', 'names', 'publish'])
  })

  it('tries again when the system has no room for a process', () => {
    const { supervisor, workers, worker, pass, lines } = setUp(2, 'process', 1)
    supervisor.start()
    worker(0).hello()
    assert.deepEqual([workers.length, supervisor.up], [1, 1])
    assert.match(JSON.stringify(lines), /could not be started: spawn ENOMEM/)
    pass(100)
    worker(1).hello()
    assert.equal(supervisor.up, 2)
  })

  it('refuses a worker of another build, says so once, and serves with the others', () => {
    const { supervisor, worker, lines, pass } = setUp(2)
    supervisor.start()
    worker(0).hello()
    const before = lines.length
    for (const attempt of [1, 2, 3]) {
      worker(attempt).hello('b2')
      assert.equal(worker(attempt).killed, true)
      assert.deepEqual(worker(attempt).types, [])
      worker(attempt).end('was ended by SIGKILL')
      for (let second = 0; second < 10; second++) {
        pass(1000)
        worker(0).say({ type: 'heartbeat', stats: STATS })
      }
    }
    const refusal = /workers are gwproxy b2, this process is b1.*"gwproxy upgrade" or a restart/
    assert.equal(lines.length, before + 1, JSON.stringify(lines.slice(before)))
    assert.match(lines.at(-1)?.message ?? '', refusal)
    assert.equal(supervisor.problems.length, 1)
    assert.match(supervisor.problems[0] ?? '', refusal)
    assert.equal(supervisor.up, 1)
    // The files were put back.
    worker(4).hello()
    assert.deepEqual([supervisor.up, supervisor.problems], [2, []])
  })

  it('kills a worker that was silent for more than five beats, and only that one', () => {
    const { supervisor, worker, pass } = setUp(2)
    supervisor.start()
    worker(0).hello()
    worker(1).hello()
    const stats = { ...STATS, connections: 1 }
    for (let beat = 0; beat < 6; beat++) {
      assert.equal(worker(1).killed, false)
      worker(0).say({ type: 'heartbeat', stats })
      pass(1000)
    }
    assert.equal(worker(1).killed, true)
    assert.equal(worker(0).killed, false)
    assert.deepEqual(supervisor.workers, [{ slot: 0, pid: 100, stats, endpoints: [] }])
  })

  it('is fresh while somebody serves and nobody is silent', () => {
    const { supervisor, worker, pass } = setUp(2)
    supervisor.start()
    assert.equal(supervisor.isFresh, false, 'nobody is up')
    worker(0).hello()
    worker(1).hello()
    assert.equal(supervisor.isFresh, true)
    for (let beat = 0; beat < 3; beat++) {
      worker(0).say({ type: 'heartbeat', stats: STATS })
      pass(1000)
    }
    assert.equal(supervisor.isFresh, false, 'the other is silent')
    worker(1).end('was ended by SIGKILL')
    assert.equal(supervisor.isFresh, true, 'it is being replaced')
    worker(0).end('was ended by SIGKILL')
    assert.equal(supervisor.isFresh, false)
  })

  it('knows endpoints from the beat that told of them until the worker ends', () => {
    const { supervisor, worker } = setUp(1)
    supervisor.start()
    worker(0).hello()
    const stats = { ...STATS, connections: 1 }
    const endpoints = [{ upstream: 'u', endpoint: '10.0.0.1:80', healthy: true }]
    worker(0).say({ type: 'heartbeat', stats, endpoints })
    worker(0).say({ type: 'heartbeat', stats })
    assert.deepEqual(supervisor.workers, [{ slot: 0, pid: 100, stats, endpoints }])
    worker(0).end('exited with code 1')
    assert.deepEqual(supervisor.workers, [])
  })

  it('adds up what workers counted, also of those that ended', () => {
    const { supervisor, worker } = setUp(2)
    supervisor.start()
    const traffic = { counters: { sni_unmatched_total: [['tcp/a:1', 2] as const] }, histograms: {} }
    for (const slot of [0, 1]) {
      worker(slot).hello()
      worker(slot).say({ type: 'heartbeat', stats: STATS, traffic })
    }
    worker(0).end('exited with code 1')
    assert.deepEqual(supervisor.traffic.counter('sni_unmatched_total'), [[['tcp/a:1'], 4]])
  })

  it('does not watch the heartbeat of a worker in this process', () => {
    const { supervisor, worker, pass } = setUp(1, 'memory')
    supervisor.start()
    worker(0).hello()
    pass(60_000)
    assert.equal(worker(0).killed, false)
  })

  it('starts an ended worker again, ever later, and says so', () => {
    const { supervisor, workers, worker, pass } = setUp(1)
    supervisor.start()
    for (const delayMs of [100, 200, 400]) {
      const count = workers.length
      worker(count - 1).hello()
      worker(count - 1).end('exited with code 1')
      pass(delayMs - 1)
      assert.equal(workers.length, count)
      pass(1)
      assert.equal(workers.length, count + 1)
    }
    worker(3).hello()
    assert.deepEqual(supervisor.problems, [
      'worker 0 ended 3 times in a row; at last it exited with code 1',
    ])
    for (let beat = 0; beat < 31; beat++) {
      worker(3).say({ type: 'name-failed', name: 'x' })
      pass(1000)
    }
    assert.deepEqual(supervisor.problems, [], 'it has lived long enough')
    worker(3).end('was ended by SIGKILL')
    pass(100)
    assert.equal(workers.length, 5, 'the first delay again')
  })

  it('passes on names that fail', () => {
    const { supervisor, worker, failedNames } = setUp(1)
    supervisor.start()
    worker(0).hello()
    worker(0).say({ type: 'name-failed', name: 'db.test' })
    assert.deepEqual(failedNames, ['db.test'])
  })

  it('borrows the UDP sockets of greeted workers; what comes late is closed', async () => {
    const { supervisor, worker } = setUp(3)
    supervisor.start()
    worker(0).hello()
    worker(1).hello()
    const lend = (slot: number, turn: number, fd: number): (() => boolean) => {
      let isClosed = false
      const close = (): void => {
        isClosed = true
      }
      const bind = bindKey('udp', '127.0.0.1', fd)
      const socket = { fd, getsockname: () => 0, recvStop: () => 0, close }
      worker(slot).say({ type: 'udp-lent', turn, bind, address: '127.0.0.1' }, socket)
      return () => isClosed
    }
    const first = supervisor.lendUdp(1000)
    const isLate = lend(0, 0, 9)
    for (const slot of [0, 1]) {
      assert.deepEqual(worker(slot).received.at(-1), { type: 'lend-udp', turn: 1 })
    }
    const isHeld = lend(0, 1, 10)
    worker(0).say({ type: 'all-udp-lent', turn: 0 })
    worker(0).say({ type: 'all-udp-lent', turn: 1 })
    worker(1).end('exited with code 1')
    const sockets = await first
    assert.deepEqual(
      sockets.map(({ fd }) => fd),
      [10],
    )
    assert.deepEqual([isLate(), isHeld()], [true, false])
    sockets[0]?.close()
    assert.equal(isHeld(), true)
    void supervisor.lendUdp(1000)
    assert.deepEqual(worker(0).received.at(-1), { type: 'lend-udp', turn: 2 })
    worker(0).say({ type: 'all-udp-lent', turn: 2 })
  })

  it('closes no socket that the data plane of this process reads from', async () => {
    const { supervisor, worker } = setUp(1, 'memory')
    supervisor.start()
    worker(0).hello()
    const lent = supervisor.lendUdp(1000)
    const bind = bindKey('udp', '127.0.0.1', 53)
    const close = (): void => assert.fail('it is the only one')
    const socket = { fd: 7, getsockname: () => 0, recvStop: () => 0, close }
    worker(0).say({ type: 'udp-lent', turn: 1, bind, address: '127.0.0.1' }, socket)
    worker(0).say({ type: 'all-udp-lent', turn: 1 })
    for (const one of await lent) one.close()
  })

  it('drains: resolves when every worker has finished, and starts none anew', async () => {
    const { supervisor, workers, worker, pass } = setUp(2)
    supervisor.start()
    worker(0).hello()
    worker(1).hello()
    let done = false
    const drained = supervisor.drain(8000).then(() => {
      done = true
    })
    assert.deepEqual(worker(0).received.at(-1), { type: 'drain', deadlineMs: 8000 })
    worker(0).say({ type: 'drained' })
    worker(0).end('exited with code 0')
    pass(7000)
    await Promise.resolve()
    assert.equal(done, false)
    worker(1).say({ type: 'drained' })
    await drained
    assert.equal(workers.length, 2)
  })

  it('drains for a successor: tells when no worker has a socket left', async () => {
    const { supervisor, worker } = setUp(3)
    supervisor.start()
    for (const slot of [0, 1, 2]) worker(slot).hello()
    let released = 0
    const drained = supervisor.drain(8000, () => {
      released += 1
    })
    const told = { type: 'drain', deadlineMs: 8000, hasSuccessor: true }
    assert.deepEqual(worker(0).received.at(-1), told)
    worker(0).say({ type: 'released' })
    worker(1).end('exited with code 0')
    assert.equal(released, 0)
    worker(2).say({ type: 'released' })
    assert.equal(released, 1)
    for (const slot of [0, 2]) worker(slot).say({ type: 'drained' })
    await drained
    assert.equal(released, 1)
  })

  it('drains: cuts what is left after the deadline', async () => {
    const { supervisor, worker, pass } = setUp(1)
    supervisor.start()
    worker(0).hello()
    const drained = supervisor.drain(8000)
    pass(9000)
    await drained
    assert.equal(worker(0).killed, true)
  })
})
