/** Publisher and UDP: one worker is told to own a bind, another when that one is gone. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Publisher, type Settlement } from '../../../src/control/publisher.ts'
import { Sockets } from '../../../src/control/sockets.ts'
import { bindKey } from '../../../src/model/identity.ts'
import type { BindPart } from '../../../src/model/snapshot.ts'
import { bindPart, configUpdate } from './fixtures.ts'

const DNS: BindPart = {
  ...bindPart(53),
  key: bindKey('udp', '127.0.0.1', 53),
  transport: 'udp',
  ingress: 'udp',
}

function setUp() {
  const sent: string[] = []
  const settlements: Settlement[] = []
  const publisher = new Publisher({
    sockets: new Sockets(() => assert.fail('control binds no UDP')),
    send: (slot, { message }) =>
      void sent.push(
        `${slot} ${message.type}${message.type === 'own-udp' ? ` ${message.bind}` : ''}`,
      ),
    onSettled: (settlement) => void settlements.push(settlement),
  })
  publisher.joined(0, [])
  publisher.joined(1, [])
  const ack = (slot: number, generation: number, ...errnos: string[]): void => {
    const binds = errnos.map((errno) => ({ bind: DNS.key, error: { errno, message: errno } }))
    publisher.answered(slot, { type: 'ack', generation, binds })
  }
  return { publisher, settlements, ack, take: () => sent.splice(0) }
}

describe('Publisher and UDP', () => {
  it('names one owner, once, and publishes to all', () => {
    const { publisher, take, ack } = setUp()
    publisher.update(configUpdate({ generation: 1, binds: [DNS] }))
    assert.deepEqual(take(), [`0 own-udp ${DNS.key}`, '0 publish', '1 publish'])
    ack(0, 1)
    ack(1, 1)
    const more = configUpdate({
      generation: 2,
      binds: [DNS, { ...DNS, key: bindKey('udp', '::', 54) }],
    })
    publisher.update(more)
    assert.deepEqual(take(), ['0 publish', '1 own-udp udp/[::]:54', '1 publish'])
  })

  it('moves a bind when its owner is gone, and settles with the new one', () => {
    const { publisher, settlements, take, ack } = setUp()
    publisher.update(configUpdate({ generation: 1, binds: [DNS] }))
    ack(0, 1)
    ack(1, 1)
    take()
    publisher.left(0)
    assert.deepEqual(take(), [`1 own-udp ${DNS.key}`, '1 publish'])
    assert.equal(publisher.settlement, undefined, 'nobody serves it yet')
    ack(1, 1)
    assert.deepEqual(settlements.at(-1)?.results, [{ bind: DNS.key }])
    publisher.joined(0, [])
    assert.deepEqual(take(), ['0 publish'], 'the successor does not take it back')
  })

  it('asks again when an answer holds no longer', () => {
    const { publisher, settlements, take, ack } = setUp()
    publisher.update(configUpdate({ generation: 1, binds: [DNS] }))
    ack(0, 1, 'EADDRINUSE')
    ack(1, 1)
    assert.equal(settlements.at(-1)?.results[0]?.error?.errno, 'EADDRINUSE')
    take()
    publisher.bindsChanged()
    assert.deepEqual(take(), ['0 publish', '1 publish'])
    ack(0, 1)
    ack(1, 1)
    assert.deepEqual(settlements.at(-1)?.results, [{ bind: DNS.key }])
  })

  it('asks again when another worker has let go of what it overlapped', () => {
    const { publisher, settlements, take, ack } = setUp()
    const everywhere = { ...DNS, address: '::', key: bindKey('udp', '::', 53) }
    publisher.update(configUpdate({ generation: 1, binds: [everywhere] }))
    ack(0, 1)
    ack(1, 1)
    publisher.update(configUpdate({ generation: 2, binds: [DNS] }))
    take()
    ack(1, 2, 'EADDRINUSE')
    ack(0, 2)
    assert.deepEqual(take(), ['0 publish', '1 publish'])
    assert.equal(settlements.length, 1, 'nobody is told of a failure that is over')
    ack(0, 2)
    ack(1, 2)
    assert.deepEqual(settlements.at(-1)?.results, [{ bind: DNS.key }])
    publisher.update(configUpdate({ generation: 3, binds: [DNS, everywhere], sent: [DNS.key] }))
    take()
    ack(0, 3)
    ack(1, 3, 'EADDRINUSE')
    assert.deepEqual(take(), [], 'nothing was let go: it stays with the answer')
    assert.equal(settlements.length, 3)
  })
})
