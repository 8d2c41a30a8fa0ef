/** The contract of `data/io`, for every backend: what is accepted, peeked at and taken. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { BACKENDS, IoHarness } from '../support/io-harness.ts'
import { dialTcp, startTcp } from '../support/sockets.ts'

for (const name of BACKENDS) {
  describe(`accepted by ${name}`, () => {
    let harness: IoHarness

    before(async () => {
      harness = await IoHarness.open(name)
    })

    after(() => harness.close())

    it('tells both addresses', async () => {
      const [client, { accepted }] = await harness.client()
      const { peerAddress, peerPort, localAddress, localPort } = accepted
      assert.deepEqual(
        [peerAddress, peerPort, localAddress, localPort],
        ['127.0.0.1', client.socket.localPort, '127.0.0.1', harness.port],
      )
      accepted.close('fin')
      await client.ends()
    })

    it('tells all of a rush, each once', async () => {
      const opened = Array.from({ length: 50 }, () => dialTcp(harness.port))
      const ports: number[] = []
      for (const _ of opened) {
        const { accepted } = await harness.accepts()
        ports.push(accepted.peerPort)
        accepted.close('fin')
      }
      const clients = await Promise.all(opened)
      for (const client of clients) await client.ends()
      const own = clients.map(({ socket }) => socket.localPort)
      assert.deepEqual(new Set(ports), new Set(own))
      assert.equal(ports.length, new Set(ports).size)
    })

    it('resets whom it does not admit', async () => {
      harness.admits = false
      const client = await startTcp(harness.port).closes()
      harness.admits = true
      assert.equal(client.error?.code, 'ECONNRESET')
    })

    it('shows all bytes of a peek after each piece, and none after enough', async () => {
      const [client, held] = await harness.client()
      held.isEnough = (bytes) => bytes.length >= 3
      held.accepted.peek()
      for (const [index, piece] of ['a', 'b', 'c'].entries()) {
        client.socket.write(piece)
        await held.until(({ peeks }) => peeks.length === index + 1)
      }
      assert.deepEqual(held.peeks, ['a', 'ab', 'abc'])
      client.socket.write('def')
      const { socket, head } = held.accepted.takeSocket()
      assert.equal(head.toString(), 'abc')
      socket.resume()
      const [more] = await once(socket, 'data')
      assert.equal(String(more), 'def')
      assert.deepEqual(held.peeks.length, 3)
      assert.equal(held.accepted.bytesReceived, 6)
      held.accepted.close('fin')
      await client.ends()
    })

    it('shows what came before the peek, and what is left after a skip', async () => {
      const [client, held] = await harness.client()
      client.socket.write('before')
      await settled()
      held.accepted.peek()
      await held.until(({ peeks }) => peeks.at(-1) === 'before')
      held.accepted.skip(2)
      held.isEnough = () => true
      client.socket.write(' after')
      await held.until(({ peeks }) => peeks.at(-1) === 'fore after')
      assert.equal(held.accepted.takeSocket().head.toString(), 'fore after')
      held.accepted.close('fin')
      await client.ends()
    })

    it('tells a FIN during a peek, once', async () => {
      const [client, held] = await harness.client()
      held.accepted.peek()
      client.socket.end('only this')
      await held.until(({ lost }) => lost !== undefined)
      assert.deepEqual(held.peeks, ['only this'])
      assert.equal(held.lost?.cause, 'ended')
      held.accepted.close('fin')
      await client.closes()
      assert.equal(client.error, undefined)
    })

    it('tells a FIN that came before the peek', async () => {
      const [client, held] = await harness.client()
      client.socket.end('early')
      await once(client.socket, 'finish')
      await settled()
      held.accepted.peek()
      await held.until(({ lost }) => lost !== undefined)
      assert.deepEqual([held.peeks, held.lost?.cause], [['early'], 'ended'])
      held.accepted.close('reset')
      await client.closes()
    })

    it('tells a reset, during a peek and while nobody looks', async () => {
      for (const peeks of [true, false]) {
        const [client, held] = await harness.client()
        if (peeks) held.accepted.peek()
        client.socket.resetAndDestroy()
        await held.until(({ lost }) => lost !== undefined)
        assert.deepEqual(held.lost, { cause: 'reset', detail: 'ECONNRESET' })
        held.accepted.close('reset')
      }
    })

    it('reads only so much while nobody looks', async () => {
      const [client, held] = await harness.client()
      const flood = Buffer.alloc(32 * 1024 * 1024)
      client.socket.write(flood)
      let before = -1
      // A backend may read nothing at all before the peek.
      for (let look = 0; look < 4 || held.accepted.bytesReceived !== before; look++) {
        before = held.accepted.bytesReceived
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      assert.ok(before <= 256 * 1024, `${before} bytes were read`)
      held.accepted.close('reset')
      await client.closes()
    })

    it('gives a socket that is half-open, with a FIN that came already', async () => {
      const [client, held] = await harness.client()
      const { promise, resolve } = Promise.withResolvers<Socket>()
      held.isEnough = () => {
        const { socket, head } = held.accepted.takeSocket()
        socket.unshift(head)
        resolve(socket)
        return true
      }
      held.accepted.peek()
      client.socket.end('all of it')
      const socket = await promise
      await settled()
      let text = ''
      socket.on('data', (chunk) => {
        text += String(chunk)
      })
      socket.resume()
      await once(socket, 'end')
      assert.equal(text, 'all of it')
      socket.end('an answer')
      await client.receives('an answer')
      await client.closes()
      held.accepted.close('fin')
      assert.equal(held.lost, undefined, 'nothing is told of what was taken')
    })

    it('watches the secure socket that takes the place of the one taken', async () => {
      const [client, held] = await harness.client()
      const { socket } = held.accepted.takeSocket()
      held.accepted.putSecure(socket, held)
      socket.resume()
      client.socket.resetAndDestroy()
      await held.until(({ lost }) => lost !== undefined)
      assert.equal(held.lost?.cause, 'reset')
      held.accepted.close('reset')
    })

    it('closes by FIN or by RST, twice without harm', async () => {
      for (const how of ['fin', 'reset'] as const) {
        const client = await dialTcp(harness.port)
        const held = await harness.accepts()
        held.accepted.close(how)
        held.accepted.close(how)
        await (how === 'fin' ? client.ends() : client.closes())
        assert.equal(client.error?.code, how === 'fin' ? undefined : 'ECONNRESET')
        client.socket.destroy()
      }
    })
  })
}

/** What the loopback delivered has been read. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}
