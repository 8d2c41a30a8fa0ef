/** The hand-over of a peeked socket: what comes out, and that nothing a client sends gets through. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import { before, describe, it, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { openTlsDomains } from '../../../src/data/tls/domains.ts'
import type { TlsDomains } from '../../../src/data/tls/contract.ts'
import { Front, Material, open, terminate, visit } from '../../support/tls-domains.ts'

const CLIENT = { servername: 'a.test' } as const

describe('TLS hand-over', () => {
  const material = new Material()
  let domains: TlsDomains
  let action: ReturnType<typeof terminate>
  let front: (t: TestContext, alpn?: readonly string[], sni?: string) => Promise<Front>

  before(async () => {
    const certificate = await material.issue(['a.test'])
    domains = await openTlsDomains({ warn: assert.fail })
    action = terminate('a', [certificate])
    front = (t, alpn = [], sni = 'a.test') =>
      Front.open(
        t,
        domains.acquire(terminate('a', [certificate], { alpn }), material.part, material.key),
        sni,
      )
  })

  it('reports how the handshake came out', async (t) => {
    const listener = await front(t, ['h2', 'http/1.1'])
    await visit(listener.port, {
      ...CLIENT,
      ALPNProtocols: ['http/1.1', 'h2'],
      ciphers: 'TLS_AES_256_GCM_SHA384',
    })
    assert.deepEqual(await listener.next(), {
      failure: undefined,
      facts: {
        version: 'TLSv1.3',
        cipher: 'TLS_AES_256_GCM_SHA384',
        group: undefined,
        alpn: 'h2',
        resumed: false,
      },
    })
  })

  it('takes a client without ALPN, and ignores ALPN where the listener has none', async (t) => {
    const http = await front(t, ['h2', 'http/1.1'])
    await visit(http.port, CLIENT)
    assert.equal((await http.next()).facts?.alpn, undefined)
    const tcp = await front(t, [])
    assert.equal((await visit(tcp.port, { ...CLIENT, ALPNProtocols: ['h2'] })).alpn, false)
  })

  it('refuses an ALPN mismatch with the alert for it', async (t) => {
    const listener = await front(t, ['http/1.1'])
    const client = open(listener.port, { ...CLIENT, ALPNProtocols: ['h2'] })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
    const { failure } = await listener.next()
    assert.deepEqual(failure, {
      reason: 'tls-handshake-failed',
      detail: 'ERR_SSL_NO_APPLICATION_PROTOCOL',
    })
  })

  it('finishes a handshake that comes in one-byte segments', async (t) => {
    const listener = await front(t)
    const wire = connectTcp(listener.port, '127.0.0.1').setNoDelay(true)
    const [near, far] = duplexPair()
    wire.on('error', () => {}).pipe(far)
    far.on('data', (chunk: Buffer) => void sendBytewise(wire, chunk))
    const client = connect({ socket: near, rejectUnauthorized: false, ...CLIENT })
    await once(client, 'secureConnect')
    assert.equal((await listener.next()).facts?.version, 'TLSv1.3')
    client.destroy()
    wire.destroy()
  })

  it('works on with the bytes that the peek had read', async (t) => {
    const termination = domains.acquire(action, material.part, material.key)
    const listener = await Front.open(
      t,
      {
        ...termination,
        accept: (socket, _head, handshake) => void peekThenAccept(socket, handshake),
      },
      'a.test',
    )
    const peekThenAccept = async (
      socket: Socket,
      handshake: Parameters<typeof termination.accept>[2],
    ) => {
      socket.resume()
      const [head] = await once(socket, 'data')
      socket.pause()
      assert.equal(head[0], 22)
      termination.accept(socket, head, handshake)
    }
    assert.equal((await visit(listener.port, CLIENT)).leaf?.subject, 'CN=a.test')
  })

  it('cuts a connection whose TLS stack reads another name than the peek', async (t) => {
    for (const [sent, peeked] of [
      ['b.test', 'a.test'],
      ['a.test', undefined],
      [undefined, 'a.test'],
    ]) {
      const listener = await front(t)
      listener.sni = peeked
      const client = open(listener.port, sent === undefined ? {} : { servername: sent })
      client.on('error', () => {})
      assert.equal((await listener.next()).failure?.reason, 'sni-mismatch')
      await closed(client)
    }
  })

  it('compares names in their normal form', async (t) => {
    const listener = await front(t)
    await visit(listener.port, { servername: 'A.Test.' })
    assert.equal((await listener.next()).failure, undefined)
  })

  it('destroys what is no TLS, with the reason', async (t) => {
    const listener = await front(t)
    const client = connectTcp(listener.port, '127.0.0.1')
    client.on('error', () => {})
    client.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n')
    assert.deepEqual((await listener.next()).failure, {
      reason: 'tls-handshake-failed',
      detail: 'ERR_SSL_HTTP_REQUEST',
    })
    await closed(client.resume())
  })

  it('tells its caller when the client goes, or the caller itself destroys the socket', async (t) => {
    const listener = await front(t)
    const gone = connectTcp(listener.port, '127.0.0.1')
    listener.onSocket = () => gone.resetAndDestroy()
    await once(gone, 'close')
    assert.match(
      (await listener.next()).failure?.reason ?? '',
      /^(client-reset|tls-handshake-failed)$/,
    )
    listener.onSocket = () => {}
    const ended = connectTcp(listener.port, '127.0.0.1')
    ended.end('\x16\x03\x01\x02\x00\x01')
    assert.equal((await listener.next()).failure?.reason, 'tls-handshake-failed')
    listener.onSocket = (socket) => setImmediate(() => socket.destroy())
    const stalled = connectTcp(listener.port, '127.0.0.1')
    assert.equal((await listener.next()).failure?.reason, 'tls-handshake-failed')
    await closed(stalled.resume())
  })

  it('keeps no socket and no entry over 200 failed handshakes', async (t) => {
    const listener = await front(t)
    for (let i = 0; i < 200; i++) {
      const client = connectTcp(listener.port, '127.0.0.1')
      client.on('error', () => {})
      if (i % 2 === 0) client.write('\x16\x03\x01\x00\x05nonsense')
      else client.end('\x16\x03\x01')
      client.resume()
      if (i % 2 === 1) listener.onSocket = (socket) => setImmediate(() => socket.destroy())
      else listener.onSocket = () => {}
      assert.notEqual((await listener.next()).failure, undefined)
      await closed(client)
    }
    assert.equal(listener.openSockets, 0)
    listener.onSocket = () => {}
    assert.equal((await visit(listener.port, CLIENT)).resumed, false)
  })

  it('leaves old connections alone when the certificate is renewed', async (t) => {
    const renewed = await material.issue(['a.test'])
    const listener = await front(t)
    const held = open(listener.port, CLIENT)
    await once(held, 'secureConnect')
    listener.termination.release()
    listener.termination = domains.acquire(terminate('a', [renewed]), material.part, material.key)
    const { leaf } = await visit(listener.port, CLIENT)
    assert.notEqual(leaf?.fingerprint256, held.getPeerX509Certificate()?.fingerprint256)
    held.write('still here')
    assert.equal(String((await once(held, 'data'))[0]), 'still here')
    held.destroy()
  })
})

async function sendBytewise(wire: Socket, chunk: Buffer): Promise<void> {
  for (const byte of chunk) {
    if (!wire.write(Buffer.of(byte))) await once(wire, 'drain')
    await new Promise(setImmediate)
  }
}

/** Unlike `once`, does not mind an error before the close. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}
