/** ControlPlane: what a process lends to its successor, and when it has it. */
import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { ControlPlane } from '../../../src/control/control-plane.ts'
import type { LookUp } from '../../../src/control/name-resolver.ts'
import { InheritedSockets } from '../../../src/control/inherited-sockets.ts'
import { PassedSockets } from '../../../src/control/passed-sockets.ts'
import { StatusStore } from '../../../src/control/status-store.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { bindKey } from '../../../src/model/identity.ts'
import type { BindPart, Part } from '../../../src/model/snapshot.ts'
import { applyBindResults } from '../../../src/translate/status/programmed.ts'
import { bindPart, configUpdate, digest, recordingLog } from './fixtures.ts'
import { Scripted, SETTINGS } from './scripted-worker.ts'

const DNS: BindPart = {
  ...bindPart(53),
  key: bindKey('udp', '127.0.0.1', 53),
  transport: 'udp',
  ingress: 'udp',
}
const LIMIT_MS = 5000

/** With one worker, which has said hello. */
function setUp(isSuccessor: boolean, lookUp: LookUp = () => assert.fail('no names')) {
  const worker = new Scripted(100)
  const plane = new ControlPlane({
    workers: 1,
    build: 'b1',
    startWorker: () => worker.started,
    passed: new PassedSockets({}),
    ...(isSuccessor && {
      inheritance: {
        sockets: new InheritedSockets({ sockets: [], datagrams: [] }),
        ticketRoots: [],
      },
    }),
    settings: SETTINGS,
    statusStore: new StatusStore({ applyBindResults, clock: systemClock }),
    lookUp,
    log: recordingLog().log,
    clock: systemClock,
  })
  plane.start()
  worker.hello()
  void plane.apply(configUpdate({ generation: 1, binds: [DNS] }))
  const ack = () => worker.say({ type: 'ack', generation: 1, binds: [{ bind: DNS.key }] })
  const isAsked = async () => {
    // Everything that was promised is done by then.
    await new Promise((resolve) => setImmediate(resolve))
    return worker.types.includes('lend-udp')
  }
  /** Not asked before the newest publish is answered, and then at once. */
  const lends = async (lent: Promise<unknown>): Promise<void> => {
    assert.equal(await isAsked(), false)
    ack()
    assert.equal(await isAsked(), true)
    worker.say({ type: 'all-udp-lent', turn: 1 })
    assert.deepEqual(await lent, [])
    plane.kill()
  }
  return { plane, worker, ack, isAsked, lends }
}

describe('names of upstreams', () => {
  const upstream = (name: string): Part => ({
    kind: 'upstream',
    name,
    protocol: 'tcp',
    endpoints: [{ kind: 'name', name, port: 80 }],
  })

  it('are resolved while an upstream has them, whatever else an update changes', () => {
    const asked: string[] = []
    const { plane } = setUp(false, (name) => {
      asked.push(name)
      return new Promise(() => undefined)
    })
    const take = (names: readonly string[], ports: readonly number[], gone: readonly string[]) => {
      const others = Object.fromEntries(names.map((name) => [name, upstream(name)]))
      const binds = [DNS, ...ports.map((port) => bindPart(port))]
      const update = configUpdate({ generation: asked.length + ports.length + 2, binds, others })
      void plane.apply({ ...update, gone: gone.map(digest) })
      return [...asked]
    }
    assert.deepEqual(take(['a.test'], [], []), ['a.test'])
    assert.deepEqual(take(['a.test'], [1001], []), ['a.test'])
    assert.deepEqual(take(['a.test', 'b.test'], [1001], []), ['a.test', 'b.test'])
    // One that went is asked for again when it is back: it was forgotten.
    assert.deepEqual(take(['b.test'], [1001], ['a.test']), ['a.test', 'b.test'])
    assert.deepEqual(take(['a.test', 'b.test'], [1001], []), ['a.test', 'b.test', 'a.test'])
    plane.kill()
  })
})

describe('UDP sockets for a successor', () => {
  it('are asked for when the workers serve what they were sent', async () => {
    const { plane, lends } = setUp(false)
    await lends(plane.lendUdp(LIMIT_MS))
  })

  it('are not ours while the process before this one has them', async () => {
    const { plane, worker, ack, isAsked, lends } = setUp(true)
    ack()
    assert.equal(worker.types.includes('own-udp'), false)
    const lent = plane.lendUdp(LIMIT_MS)
    assert.equal(await isAsked(), false)
    const given = plane.predecessorReleased()
    assert.equal(worker.types.includes('own-udp'), true)
    await lends(lent)
    await given
  })

  it('are not waited for without end', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const { plane, ack, isAsked } = setUp(true)
      ack()
      const refused = assert.rejects(plane.lendUdp(LIMIT_MS), { code: 'GWP_UPGRADE_FAILED' })
      mock.timers.tick(LIMIT_MS)
      await refused
      assert.equal(await isAsked(), false)
      plane.kill()
    } finally {
      mock.timers.reset()
    }
  })
})
