/** Streams to backends behind TLS, at the data plane: faults of the handshake, and the relay on it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect as dial } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import type { Endpoint, UpstreamTls, WeightedUpstream } from '../../src/model/upstream.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { DataPlane, chain, ip, tcpForward } from '../support/data-plane.ts'
import { type TlsOrigin, startTlsEchoOrigin } from '../support/tls-origin.ts'

const BIG = 4 * 1024 * 1024

describe('streams to backends behind TLS', () => {
  let plane: DataPlane
  let port: number
  let tls: UpstreamTls
  let server: { cert: string; key: string }
  const origins: { close(): void }[] = []

  before(async () => {
    plane = await DataPlane.start({ limits: { connectMs: 300 } })
    port = plane.open('tcp')
    const { certPem, keyPem } = await testCertificate(['app.test'])
    server = { cert: certPem, key: keyPem }
    tls = {
      policy: 'BackendTLSPolicy/default/app',
      hostname: 'app.test',
      subjectAltNames: [],
      authorities: { kind: 'bundle', caPem: (await testAuthority()).certPem },
    }
  })
  after(async () => {
    await plane.stop()
    for (const origin of origins) origin.close()
  })

  function behindTls(...endpoints: readonly Endpoint[]): WeightedUpstream {
    const name = `Service/default/app:${plane.lines.length}`
    const upstream = plane.part({ kind: 'upstream', name, protocol: 'tcp', endpoints, tls })
    return { weight: 1, target: { kind: 'upstream', upstream }, filters: [] }
  }

  async function forwardTo(...endpoints: readonly Endpoint[]): Promise<void> {
    const chains = [chain('', tcpForward(behindTls(...endpoints)))]
    assert.equal((await plane.publish({ tcp: { ingress: 'tcp', chains } })).type, 'ack')
  }

  const echo = async (): Promise<TlsOrigin> => {
    const origin = await startTlsEchoOrigin(server)
    origins.push(origin)
    return origin
  }

  const client = () => dial({ port, host: '127.0.0.1' }).on('error', () => undefined)

  it('many bytes both ways, and the end of the stream', async () => {
    const origin = await echo()
    await forwardTo(ip(origin.port))
    const socket = client()
    const sent = Buffer.alloc(BIG, 'gwproxy')
    socket.end(sent)
    const received: Buffer[] = []
    for await (const chunk of socket) received.push(chunk as Buffer)
    const all = Buffer.concat(received)
    assert.equal(all.subarray(0, 6).toString(), 'hello\n')
    assert.ok(all.subarray(6).equals(sent))
    assert.equal((await plane.line()).reason, 'completed')
  })

  it('one that refuses makes way for the next', async () => {
    const closed = createServer()
    closed.listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port: dead } = closed.address() as { port: number }
    closed.close()
    const origin = await echo()
    await forwardTo(ip(dead), ip(origin.port))
    for (let round = 0; round < 2; round += 1) {
      const socket = client()
      assert.equal(String((await once(socket, 'data'))[0]), 'hello\n')
      socket.destroy()
    }
  })

  it('a handshake that does not go on is ended by its deadline', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined))
    origins.push(silent)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    await forwardTo(ip((silent.address() as { port: number }).port))
    const socket = client()
    socket.on('data', assert.fail)
    await new Promise((resolve) => socket.once('close', resolve))
    const { detail } = await plane.line(({ reason }) => reason === 'upstream-tls-failed')
    assert.equal(detail, 'BackendTLSPolicy/default/app: the handshake timed out')
  })

  it('a client that leaves takes the handshake with it', async () => {
    const gone = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const silent = createServer((socket) => {
      socket.on('error', () => undefined).on('close', () => gone.resolve())
      socket.once('data', () => begun.resolve())
    })
    origins.push(silent)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    await forwardTo(ip((silent.address() as { port: number }).port))
    const before = plane.lines.length
    const socket = client()
    await begun.promise
    socket.resetAndDestroy()
    await gone.promise
    await plane.lineCount(before + 1)
    assert.equal(plane.lines.length, before + 1)
  })

  it('an older protocol is refused', async () => {
    const old = createTlsServer({ ...server, maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' })
    old.on('tlsClientError', () => undefined)
    origins.push(old)
    old.listen(0, '127.0.0.1')
    await once(old, 'listening')
    await forwardTo(ip((old.address() as { port: number }).port))
    const before = plane.lines.length
    const socket = client()
    await new Promise((resolve) => socket.once('close', resolve))
    await plane.lineCount(before + 1)
    assert.equal(plane.lines.at(-1)?.reason, 'upstream-tls-failed')
  })
})
