/**
 * The contract of `data/io`, for every backend: two ends joined. Also for a pair of which one end
 * was taken as a socket, as after TLS.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { heldBytes } from '../support/held-memory.ts'
import { BACKENDS, IoHarness, type Pair, type PairOptions } from '../support/io-harness.ts'
import type { Peer } from '../support/sockets.ts'
import { until, untilStill } from '../support/until.ts'

/** security.md section 3: memory per stalled L4 connection; a bulk buffer each way is within it. */
const STALLED_LIMIT = 512 * 1024
/** Beyond the first MiB a direction reads in another way. */
const BULK = Buffer.alloc(8 * 1024 * 1024)
for (let i = 0; i < BULK.length; i += 4) BULK.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i)

/** Whether the timer of keep-alive runs for the socket that `peer` is connected to (proc(5), tcp). */
function isKeptAlive({ remotePort = 0, localPort = 0 }: Socket): boolean {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  const [own, other] = [hex(remotePort), hex(localPort)]
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .some((line) => {
      const [, local = '', remote = '', , , timer = ''] = line.trim().split(/\s+/)
      return local.endsWith(`:${own}`) && remote.endsWith(`:${other}`) && timer.startsWith('02:')
    })
}

const KINDS = [
  ...BACKENDS.map((name) => ({ title: name, name, isStream: false })),
  ...BACKENDS.slice(1).map((name) => {
    return { title: `${name}, with a stream on one side`, name, isStream: true }
  }),
]

for (const { title, name, isStream } of KINDS) {
  describe(`relayed by ${title}`, () => {
    let harness: IoHarness

    before(async () => {
      harness = await IoHarness.open(name)
    })

    after(() => harness.close())

    async function started(options: PairOptions = {}): Promise<Pair> {
      const pair = await harness.pair({ isStream, ...options })
      pair.relay.start()
      return pair
    }

    it('carries the half-close of either side, and what comes after it', async () => {
      for (const first of ['client', 'server'] as const) {
        const pair = await started()
        const second = first === 'client' ? 'server' : 'client'
        pair[first].socket.end('question')
        await pair[second].ends()
        assert.equal(pair[second].text, 'question')
        pair[second].socket.write('part one, ')
        await pair[first].receives('part one, ')
        pair[second].socket.end('part two')
        assert.equal(await pair.over, 'completed')
        await Promise.all([pair.client.closes(), pair.server.closes()])
        assert.equal(pair[first].text, 'part one, part two')
        const { bytesReceived, bytesSent } = pair.relay
        assert.deepEqual([bytesReceived, bytesSent], first === 'client' ? [8, 18] : [18, 8])
        assert.deepEqual([pair.client.error, pair.server.error], [undefined, undefined])
      }
    })

    it('carries a reset either way', async () => {
      for (const [from, to, reason] of [
        ['client', 'server', 'client-reset'],
        ['server', 'client', 'upstream-reset'],
      ] as const) {
        const pair = await started()
        pair[from].socket.write('x')
        await pair[to].receives('x')
        pair[from].socket.resetAndDestroy()
        await pair[to].closes()
        assert.equal(pair[to].error?.code, 'ECONNRESET')
        assert.equal(await pair.over, reason)
      }
    })

    // What moves bytes in the relay thread is not ours to break here.
    it('a defect costs this pair alone', { skip: name === 'native' && !isStream }, async () => {
      const other = await started()
      const pair = await started()
      const defect = new Error('a clock that stands')
      // As a relay looks at the time with whatever it is told.
      Object.defineProperty(harness.wheel, 'now', {
        configurable: true,
        get: () => {
          throw defect
        },
      })
      pair.client.socket.write('x')
      await Promise.all([pair.client.closes(), pair.server.closes()])
      Reflect.deleteProperty(harness.wheel, 'now')
      assert.ok(pair.defects.length > 0)
      assert.ok(pair.defects.every((error) => error === defect))
      assert.equal(pair.told(), 0)
      other.client.socket.end('still there')
      await other.server.ends()
      assert.equal(other.server.text, 'still there')
      other.server.socket.end()
      assert.equal(await other.over, 'completed')
    })

    it('carries a reset also behind a FIN', async () => {
      const pair = await started()
      pair.client.socket.end('bye')
      await pair.server.ends()
      pair.server.socket.write('x')
      await pair.client.receives('x')
      pair.server.socket.resetAndDestroy()
      assert.equal(await pair.over, 'upstream-reset')
      await pair.client.closes()
      assert.equal(pair.client.error?.code, 'ECONNRESET')
    })

    it('begins with the head, and a FIN that came before', async () => {
      const pair = await started({ before: peekedToTheEnd })
      await pair.server.ends()
      assert.equal(pair.server.text, 'head and tail')
      pair.server.socket.end('answer')
      await pair.client.receives('answer')
      assert.equal(await pair.over, 'completed')
      assert.deepEqual([pair.relay.bytesReceived, pair.relay.bytesSent], [13, 6])
    })

    it('moves megabytes both ways at once, with readers that rest', async () => {
      const { client, server, over } = await started()
      const rests = [client, server].map(restless)
      client.socket.end(BULK)
      server.socket.end(BULK)
      assert.equal(await over, 'completed')
      await Promise.all([client.closes(), server.closes()])
      for (const rest of rests) clearInterval(rest)
      assert.ok(server.received.equals(BULK))
      assert.ok(client.received.equals(BULK))
    })

    it('bounds what it holds of a pair that is stalled both ways', async () => {
      const pair = await started()
      const { client, server, relay } = pair
      // Both directions have their largest buffers already.
      for (const peer of [client, server]) peer.socket.write(BULK)
      await until(() => server.length >= BULK.length && client.length >= BULK.length)
      client.forget()
      server.forget()
      const flood = Buffer.alloc(32 * 1024 * 1024)
      client.socket.pause()
      server.socket.pause()
      const before = heldBytes()
      client.socket.write(flood)
      server.socket.write(flood)
      await untilStill(() => relay.bytesReceived + relay.bytesSent)
      assert.ok(relay.bytesReceived < flood.length, `${relay.bytesReceived} bytes went through`)
      await until(
        () => heldBytes() - before <= STALLED_LIMIT,
        () => `${heldBytes() - before} bytes are held`,
      )
      relay.stop('reset')
      await Promise.all([client.resumed().closes(), server.resumed().closes()])
    })

    it('ends when a peer resets while what it is sent cannot be written', async () => {
      for (const [from, to, reason] of [
        ['server', 'client', 'upstream-reset'],
        ['client', 'server', 'client-reset'],
      ] as const) {
        const pair = await started()
        pair[from].socket.pause()
        pair[to].socket.write(Buffer.alloc(32 * 1024 * 1024))
        await untilStill(() => pair.relay.bytesReceived + pair.relay.bytesSent, 200)
        pair[from].socket.resetAndDestroy()
        assert.equal(await pair.over, reason)
        await pair[to].closes()
        assert.ok(['ECONNRESET', 'EPIPE'].includes(pair[to].error?.code ?? ''))
      }
    })

    it('cuts a pair that is idle for the whole limit, and not one that is not', async () => {
      // Ten pulses: a test's process may stand still for some of them.
      const idle = await started({ idleMs: 500 })
      const busy = await started({ idleMs: 500 })
      const pulse = setInterval(() => busy.client.socket.write('.'), 50)
      assert.equal(await idle.over, 'idle-timeout')
      await Promise.all([idle.client.closes(), idle.server.closes()])
      assert.equal(idle.client.error?.code, 'ECONNRESET')
      assert.equal(idle.server.error?.code, 'ECONNRESET')
      await busy.server.until(({ received }) => received.length >= 20)
      assert.equal(busy.client.closed, false)
      clearInterval(pulse)
      busy.relay.stop('reset')
    })

    it('has both sockets kept alive by the kernel, once it lasts', async () => {
      // Looked at when the limit is over for the first time; a test's process may stand still for seconds of it.
      const pair = await started({ idleMs: 2000 })
      // The kernel tells of one timer: of each pulse's acknowledgement, which may take 40 ms, first.
      const pulse = setInterval(() => pair.client.socket.write('.'), 330)
      const { client, server } = pair
      try {
        await until(() => isKeptAlive(client.socket) && isKeptAlive(server.socket))
      } finally {
        clearInterval(pulse)
        pair.relay.stop('reset')
      }
    })

    it('ends at once when an end was lost before it began', async () => {
      const pair = await harness.pair({ isStream })
      pair.client.socket.resetAndDestroy()
      await once(pair.client.socket, 'close')
      await new Promise((resolve) => setTimeout(resolve, 20))
      pair.relay.start()
      assert.equal(await pair.over, 'client-reset')
      await pair.server.closes()
    })

    it('tells its sink once, and nothing after stop', async () => {
      for (const how of ['fin', 'reset'] as const) {
        const pair = await started()
        pair.client.socket.write('x')
        await pair.server.receives('x')
        pair.relay.stop(how)
        pair.relay.stop(how)
        await (how === 'fin' ? pair.client.ends() : pair.client.closes())
        await (how === 'fin' ? pair.server.ends() : pair.server.closes())
        assert.equal(pair.client.error?.code, how === 'fin' ? undefined : 'ECONNRESET')
        pair.client.socket.end()
        pair.server.socket.end()
        await Promise.all([pair.client.closes(), pair.server.closes()])
        assert.equal(pair.told(), 0)
      }
    })

    it('can be stopped while a FIN is on its way', async () => {
      const pair = await harness.pair({ isStream, before: peekedToTheEnd })
      pair.relay.start()
      pair.relay.stop('reset')
      // Who has read a FIN finds the reset only by writing.
      const pulse = setInterval(() => pair.server.socket.write('x'), 10)
      await Promise.all([pair.client.closes(), pair.server.closes()])
      clearInterval(pulse)
      assert.equal(pair.told(), 0)
    })
  })
}

/** Leaves a head and a FIN behind. */
async function peekedToTheEnd(client: Peer, held: Pair['held']): Promise<void> {
  held.isEnough = () => true
  held.accepted.peek()
  client.socket.write('head')
  await held.until(({ peeks }) => peeks.length === 1)
  client.socket.end(' and tail')
  await once(client.socket, 'finish')
  await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Pauses for a moment again and again, so that its sender has to wait. */
function restless(peer: Peer): NodeJS.Timeout {
  return setInterval(() => {
    if (peer.socket.isPaused()) peer.socket.resume()
    else peer.socket.pause()
  }, 7)
}
