/** Publisher and ledgers: only what is lacking travels, and statuses wait for every live worker. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BindFunction } from '../../../src/control/sockets.ts'
import { Sockets } from '../../../src/control/sockets.ts'
import { Publisher, type Settlement } from '../../../src/control/publisher.ts'
import type { ControlMessage } from '../../../src/ipc/messages.ts'
import { bindKey } from '../../../src/model/identity.ts'
import { bindPart, certificate, configUpdate, digest, upstream } from './fixtures.ts'

const A = bindPart(1001)
const B = bindPart(1002)

interface Sent {
  readonly slot: number
  readonly message: ControlMessage
  readonly withSocket: boolean
}

function setUp(workers: number) {
  const busy = new Set<number>()
  const closed: number[] = []
  const bind: BindFunction = (_address, port) =>
    busy.has(port)
      ? { kind: 'failed', error: { errno: 'EADDRINUSE', message: `${port} is taken` } }
      : {
          kind: 'bound',
          port,
          handle: { fd: 3, getsockname: () => 0, close: () => void closed.push(port) },
        }
  const sent: Sent[] = []
  const settlements: Settlement[] = []
  const publisher = new Publisher({
    sockets: new Sockets(bind),
    send: (slot, { message, socketOf }) =>
      void sent.push({ slot, message, withSocket: socketOf !== undefined }),
    onSettled: (settlement) => void settlements.push(settlement),
  })
  for (let slot = 0; slot < workers; slot++) publisher.joined(slot, [])
  const take = (): string[] => sent.splice(0).map(describeSent)
  const ack = (slot: number, generation: number): void =>
    publisher.answered(slot, { type: 'ack', generation, binds: [] })
  return { publisher, busy, closed, settlements, sent, take, ack }
}

function describeSent({ slot, message, withSocket }: Sent): string {
  switch (message.type) {
    case 'publish': {
      const parts = message.parts.map(([name]) => name).join(',')
      const keys = message.keys.map(({ keyId }) => keyId).join(',')
      return `${slot} publish ${message.manifest.generation} [${parts}] [${keys}]`
    }
    case 'socket':
      return `${slot} socket ${message.bind}${withSocket ? '' : ' WITHOUT HANDLE'}`
    case 'socket-failed':
      return `${slot} failed ${message.result.bind} ${message.result.error?.errno}`
    default:
      return `${slot} ${message.type}`
  }
}

describe('Publisher', () => {
  it('hands over sockets before the publish, and each part and key once', () => {
    const { publisher, take, ack } = setUp(1)
    const key = { keyId: digest('k1'), privateKeyPem: 'secret' }
    const others = { cert: certificate('k1') }
    publisher.update(configUpdate({ generation: 1, binds: [A], others, keys: [key] }))
    assert.deepEqual(take(), [
      '0 socket tcp/127.0.0.1:1001',
      '0 publish 1 [cert,tcp/127.0.0.1:1001] [k1]',
    ])
    ack(0, 1)
    publisher.update(
      configUpdate({
        generation: 2,
        binds: [A, B],
        others: { ...others, up: upstream('x.test') },
        sent: ['cert', A.key],
      }),
    )
    assert.deepEqual(take(), [
      '0 socket tcp/127.0.0.1:1002',
      '0 publish 2 [tcp/127.0.0.1:1002,up] []',
    ])
  })

  it('publishes nothing when the digest is the same', () => {
    const { publisher, take, ack } = setUp(1)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    ack(0, 1)
    take()
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    assert.deepEqual(take(), [])
    assert.equal(publisher.settlement?.generation, 1)
  })

  it('has one publication in flight for each worker and skips to the newest', () => {
    const { publisher, take, ack, settlements } = setUp(2)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    take()
    publisher.update(configUpdate({ generation: 2, binds: [B] }))
    publisher.update(configUpdate({ generation: 3, binds: [A, B], sent: [B.key] }))
    assert.deepEqual(take(), [], 'both still work on generation 1')
    ack(0, 1)
    assert.deepEqual(take(), ['0 socket tcp/127.0.0.1:1002', '0 publish 3 [tcp/127.0.0.1:1002] []'])
    ack(0, 3)
    assert.equal(settlements.length, 0, 'worker 1 has answered nothing yet')
    ack(1, 1)
    ack(1, 3)
    assert.deepEqual(
      settlements.map(({ generation }) => generation),
      [3],
    )
  })

  it('closes the socket of a bind that left only after every worker acked', () => {
    const { publisher, closed, ack } = setUp(2)
    publisher.update(configUpdate({ generation: 1, binds: [A, B] }))
    ack(0, 1)
    ack(1, 1)
    publisher.update(configUpdate({ generation: 2, binds: [B], sent: [B.key] }))
    ack(0, 2)
    assert.deepEqual(closed, [])
    ack(1, 2)
    assert.deepEqual(closed, [1001])
  })

  it('a refusal keeps the old sockets, names every bind, and the next publish repeats the parts', () => {
    const { publisher, closed, ack, settlements, take } = setUp(1)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    ack(0, 1)
    take()
    publisher.update(configUpdate({ generation: 2, binds: [B] }))
    publisher.answered(0, { type: 'nack', generation: 2, message: 'no compile' })
    assert.deepEqual(closed, [])
    const settled = settlements.at(-1)
    assert.deepEqual(settled?.refusals, ['no compile'])
    assert.match(settled?.results[0]?.error?.message ?? '', /no compile/)
    take()
    publisher.update(
      configUpdate({ generation: 3, binds: [B], others: { up: upstream('x') }, sent: [B.key] }),
    )
    assert.deepEqual(take(), ['0 publish 3 [tcp/127.0.0.1:1002,up] []'])
  })

  it('a bind that fails is told to workers, tried again, and published when it opens', () => {
    const { publisher, busy, ack, settlements, take } = setUp(1)
    busy.add(1001)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    assert.deepEqual(take(), [
      '0 failed tcp/127.0.0.1:1001 EADDRINUSE',
      '0 publish 1 [tcp/127.0.0.1:1001] []',
    ])
    publisher.answered(0, {
      type: 'ack',
      generation: 1,
      binds: [{ bind: A.key, error: { errno: 'EADDRINUSE', message: '1001 is taken' } }],
    })
    assert.equal(settlements.at(-1)?.results[0]?.error?.errno, 'EADDRINUSE')
    publisher.retrySockets()
    assert.deepEqual(take(), [], 'still taken: nothing to say')
    busy.clear()
    publisher.retrySockets()
    assert.deepEqual(take(), ['0 socket tcp/127.0.0.1:1001', '0 publish 1 [] []'])
    ack(0, 1)
    assert.deepEqual(settlements.at(-1)?.results, [{ bind: A.key }])
  })

  it('a new bind that overlapped an old one opens as soon as the old one is closed', () => {
    const { publisher, busy, ack, take, closed, settlements } = setUp(1)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    ack(0, 1)
    take()
    const wildcard = bindPart(1001, '::')
    busy.add(1001)
    publisher.update(configUpdate({ generation: 2, binds: [wildcard] }))
    assert.equal(take()[0], `0 failed ${bindKey('tcp', '::', 1001)} EADDRINUSE`)
    busy.clear()
    ack(0, 2)
    assert.deepEqual(closed, [1001])
    assert.deepEqual(take(), ['0 socket tcp/[::]:1001', '0 publish 2 [] []'])
    assert.equal(settlements.length, 1, 'nobody is told of a failure that is over')
    ack(0, 2)
    assert.deepEqual(settlements.at(-1)?.results, [{ bind: wildcard.key }])
  })

  it('waits for workers that start, and not for those that are gone', () => {
    const { publisher, ack, settlements } = setUp(1)
    publisher.starting(1)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    ack(0, 1)
    assert.equal(settlements.length, 0)
    publisher.left(1)
    assert.equal(settlements.length, 1)
  })

  it('gives a restarted worker everything anew', () => {
    const { publisher, ack, take } = setUp(1)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    ack(0, 1)
    take()
    publisher.left(0)
    publisher.joined(0, [])
    assert.deepEqual(take(), ['0 socket tcp/127.0.0.1:1001', '0 publish 1 [tcp/127.0.0.1:1001] []'])
  })

  it('sends a worker that says what it holds only the rest', () => {
    const { publisher, take } = setUp(0)
    publisher.update(configUpdate({ generation: 1, binds: [A], others: { up: upstream('x') } }))
    publisher.joined(0, [digest('up')])
    assert.equal(take().at(-1), '0 publish 1 [tcp/127.0.0.1:1001] []')
  })

  it('a worker whose bind failed makes the result an error, whatever the others say', () => {
    const { publisher, ack, settlements } = setUp(2)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    ack(0, 1)
    const error = { errno: 'EADDRINUSE', message: 'taken' }
    publisher.answered(1, { type: 'ack', generation: 1, binds: [{ bind: A.key, error }] })
    assert.deepEqual(settlements.at(-1)?.results, [{ bind: A.key, error }])
  })

  it('a socket on which a worker could not listen is handed over again until it can', () => {
    const { publisher, ack, take, settlements } = setUp(1)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    const error = { errno: 'EADDRINUSE', message: 'another process took the address' }
    const failed = [{ bind: A.key, error }]
    publisher.answered(0, { type: 'ack', generation: 1, binds: failed })
    for (let round = 0; round < 2; round++) {
      take()
      publisher.retrySockets()
      assert.deepEqual(take(), ['0 socket tcp/127.0.0.1:1001', '0 publish 1 [] []'])
      publisher.answered(0, { type: 'ack', generation: 1, binds: failed })
    }
    publisher.retrySockets()
    ack(0, 1)
    assert.deepEqual(settlements.at(-1)?.results, [{ bind: A.key }])
    take()
    publisher.retrySockets()
    assert.deepEqual(take(), [])
  })

  it('an update that lacks a part is our defect, and what serves stays', () => {
    const { publisher, ack } = setUp(1)
    publisher.update(configUpdate({ generation: 1, binds: [A] }))
    ack(0, 1)
    assert.throws(
      () => publisher.update(configUpdate({ generation: 2, binds: [B], sent: [B.key] })),
      { code: 'GWP_DEFECT_INVARIANT' },
    )
    assert.equal(publisher.settlement?.generation, 1)
  })
})
