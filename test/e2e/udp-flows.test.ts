/** UDP flows of the data plane: sticky, weighted, refused, evicted, expired, reloaded, drained. */
import assert from 'node:assert/strict'
import { after, before, describe, it, mock } from 'node:test'
import { FlowTable } from '../../src/data/udp/flow-table.ts'
import { LocalSocket } from '../../src/data/udp/local-socket.ts'
import { chain, DataPlane, ip, udpForward } from '../support/data-plane.ts'
import type { WeightedUpstream } from '../../src/model/upstream.ts'
import { freeUdpPort, UdpBackend, UdpClient } from '../support/udp-peers.ts'
import { until } from '../support/until.ts'

const WAIT = { timeout: 20_000 }

describe('UDP flows', () => {
  let plane: DataPlane
  let one: UdpBackend
  let two: UdpBackend
  let port: number
  const clients: UdpClient[] = []

  async function client(address?: string): Promise<UdpClient> {
    const opened = await UdpClient.open(address)
    clients.push(opened)
    return opened
  }

  function upstreams(weightOne = 1, weightTwo = 1): readonly WeightedUpstream[] {
    return [
      plane.upstream('one', [ip(one.port)], weightOne, 'udp'),
      plane.upstream('two', [ip(two.port)], weightTwo, 'udp'),
    ]
  }

  function lineOf(peer: UdpClient) {
    return plane.line((record) => record.peer === `127.0.0.1:${peer.port}`)
  }

  before(async () => {
    plane = await DataPlane.start({ limits: { udpIdleMs: 600, udpFlows: 50 } })
    one = await UdpBackend.start('one')
    two = await UdpBackend.start('two')
    port = await plane.openUdp('dns')
    await publish(...upstreams())
  })
  after(async () => {
    for (const opened of clients) opened.close()
    await plane.stop()
    await Promise.all([one.close(), two.close()])
  })

  async function publish(...backends: readonly WeightedUpstream[]): Promise<void> {
    const answer = await plane.publish({
      dns: { ingress: 'udp', chains: [chain('', udpForward(...backends), 'dns')] },
    })
    assert.equal(answer.type, 'ack')
    assert.deepEqual(answer.type === 'ack' && answer.binds[0]?.error, undefined)
  }

  for (const [where, code, name] of [
    ['as it begins', FlowTable.prototype, 'add'],
    ['with a datagram of its client', FlowTable.prototype, 'touch'],
    ['with an answer', LocalSocket.prototype, 'send'],
  ] as const) {
    it(`that bring out a defect ${where} end alone`, WAIT, async () => {
      const [peer, other] = [await client(), await client()]
      await other.ask('a', port)
      const method = mock.method(code as never, name as never) as ReturnType<typeof mock.fn>
      method.mock.mockImplementationOnce(() => {
        throw new Error('a table that is none')
      })
      peer.send('lost', port)
      if (where === 'as it begins') await until(() => method.mock.callCount() === 1)
      else {
        const { reason, detail } = await lineOf(peer)
        assert.deepEqual([reason, detail], ['internal-error', 'a table that is none'])
      }
      method.mock.restore()
      assert.match((await other.ask('b', port)).text, /:b$/)
      assert.match((await peer.ask('c', port)).text, /:c$/)
    })
  }

  it('keep their backend and end when they are silent, with one line', WAIT, async () => {
    const peer = await client()
    const first = await peer.ask('a', port)
    const name = first.text.slice(0, 3)
    assert.equal(first.from, `127.0.0.1:${port}`)
    for (const text of ['bb', 'ccc']) {
      assert.equal((await peer.ask(text, port)).text, `${name}:${text}`)
    }
    const line = await lineOf(peer)
    const { action, reason, bytesReceived, bytesSent, upstream, listener, route } = line
    assert.deepEqual(
      { action, reason, bytesReceived, bytesSent, upstream, listener, route: route?.kind },
      {
        action: 'udp-forward',
        reason: 'completed',
        bytesReceived: 6,
        bytesSent: 18,
        upstream: name,
        listener: 'Gateway/default/web/dns',
        route: 'UDPRoute',
      },
    )
    assert.ok(line.durationMs >= 600)
    assert.equal(plane.lines.filter(({ peer: text }) => text === line.peer).length, 1)
  })

  it('are shared out by weight, hundreds of one-shot ports included', WAIT, async () => {
    await publish(...upstreams(3, 1))
    const counts = { one: 0, two: 0 }
    for (let round = 0; round < 40; round++) {
      // They stay open: a port that is used again would be the flow of before.
      const peers = await Promise.all(Array.from({ length: 10 }, () => client()))
      const answers = await Promise.all(peers.map((peer) => peer.ask('q', port)))
      for (const { text } of answers) counts[text.startsWith('one') ? 'one' : 'two']++
    }
    assert.deepEqual(counts, { one: 300, two: 100 })
    await publish(...upstreams())
  })

  it('carry empty datagrams and those of the largest size', WAIT, async () => {
    const peer = await client()
    assert.equal((await peer.ask('', port)).bytes.length, 4)
    const large = Buffer.alloc(65_507 - 4, 7)
    const { bytes } = await peer.ask(large, port)
    assert.equal(bytes.length, 65_507)
    assert.ok(bytes.subarray(4).equals(large))
  })

  it('take answers from their backend alone, late and unasked ones too', WAIT, async () => {
    await publish(...upstreams(1, 0))
    const peer = await client()
    await peer.ask('hello', port)
    two.send('forged', one.lastSender)
    one.send('later', one.lastSender)
    assert.equal((await peer.receive()).text, 'later')
    await publish(...upstreams())
  })

  it('are evicted at the cap, those who talk last', WAIT, async () => {
    // Nobody is silent for too long, however slow the machine.
    const own = await DataPlane.start({ limits: { udpIdleMs: 60_000, udpFlows: 50 } })
    const at = await own.openUdp('dns')
    const backend = own.upstream('one', [ip(one.port)], 1, 'udp')
    await own.publish({ dns: { ingress: 'udp', chains: [chain('', udpForward(backend))] } })
    const talker = await client()
    await talker.ask('1', at)
    await talker.ask('2', at)
    const flow = one.lastSender
    const strangers = await Promise.all(Array.from({ length: 120 }, () => client()))
    for (const stranger of strangers) await stranger.ask('x', at)
    const { connections } = await own.stats()
    assert.ok(connections <= 50, `${connections} flows`)
    const evicted = own.lines.filter(({ reason }) => reason === 'overload')
    assert.ok(evicted.length >= 60, `${evicted.length} evicted`)
    await talker.ask('3', at)
    assert.equal(one.lastSender, flow, 'the talker kept its flow')
    await own.stop()
  })

  it('of a dead backend end; the next datagram goes to a living one', WAIT, async () => {
    const dead = await freeUdpPort()
    await publish(plane.upstream('both', [ip(dead), ip(one.port)], 1, 'udp'))
    for (let i = 0; i < 2; i++) {
      const peer = await client()
      assert.equal((await peer.askUntilAnswered('again', port)).text, 'one:again')
    }
    const refused = plane.lines.filter(({ reason }) => reason === 'connect-refused')
    assert.equal(refused.length, 1, 'the dead one is avoided from then on')
    assert.equal(refused[0]?.detail, 'ECONNREFUSED')
    await publish(...upstreams())
  })

  it('to a faulty backend drop datagrams and count them', WAIT, async () => {
    const target = { kind: 'invalid', name: 'Service/default/no:53', message: 'no such' } as const
    await publish({ weight: 1, target, filters: [] })
    const peer = await client()
    for (let i = 0; i < 3; i++) peer.send('x', port)
    const line = await lineOf(peer)
    assert.equal(line.reason, 'invalid-backend')
    assert.equal(line.detail, 'no such; 3 datagrams dropped')
    await publish(...upstreams())
  })

  it('wait for the name of their backend, and end when it has no address', WAIT, async () => {
    const endpoints = [{ kind: 'name', name: 'late.test', port: one.port }] as const
    await publish(plane.upstream('late', endpoints, 1, 'udp'))
    const peer = await client()
    const answer = peer.ask('early', port)
    plane.send({ type: 'names', names: [{ name: 'late.test', addresses: ['127.0.0.1'] }] })
    assert.equal((await answer).text, 'one:early')
    plane.send({ type: 'names', names: [{ name: 'late.test', addresses: [] }] })
    const second = await client()
    second.send('x', port)
    assert.equal((await lineOf(second)).reason, 'name-unresolved')
    await publish(...upstreams())
  })

  it('go nowhere when the backend is the listener itself', WAIT, async () => {
    await publish(plane.upstream('itself', [ip(port)], 1, 'udp'))
    const peer = await client()
    for (const text of ['a', 'b']) peer.send(text, port)
    const line = await lineOf(peer)
    assert.equal(line.reason, 'no-endpoint')
    assert.match(line.detail ?? '', /^a loop: 127\.0\.0\.1:\d+ is a UDP listener here/)
    assert.equal(plane.lines.filter(({ upstream }) => upstream === 'itself').length, 1)
    await publish(...upstreams())
  })

  it('live through a reload; new ones see the new route', WAIT, async () => {
    await publish(...upstreams(1, 0))
    const old = await client()
    assert.equal((await old.ask('a', port)).text, 'one:a')
    await publish(...upstreams(0, 1))
    assert.equal((await old.ask('b', port)).text, 'one:b')
    assert.equal((await (await client()).ask('c', port)).text, 'two:c')
    await publish(...upstreams())
  })

  it('end with their listener', WAIT, async () => {
    const peer = await client()
    await peer.ask('a', port)
    const action = udpForward(...upstreams())
    await plane.publish({ dns: { ingress: 'udp', chains: [chain('', action, 'renamed')] } })
    const line = await lineOf(peer)
    assert.deepEqual([line.reason, line.rule], ['listener-removed', 'named'])
    await plane.publish({})
    const again = await client()
    plane.giveUdp('dns')
    await publish(...upstreams())
    assert.match((await again.ask('b', port)).text, /:b$/)
  })

  it('hold no more than the drain while nothing is said', WAIT, async () => {
    const own = await DataPlane.start()
    const at = await own.openUdp('dns')
    const backend = own.upstream('one', [ip(one.port)], 1, 'udp')
    await own.publish({ dns: { ingress: 'udp', chains: [chain('', udpForward(backend))] } })
    const peer = await client()
    await peer.ask('a', at)
    own.send({ type: 'drain', deadlineMs: 10_000 })
    await peer.ask('b', at)
    const stranger = await client()
    stranger.send('c', at)
    await own.drained()
    assert.deepEqual(
      own.lines.map(({ reason, peer: text }) => [reason, text]),
      [['completed', `127.0.0.1:${peer.port}`]],
    )
  })
})
