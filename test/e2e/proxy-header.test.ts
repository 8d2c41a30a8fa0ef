/**
 * PROXY protocol on a bind, byte by byte: segments, what follows in the same segment, whose header
 * counts, deadlines, and that a faulty one ends the connection before a byte goes on.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { ConnectionRecord } from '../../src/observe/access-log.ts'
import { helloMessage, records, serverName } from '../support/client-hello.ts'
import { chain, DataPlane, ip, passthrough, tcpForward } from '../support/data-plane.ts'
import { headerV2, tcp4, tlv } from '../support/proxy-header.ts'
import { type Listening, listenTcp, Peer } from '../support/sockets.ts'

const HANDSHAKE_MS = 600
const TRUSTED = '127.0.0.2'
const STRANGER = '127.0.0.3'
const V1 = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n')
const V2 = headerV2(0x21, 0x11, tcp4, tlv(0x04, 'padding'))
const HELLO = records(helloMessage({ extensions: [serverName('a.test')] }))
const BINDS = ['tls required', 'tls optional', 'tcp required', 'tcp optional'] as const
type BindName = (typeof BINDS)[number]

describe('PROXY protocol on a bind', () => {
  let plane: DataPlane
  let backend: Listening
  const ports = new Map<BindName, number>()

  before(async () => {
    const limits = { handshakeMs: HANDSHAKE_MS }
    plane = await DataPlane.start({ limits, trustedProxies: ['127.0.0.2/32'] })
    backend = await listenTcp()
    for (const name of BINDS) ports.set(name, plane.open(name))
    const upstream = plane.upstream('backend', [ip(backend.port)])
    const tls = { ingress: 'tls', chains: [chain('a.test', passthrough(upstream))] } as const
    const tcp = { ingress: 'tcp', chains: [chain('', tcpForward(upstream))] } as const
    await plane.publish({
      'tls required': { ...tls, proxyProtocol: 'required' },
      'tls optional': { ...tls, proxyProtocol: 'optional' },
      'tcp required': { ...tcp, proxyProtocol: 'required' },
      'tcp optional': { ...tcp, proxyProtocol: 'optional' },
    })
  })
  after(async () => {
    await plane.stop()
    backend.close()
  })

  async function dial(name: BindName, from: string): Promise<Peer> {
    const port = ports.get(name) ?? 0
    const options = { port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true }
    const peer = new Peer(connect({ ...options, noDelay: true }))
    await once(peer.socket, 'connect')
    return peer
  }

  /** `from`: how many lines there were before it was dialled; needed where it may end at once. */
  function lineOf({ socket }: Peer, from = plane.lines.length): Promise<ConnectionRecord> {
    const peer = `${socket.localAddress}:${socket.localPort}`
    return plane.line((record) => record.peer === peer, from)
  }

  /** Sends the segments; the backend must get `expected`, and its answer must come back. */
  async function relayed(
    name: BindName,
    from: string,
    segments: readonly Buffer[],
    expected: Buffer,
  ): Promise<ConnectionRecord> {
    const client = await dial(name, from)
    const line = lineOf(client)
    for (const segment of segments) await new Promise((sent) => client.socket.write(segment, sent))
    client.socket.end()
    const server = await backend.accepted()
    await server.ends()
    assert.equal(server.received.toString('hex'), expected.toString('hex'))
    server.socket.end('ok')
    await client.receives('ok')
    await client.closes()
    return line
  }

  /** Sends `bytes` and expects the end without a single byte. */
  async function closed(name: BindName, from: string, bytes: Buffer): Promise<ConnectionRecord> {
    const before = plane.lines.length
    const client = await dial(name, from)
    const line = lineOf(client, before)
    if (bytes.length > 0) client.socket.write(bytes)
    await client.until((peer) => peer.ended || peer.closed)
    assert.equal(client.received.length, 0)
    client.socket.destroy()
    return line
  }

  const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.from([byte]))
  const more = Buffer.from('the rest')

  for (const [version, header] of [
    ['v1', V1],
    ['v2', V2],
  ] as const) {
    it(`${version} and a hello in one segment`, async () => {
      const line = await relayed('tls required', TRUSTED, [Buffer.concat([header, HELLO])], HELLO)
      assert.equal(line.client, '192.0.2.7')
      assert.match(line.peer, /^127\.0\.0\.2:/)
      assert.equal(line.sni, 'a.test')
      assert.equal(line.reason, 'completed')
    })

    it(`${version} and a hello byte by byte`, async () => {
      const segments = bytewise(Buffer.concat([header, HELLO]))
      const line = await relayed('tls required', TRUSTED, segments, HELLO)
      assert.equal(line.client, '192.0.2.7')
    })

    it(`${version} ends within a segment of the hello`, async () => {
      const whole = Buffer.concat([header, HELLO, more])
      const cut = header.length - 1
      const segments = [
        whole.subarray(0, cut),
        whole.subarray(cut, cut + 9),
        whole.subarray(cut + 9),
      ]
      await relayed('tls optional', TRUSTED, segments, Buffer.concat([HELLO, more]))
    })

    it(`${version} and plain bytes, the end of the stream with them`, async () => {
      const line = await relayed('tcp required', TRUSTED, [Buffer.concat([header, more])], more)
      assert.equal(line.client, '192.0.2.7')
    })

    it(`${version} and a server that speaks first`, async () => {
      const client = await dial('tcp required', TRUSTED)
      client.socket.write(header)
      const server = await backend.accepted()
      server.socket.write('welcome')
      await client.receives('welcome')
      client.socket.destroy()
      await server.ends()
      server.socket.destroy()
    })

    it(`${version} of a stranger is never believed`, async () => {
      const refused = await closed('tcp required', STRANGER, Buffer.concat([header, more]))
      assert.equal(refused.reason, 'proxy-peer-untrusted')
      assert.equal(refused.client, STRANGER)
      const bytes = Buffer.concat([header, more])
      const plain = await relayed('tcp optional', STRANGER, [bytes], bytes)
      assert.equal(plain.client, STRANGER)
      const noHello = await closed('tls optional', STRANGER, Buffer.concat([header, HELLO]))
      assert.equal(noHello.reason, 'not-tls')
    })
  }

  it('a second header is no header', async () => {
    const line = await closed('tls required', TRUSTED, Buffer.concat([V1, V2, HELLO]))
    assert.equal(line.reason, 'not-tls')
    const twice = Buffer.concat([V1, V1])
    await relayed('tcp required', TRUSTED, [twice], V1)
  })

  it('LOCAL and UNKNOWN speak for the proxy itself', async () => {
    for (const header of [headerV2(0x20, 0x00), Buffer.from('PROXY UNKNOWN\r\n')]) {
      const line = await relayed('tls required', TRUSTED, [header, HELLO], HELLO)
      assert.equal(line.client, TRUSTED)
    }
  })

  it('a required header that is missing or malformed ends the connection', async () => {
    const cases = [
      [HELLO, /no PROXY protocol header/],
      [Buffer.from('PROXY TCP4 nobody\r\n'), /version 1/],
      [headerV2(0x21, 0x21, tcp4), /cut off/],
      [headerV2(0x21, 0x11, tcp4, tlv(0x03, '\0\0\0\0')), /checksum/],
    ] as const
    for (const [bytes, detail] of cases) {
      const line = await closed('tls required', TRUSTED, bytes)
      assert.equal(line.reason, 'proxy-header-invalid')
      assert.match(line.detail ?? '', detail)
    }
  })

  it('an optional one may be missing, but not malformed', async () => {
    await relayed('tls optional', TRUSTED, [HELLO], HELLO)
    await relayed(
      'tcp optional',
      TRUSTED,
      bytewise(Buffer.from('PROXIMITY')),
      Buffer.from('PROXIMITY'),
    )
    await relayed('tls optional', STRANGER, [HELLO], HELLO)
    const line = await closed('tls optional', TRUSTED, Buffer.from('PROXY TCP5 \r\n'))
    assert.equal(line.reason, 'proxy-header-invalid')
  })

  it('one deadline is over the header and the hello together', async () => {
    for (const begin of [
      Buffer.alloc(0),
      V2.subarray(0, 20),
      V1,
      Buffer.concat([V1, HELLO.subarray(0, 9)]),
    ]) {
      const line = await closed('tls required', TRUSTED, begin)
      assert.equal(line.reason, 'handshake-timeout')
      assert.ok(line.durationMs >= HANDSHAKE_MS - 50)
    }
  })

  it('the end of the stream within the header ends the connection', async () => {
    const client = await dial('tcp required', TRUSTED)
    const line = lineOf(client)
    client.socket.end(V2.subarray(0, 15))
    assert.equal((await line).reason, 'client-closed')
  })
})
