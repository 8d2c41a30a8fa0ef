/** What the peek routes and what it closes: segments, records, names, strangers, deadlines. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ConnectionRecord } from '../../src/observe/access-log.ts'
import { helloMessage, realHello, records, serverName } from '../support/client-hello.ts'
import { chain, DataPlane, ip, passthrough } from '../support/data-plane.ts'
import { dialTcp, type Listening, listenTcp, type Peer } from '../support/sockets.ts'

const HANDSHAKE_MS = 400

describe('peek', () => {
  let plane: DataPlane
  let backend: Listening
  let port: number

  before(async () => {
    plane = await DataPlane.start({ limits: { handshakeMs: HANDSHAKE_MS } })
    backend = await listenTcp()
    port = plane.open('tls')
    const upstream = plane.upstream('backend', [ip(backend.port)])
    const action = passthrough(upstream)
    await plane.publish({
      tls: { ingress: 'tls', chains: [chain('a.test', action), chain('*.w.test', action)] },
    })
  })

  after(async () => {
    await plane.stop()
    backend.close()
  })

  /** Of a client that has not sent anything yet. */
  function lineOf(client: Peer): Promise<ConnectionRecord> {
    const peer = `127.0.0.1:${client.socket.localPort}`
    return plane.line((record) => record.peer === peer, plane.lines.length)
  }

  /** Sends `bytes`, segment by segment, and expects the backend to receive all of them. */
  async function routed(bytes: Buffer, segment = bytes.length): Promise<ConnectionRecord> {
    const client = await dialTcp(port)
    const line = lineOf(client)
    for (let at = 0; at < bytes.length; at += segment) {
      await new Promise((sent) => client.socket.write(bytes.subarray(at, at + segment), sent))
    }
    client.socket.end()
    const server = await backend.accepted()
    await server.ends()
    assert.ok(server.received.equals(bytes), 'the backend gets every byte')
    server.socket.end('ok')
    await client.receives('ok')
    await client.closes()
    return line
  }

  /** Sends `bytes` and expects an end without a single byte. */
  async function closed(bytes: Buffer): Promise<ConnectionRecord> {
    const client = await dialTcp(port)
    const line = lineOf(client)
    client.socket.write(bytes)
    await client.until((peer) => peer.ended || peer.closed)
    assert.equal(client.received.length, 0, 'nothing is written before routing')
    client.socket.destroy()
    return line
  }

  const hello = (name: string): Buffer => records(helloMessage({ extensions: [serverName(name)] }))

  it('routes a hello in one-byte segments', async () => {
    assert.equal((await routed(hello('a.test'), 1)).sni, 'a.test')
  })

  it('routes a hello in one-byte records, early data behind it included', async () => {
    const message = helloMessage({ extensions: [serverName('a.test')] })
    const bytes = Buffer.concat([records(message, 1), Buffer.from([23, 3, 3, 0, 1, 7])])
    assert.equal((await routed(bytes)).reason, 'completed')
  })

  it("routes this Node's post-quantum hello, split at the segment size", async () => {
    const bytes = await realHello({ servername: 'a.test' })
    assert.ok(bytes.length > 1460)
    assert.equal((await routed(bytes, 1460)).sni, 'a.test')
  })

  it('routes names in upper case and with a trailing dot, and wildcards over several labels', async () => {
    assert.equal((await routed(hello('A.TEST.'))).sni, 'a.test')
    assert.equal((await routed(hello('x.y.w.test'))).sni, 'x.y.w.test')
  })

  it('routes 60 KiB of hello', async () => {
    const extensions = [serverName('a.test'), [21, Buffer.alloc(60_000)] as const]
    assert.equal((await routed(records(helloMessage({ extensions })))).sni, 'a.test')
  })

  it('closes what matches no chain', async () => {
    const reasons = []
    for (const name of ['b.test', 'w.test', 'a.test.evil']) {
      const { reason, sni } = await closed(hello(name))
      reasons.push([reason, sni])
    }
    assert.deepEqual(reasons, [
      ['no-chain', 'b.test'],
      ['no-chain', 'w.test'],
      ['no-chain', 'a.test.evil'],
    ])
    assert.equal((await closed(records(helloMessage()))).reason, 'no-chain')
    assert.equal((await closed(hello('127.0.0.1'))).reason, 'no-chain')
  })

  it('closes names that are none', async () => {
    const names = [
      'a..test',
      '.a.test',
      'a.test\r\nx',
      'a.test\0',
      '*.w.test',
      `${'x'.repeat(64)}.w.test`,
    ]
    for (const name of names) {
      const { reason, detail, sni } = await closed(hello(name))
      assert.deepEqual(
        [reason, detail, sni],
        ['malformed-hello', 'the SNI is no host name', undefined],
      )
    }
  })

  it('closes strangers with one line that says what they speak', async () => {
    const http = await closed(Buffer.from('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'))
    assert.deepEqual([http.reason, http.detail], ['not-tls', 'plain HTTP on a TLS port'])
    const ssh = await closed(Buffer.from('SSH-2.0-x\r\n'))
    assert.deepEqual([ssh.reason, ssh.detail], ['not-tls', 'SSH on a TLS port'])
  })

  it('closes a hello over the limit', async () => {
    const extensions = [serverName('a.test'), [21, Buffer.alloc(65_450)] as const]
    const { reason } = await closed(records(helloMessage({ extensions })))
    assert.equal(reason, 'hello-too-large')
  })

  it('closes silence and drips at one total deadline', async () => {
    const silent = await dialTcp(port)
    const dripping = await dialTcp(port)
    const ends = [silent, dripping].map((client) => ({ client, line: lineOf(client) }))
    const bytes = hello('a.test')
    let at = 0
    const drip = setInterval(() => {
      dripping.socket.write(bytes.subarray(at, at + 1))
      at++
    }, HANDSHAKE_MS / 10)
    for (const { client, line } of ends) {
      const { reason, durationMs } = await line
      assert.equal(reason, 'handshake-timeout')
      assert.ok(durationMs >= HANDSHAKE_MS && durationMs < HANDSHAKE_MS * 3)
      client.socket.destroy()
    }
    clearInterval(drip)
  })

  it('ends quietly when the client leaves in mid-hello', async () => {
    const leaving = await dialTcp(port)
    const end = lineOf(leaving)
    leaving.socket.end(hello('a.test').subarray(0, 20))
    assert.equal((await end).reason, 'client-closed')
    const resetting = await dialTcp(port)
    const line = lineOf(resetting)
    resetting.socket.write(hello('a.test').subarray(0, 20))
    resetting.socket.resetAndDestroy()
    assert.equal((await line).reason, 'client-reset')
  })
})
