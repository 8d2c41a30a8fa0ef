/**
 * PROXY protocol to HTTP backends: one request a connection, in whatever way it ends; questions and
 * copies of our own are marked as such; ALPN and server name of the client's TLS go along.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { after, before, describe, it } from 'node:test'
import { testCertificate } from '../support/certificates.ts'
import { command, curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  tlsListener,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'
import { until } from '../support/until.ts'
import { readProxyHeader } from '../../src/wire/proxy-protocol.ts'

/** An HTTP server behind a reader of PROXY headers. */
class ProxiedOrigin {
  readonly headers: Buffer[] = []
  readonly sockets = new Set<net.Socket>()
  readonly #http: http.Server
  readonly #server = net.createServer((socket) => this.#accept(socket))

  constructor(http: http.Server) {
    this.#http = http
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as net.AddressInfo).port
  }

  /** The addresses of clients, by connection. */
  get clients(): readonly (string | undefined)[] {
    return this.headers.map((header) => {
      const verdict = readProxyHeader(header)
      assert.equal(verdict.kind, 'complete')
      return verdict.kind === 'complete' ? verdict.ends?.source.address : undefined
    })
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.#server.close()
  }

  #accept(socket: net.Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    let bytes = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk])
      const verdict = readProxyHeader(bytes)
      if (verdict.kind === 'more') return
      assert.equal(verdict.kind, 'complete')
      if (verdict.kind !== 'complete') return
      socket.off('data', onData)
      socket.pause()
      this.headers.push(bytes.subarray(0, verdict.length))
      socket.unshift(bytes.subarray(verdict.length))
      this.#http.emit('connection', socket)
      socket.resume()
    }
    socket.on('data', onData)
  }
}

describe('PROXY protocol to HTTP backends', () => {
  const server = http.createServer((request, response) => {
    if (request.url === '/never') return
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () => response.end(`${request.method} ${bytes}\n`))
  })
  server.on('upgrade', (_request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    )
    socket.pipe(socket)
  })
  const origin = new ProxiedOrigin(server)
  let daemon: Daemon

  before(async () => {
    const port = await origin.start()
    const [object, ...slices] = service('app', 80, [{ address: '127.0.0.1', port }])
    const metadata = object?.['metadata'] as Manifest
    const annotations = { 'gwproxy.dev/send-proxy-protocol': 'v2' }
    const mirror = {
      type: 'RequestMirror',
      requestMirror: { backendRef: { name: 'app', port: 80 } },
    }
    const rule = { backendRefs: [backendRef('app')] }
    daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          gateway([
            httpListener('http', 8080),
            tlsListener('https', 8443, 'a.test', ['web'], 'HTTPS'),
          ]),
          tlsSecret('web', await testCertificate(['a.test'])),
          { ...object, metadata: { ...metadata, annotations } },
          ...slices,
          httpRoute('r', undefined, [
            { ...rule, matches: [{ path: { type: 'PathPrefix', value: '/' } }] },
            {
              ...rule,
              matches: [{ path: { type: 'PathPrefix', value: '/mirrored' } }],
              filters: [mirror],
            },
          ]),
        ),
      },
    })
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    origin.close()
  })

  async function answers(...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await curl([...args])
    assert.equal(stderr, '')
    return stdout
  }

  const closed = (): Promise<void> =>
    until(
      () => origin.sockets.size === 0,
      () => `${origin.sockets.size} connections are kept`,
    )

  it('requests of one client’s connection have a connection each', async () => {
    const url = `http://${daemon.address}:8080/`
    const before = origin.headers.length
    assert.equal(await answers(url, url, url), 'GET 0\n'.repeat(3))
    assert.equal(origin.headers.length, before + 3)
    await closed()
  })

  it('bodies of any length go through', async () => {
    const url = `http://${daemon.address}:8080/`
    const post = await command('curl', ['-sS', '--data-binary', '@-', url], {
      input: Buffer.alloc(3_000_000, 'x'),
    })
    assert.equal(post.stdout, 'POST 3000000\n')
    await closed()
  })

  it('a client that gives up leaves nothing behind', async () => {
    const socket = net.connect(8080, daemon.address)
    const before = origin.headers.length
    socket.write('GET /never HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await until(() => origin.headers.length > before)
    socket.destroy()
    await closed()
  })

  it('a WebSocket keeps its connection until it ends', async () => {
    const socket = net.connect(8080, daemon.address)
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
    })
    socket.write(
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await until(
      () => text.includes('101'),
      () => text,
    )
    socket.write('there and back')
    await until(
      () => text.endsWith('there and back'),
      () => text,
    )
    assert.equal(origin.sockets.size, 1)
    socket.destroy()
    await closed()
  })

  it('a mirrored copy is of no client', async () => {
    const before = origin.headers.length
    await answers(`http://${daemon.address}:8080/mirrored`)
    await until(() => origin.headers.length === before + 2)
    assert.deepEqual(origin.clients.slice(before).map(String).sort(), ['127.0.0.1', 'undefined'])
    await closed()
  })

  for (const [flag, alpn] of [
    ['--http2', 'h2'],
    ['--http1.1', 'http/1.1'],
  ] as const) {
    it(`names the server and ${alpn}`, async () => {
      const to = ['--connect-to', `a.test::${daemon.address}:8443`]
      await answers('-k', flag, ...to, 'https://a.test/')
      const header = origin.headers.at(-1)?.toString('latin1') ?? ''
      assert.ok(header.includes(`\x01\0${String.fromCharCode(alpn.length)}${alpn}`))
      assert.ok(header.includes('\x02\0\x06a.test'))
      await closed()
    })
  }
})
