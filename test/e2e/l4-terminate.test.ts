/** TLS ends here, plain bytes go on (TLSRoute and TCPRoute, mode Terminate), over real sockets. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { digestOf } from '../../src/base/digest.ts'
import type { ChainAction } from '../../src/model/snapshot.ts'
import type { ConnectionRecord } from '../../src/observe/access-log.ts'
import { realHello } from '../support/client-hello.ts'
import { chain, DataPlane, ip, passthrough, tcpForward } from '../support/data-plane.ts'
import { dialTcp, type Listening, listenTcp, Peer } from '../support/sockets.ts'
import { Material } from '../support/tls-domains.ts'

/** Longer than a handshake beside a busy suite takes. */
const HANDSHAKE_MS = 1500

describe('TLS termination to TCP', () => {
  let plane: DataPlane
  let backend: Listening
  let port: number

  before(async () => {
    plane = await DataPlane.start({ limits: { handshakeMs: HANDSHAKE_MS } })
    backend = await listenTcp()
    port = plane.open('tls')
    const material = new Material()
    const certificate = await material.issue(['a.test'])
    const then = tcpForward(plane.upstream('backend', [ip(backend.port)]))
    const part = material.part(certificate)
    const digest = plane.part(part)
    assert.equal(part.kind, 'certificate')
    const action: ChainAction = {
      kind: 'tls-terminate',
      domain: { id: digestOf('a'), clientAuth: { mode: 'none' } },
      certificates: [digest],
      alpn: [],
      then: then.kind === 'tcp-forward' ? then : assert.fail(),
    }
    const keyId = part.kind === 'certificate' ? part.keyId : assert.fail()
    const other = passthrough(plane.upstream('other', [ip(backend.port)]))
    const answer = await plane.publish(
      { tls: { ingress: 'tls', chains: [chain('a.test', action), chain('p.test', other)] } },
      [{ keyId, privateKeyPem: material.key(keyId) }],
    )
    assert.equal(answer.type, 'ack')
  })

  after(async () => {
    await plane.stop()
    backend.close()
  })

  async function secure(
    options: ConnectionOptions = {},
  ): Promise<{ socket: TLSSocket; client: Peer; line: Promise<ConnectionRecord> }> {
    const base = { port, host: '127.0.0.1', servername: 'a.test', rejectUnauthorized: false }
    const before = plane.lines.length
    // Node documents allowHalfOpen of a TLS client only in prose.
    const socket = connect({ ...base, ...{ allowHalfOpen: true }, ...options })
    const client = new Peer(socket)
    await once(socket, 'secureConnect')
    const peer = `127.0.0.1:${socket.localPort}`
    return { socket, client, line: plane.line((record) => record.peer === peer, before) }
  }

  it('relays plain bytes and logs how TLS came out', async () => {
    const { socket, client, line } = await secure()
    socket.end('question')
    const server = await backend.accepted()
    await server.receives('question')
    server.socket.end('answer')
    await client.receives('answer')
    await client.closes()
    const { reason, sni, tls, action, bytesReceived, bytesSent, handshakeMs, durationMs } =
      await line
    assert.deepEqual([reason, sni, action], ['completed', 'a.test', 'tls-terminate'])
    assert.equal(tls?.version, 'TLSv1.3')
    assert.deepEqual([bytesReceived, bytesSent], [8, 6])
    assert.ok(handshakeMs !== undefined && handshakeMs > 0 && handshakeMs < durationMs)
  })

  describe('the group of the key exchange, which Node tells to clients only', () => {
    /** As the client's OpenSSL names it, and as the log does. */
    const names = new Map([
      ['X25519MLKEM768', 'X25519MLKEM768'],
      ['X25519', 'x25519'],
      ['P-256', 'secp256r1'],
      ['X448', 'x448'],
      ['P-384', 'secp384r1'],
      ['P-521', 'secp521r1'],
      ['ffdhe2048', 'ffdhe2048'],
      ['ffdhe3072', 'ffdhe3072'],
    ])
    const nist = new Map([
      ['prime256v1', 'P-256'],
      ['secp384r1', 'P-384'],
      ['secp521r1', 'P-521'],
    ])

    /** The server is done with the handshake when the backend has heard of it. */
    async function ask(socket: TLSSocket, client: Peer): Promise<void> {
      socket.end('question')
      const server = await backend.accepted()
      await server.receives('question')
      server.socket.end('answer')
      await client.closes()
    }

    /** What the client knows of its handshake, and what the server logs of it. */
    async function told(
      options: ConnectionOptions,
    ): Promise<readonly [string | undefined, string | undefined]> {
      const { socket, client, line } = await secure(options)
      const info = socket.getEphemeralKeyInfo() as { name?: string; type?: string; size?: number }
      const name = info.type === 'DH' ? `ffdhe${info.size}` : (info.name ?? '')
      await ask(socket, client)
      return [names.get(nist.get(name) ?? name), (await line).tls?.group]
    }

    it('is the one that the client used, whatever it prefers and sends a key for', async () => {
      const lists = [...names.keys()].flatMap((first) => [
        first,
        ...[...names.keys()]
          .filter((second) => second !== first)
          .flatMap((second) => [`${first}:${second}`, `${first}:*${second}`]),
      ])
      for (const ecdhCurve of [...lists, 'X448:P-521:*P-384', 'auto']) {
        const [client, log] = await told({ ecdhCurve, minVersion: 'TLSv1.3' })
        assert.ok(client !== undefined, ecdhCurve)
        assert.equal(log, client, ecdhCurve)
      }
    })

    it('follows the order of the client in TLS 1.2', async () => {
      for (const first of names.keys()) {
        // The certificate's own curve must be among them.
        const ecdhCurve = first === 'P-256' ? first : `${first}:P-256`
        const [client, log] = await told({ ecdhCurve, maxVersion: 'TLSv1.2' })
        assert.ok(client !== undefined, ecdhCurve)
        assert.equal(log, client, ecdhCurve)
      }
    })

    it('is told of a resumed session where keys were exchanged anew', async () => {
      for (const [version, group] of [
        ['TLSv1.2', undefined],
        ['TLSv1.3', 'secp256r1'],
      ] as const) {
        const options = { minVersion: version, maxVersion: version, ecdhCurve: 'P-256' } as const
        const first = await secure(options)
        const session =
          version === 'TLSv1.2'
            ? first.socket.getSession()
            : (await once(first.socket, 'session'))[0]
        // Node tells of a session while OpenSSL reads, and a write in there spoils the connection.
        await turn()
        await ask(first.socket, first.client)
        const second = await secure({ ...options, session })
        assert.ok(second.socket.isSessionReused())
        await ask(second.socket, second.client)
        assert.equal((await second.line).tls?.group, group)
      }
    })
  })

  it('carries close_notify of the client on as FIN, and answers after it', async () => {
    const { socket, client } = await secure()
    socket.end('last words')
    const server = await backend.accepted()
    await server.ends()
    assert.equal(server.text, 'last words')
    server.socket.write('heard')
    await client.receives('heard')
    server.socket.end()
    await client.closes()
    assert.equal(client.error, undefined)
  })

  it('carries FIN of the backend on as close_notify, and listens on', async () => {
    const { socket, client, line } = await secure()
    socket.write('hi')
    const server = await backend.accepted()
    await server.receives('hi')
    server.socket.end('bye')
    await client.ends()
    assert.equal(client.text, 'bye')
    socket.end('one more thing')
    await server.receives('one more thing')
    await server.closes()
    assert.equal((await line).reason, 'completed')
  })

  it('carries resets both ways', async () => {
    const first = await secure()
    first.socket.write('x')
    const server = await (await backend.accepted()).receives('x')
    server.socket.resetAndDestroy()
    await first.client.closes()
    assert.equal(first.client.error?.code, 'ECONNRESET')
    assert.equal((await first.line).reason, 'upstream-reset')
  })

  it('relays a mebibyte each way unchanged', async () => {
    const { socket, client } = await secure()
    const data = Buffer.alloc(1 << 20, 'tls-')
    socket.end(data)
    const server = await backend.accepted()
    server.socket.end(data)
    await Promise.all([client.closes(), server.closes()])
    assert.ok(server.received.equals(data))
    assert.ok(client.received.equals(data))
  })

  it('serves openssl s_client with TLS 1.2 and 1.3', async () => {
    for (const version of ['-tls1_2', '-tls1_3']) {
      const client = spawn(
        'openssl',
        ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'a.test', '-quiet', version],
        { stdio: ['pipe', 'pipe', 'ignore'] },
      )
      client.stdin.write('ping\n')
      const server = await (await backend.accepted()).receives('ping\n')
      server.socket.write('pong\n')
      const [data] = (await once(client.stdout, 'data')) as [Buffer]
      assert.equal(data.toString(), 'pong\n')
      client.kill()
      await once(client, 'exit')
      server.socket.destroy()
    }
  })

  it('keeps one total deadline over the hand-over to TLS', async () => {
    const client = await dialTcp(port)
    const peer = `127.0.0.1:${client.socket.localPort}`
    const before = plane.lines.length
    const bytes = await realHello({ servername: 'a.test' })
    // Late, but in time for the peek: what is left for TLS is a fifth of the deadline.
    await new Promise((resolve) => setTimeout(resolve, HANDSHAKE_MS * 0.8))
    client.socket.write(bytes)
    const line = await plane.line((record) => record.peer === peer, before)
    assert.equal(line.reason, 'handshake-timeout')
    assert.ok(line.durationMs < HANDSHAKE_MS * 1.6, `${line.durationMs} ms`)
    const { peekMs = 0 } = line
    assert.ok(peekMs > HANDSHAKE_MS * 0.7 && peekMs < line.durationMs, `peeked for ${peekMs} ms`)
    await client.until(({ ended, closed }) => ended || closed)
    client.socket.destroy()
  })

  it('logs a handshake that fails with its cause', async () => {
    const client = await dialTcp(port)
    const peer = `127.0.0.1:${client.socket.localPort}`
    const before = plane.lines.length
    const bytes = await realHello({ servername: 'a.test' })
    client.socket.write(bytes)
    await client.until(({ received }) => received.length > 0)
    client.socket.end('this is no TLS record')
    const line = await plane.line((record) => record.peer === peer, before)
    assert.equal(line.reason, 'tls-handshake-failed')
    await client.closes()
  })
})
