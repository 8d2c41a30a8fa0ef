/** The contract of `data/io`, for every backend: one attempt to connect. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { RelayEnd } from '../../src/data/io/relay-end.ts'
import { openBlackHole } from '../support/black-hole.ts'
import { BACKENDS, type DialEnd, IoHarness } from '../support/io-harness.ts'
import { listenTcp } from '../support/sockets.ts'
import { until } from '../support/until.ts'

for (const name of BACKENDS) {
  describe(`dialled by ${name}`, () => {
    let harness: IoHarness

    before(async () => {
      harness = await IoHarness.open(name)
    })

    after(() => harness.close())

    it('sends the preface first, and nothing else', async () => {
      const { outcome, told } = harness.dial(undefined, { preface: Buffer.from('PROXY ') })
      const server = await harness.target.accepted()
      await server.receives('PROXY ')
      closeEnd(await outcome)
      await server.ends()
      assert.deepEqual([server.text, told()], ['PROXY ', 1])
      server.socket.destroy()
    })

    it('says refused, later than the call', async () => {
      const closed = await listenTcp()
      closed.close()
      const dialling = harness.dial({ kind: 'ip', address: '127.0.0.1', port: closed.port })
      assert.equal(dialling.told(), 0)
      assert.deepEqual(await dialling.outcome, {
        kind: 'failed',
        reason: 'connect-refused',
        detail: 'ECONNREFUSED',
      })
    })

    it('says what the system refuses at once', async () => {
      // TCP knows no broadcast.
      const dialling = harness.dial({ kind: 'ip', address: '255.255.255.255', port: 80 })
      assert.equal(dialling.told(), 0)
      const outcome = await dialling.outcome
      assert.ok(outcome.kind === 'failed')
      assert.equal(outcome.reason, 'connect-failed')
      assert.match(outcome.detail, /^E[A-Z]+$/)
    })

    it('gives up at the timeout', async () => {
      const hole = await openBlackHole()
      const started = performance.now()
      const endpoint = { kind: 'ip', address: '127.0.0.1', port: hole.port } as const
      const outcome = await harness.dial(endpoint, { timeoutMs: 150 }).outcome
      assert.ok(performance.now() - started >= 150)
      assert.deepEqual(outcome, {
        kind: 'failed',
        reason: 'connect-timeout',
        detail: 'connect timed out',
      })
      hole.close()
    })

    it('tells nothing of an attempt that was cancelled, and keeps no descriptor', async () => {
      const before = descriptors()
      const hole = await openBlackHole()
      const endpoint = { kind: 'ip', address: '127.0.0.1', port: hole.port } as const
      const diallings = Array.from({ length: 20 }, () => harness.dial(endpoint))
      for (const { dial } of diallings) dial.cancel()
      for (const { dial } of diallings) dial.cancel()
      hole.close()
      await until(() => descriptors() <= before)
      assert.ok(diallings.every(({ told }) => told() === 0))
    })

    it('reaches a unix socket', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'gwproxy-io-'))
      const path = join(directory, 'socket')
      const listening = await listenTcp(path)
      const { outcome } = harness.dial({ kind: 'unix', path }, { preface: Buffer.from('hello') })
      const server = await listening.accepted()
      await server.receives('hello')
      closeEnd(await outcome)
      await server.ends()
      server.socket.destroy()
      listening.close()
      rmSync(directory, { recursive: true })
    })
  })
}

function closeEnd(outcome: DialEnd): void {
  assert.ok(outcome.kind === 'connected', JSON.stringify(outcome))
  const end: RelayEnd = outcome.end
  if (end.kind === 'stream') end.socket.destroy()
  else if (end.kind === 'raw') end.handle.close()
  else end.takeSocket().socket.destroy()
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}
