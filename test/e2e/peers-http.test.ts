/**
 * Real nginx and HAProxy as backends of HTTP routes, in every way that they can be spoken to:
 * HTTP/1.1, h2c, and both over verified TLS. Behind them an origin that tells what arrived.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { createCertificateAuthority } from '../../src/wire/issue-certificate.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { caConfigMap } from '../support/client-certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { type Origin, startOrigin } from '../support/http-origin.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  yaml,
} from '../support/manifests.ts'
import { missing, type RealServer, startHaproxy, startNginx } from '../support/real-servers.ts'

const H2C = 'kubernetes.io/h2c'
const PLAIN = 8081
const CLEARTEXT_H2 = 8082
const TLS = 8443

/** How a server is spoken to -> the port, the protocol of its Service, what the server says of it. */
const WAYS = {
  http1: { port: PLAIN, seen: '1.1' },
  h2c: { port: CLEARTEXT_H2, appProtocol: H2C, seen: '2.0' },
  https: { port: TLS, seen: '1.1 app.internal' },
  h2: { port: TLS, appProtocol: H2C, seen: '2.0 app.internal' },
} as const

const NGINX = (origin: number) => `
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  map $server_protocol $version { ~/(.*) $1; }
  upstream origin { server 127.0.0.1:${origin}; }
  server {
    listen {address}:${PLAIN};
    listen {address}:${CLEARTEXT_H2} http2;
    listen {address}:${TLS} ssl http2;
    ssl_certificate server.pem; ssl_certificate_key server.pem;
    location = /file { root .; }
    location = /requests { return 200 $connection_requests; }
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Seen "nginx $version $ssl_server_name";
    }
  }`

const HAPROXY = (origin: number) => `
frontend web
  bind {address}:${PLAIN}
  bind {address}:${CLEARTEXT_H2} proto h2
  bind {address}:${TLS} ssl crt server.pem alpn h2,http/1.1
  http-request set-header X-Seen "haproxy %[req.ver] %[ssl_fc_sni]"
  default_backend origin
backend origin
  server origin 127.0.0.1:${origin}`

/** What it streams, chunked. */
const STREAM = randomBytes(1 << 20)

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Tells what arrived; streams on /stream; echoes WebSocket messages. */
async function startTelling(): Promise<Origin> {
  const origin = await startOrigin((request, response) => {
    const seen = String(request.headers['x-seen'] ?? '').trim()
    if (request.url === '/stream') {
      response.writeHead(200)
      for (let at = 0; at < STREAM.length; at += 50_000) {
        response.write(STREAM.subarray(at, at + 50_000))
      }
      response.end()
      return
    }
    const hash = createHash('sha256')
    request.on('data', (chunk: Buffer) => hash.update(chunk))
    request.on('end', () => response.end(`${request.method} ${hash.digest('hex')} ${seen}`))
  })
  new WebSocketServer({ server: origin.server }).on('connection', (socket, { headers }) => {
    socket.send(String(headers['x-seen']).trim())
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  return origin
}

function policy(name: string, authority: string, hostname: string): Manifest {
  const caCertificateRefs = [{ group: '', kind: 'ConfigMap', name: authority }]
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name }],
      validation: { caCertificateRefs, hostname },
    },
  }
}

describe('nginx and HAProxy as backends', { skip: missing('nginx', 'haproxy') }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-peers-'))
  const addresses = { nginx: ownAddress(), haproxy: ownAddress() }
  const servers: RealServer[] = []
  let origin: Origin
  let daemon: Daemon
  const ask = (name: string, ...args: readonly string[]) =>
    curl(['-H', `Host: ${name}.test`, ...args, `http://${daemon.address}:8080/`])

  before(async () => {
    origin = await startTelling()
    const { certPem, keyPem } = await testCertificate(['app.internal'])
    const files = { 'server.pem': `${certPem}${keyPem}`, file: 'of nginx\n' }
    const on = (address: string, text: string) => text.replaceAll('{address}', address)
    const { nginx, haproxy } = addresses
    servers.push(await startNginx(nginx, PLAIN, on(nginx, NGINX(origin.port)), files))
    servers.push(await startHaproxy(haproxy, PLAIN, on(haproxy, HAPROXY(origin.port)), files))
    const others = await createCertificateAuthority('others')
    daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', 8080)]),
          caConfigMap('ours', (await testAuthority()).certPem),
          caConfigMap('others', others.certPem),
          ...Object.entries(addresses).flatMap(([server, address]) => backendsOf(server, address)),
        ),
      },
    })
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    for (const server of servers) await server.close()
    origin[Symbol.dispose]()
    rmSync(scratch, { recursive: true })
  })

  for (const server of ['nginx', 'haproxy']) {
    for (const [way, { seen }] of Object.entries(WAYS)) {
      const name = `${server}-${way}`

      it(`${name}: requests of HTTP/1.1 and HTTP/2 clients, with and without a body`, async () => {
        const body = randomBytes(300_000)
        const file = join(scratch, name)
        writeFileSync(file, body)
        const expected = [
          [[], `GET ${digestOf(Buffer.alloc(0))}`],
          [['--data-binary', `@${file}`], `POST ${digestOf(body)}`],
          [['-T', '-', '-X', 'PUT'], `PUT ${digestOf(body)}`],
        ] as const
        for (const version of ['--http1.1', '--http2-prior-knowledge']) {
          for (const [args, told] of expected) {
            const all = ['-H', `Host: ${name}.test`, version, ...args]
            const { stdout } = await curl([...all, `http://${daemon.address}:8080/`], {
              input: body,
            })
            assert.equal(stdout, `${told} ${server} ${seen}`)
          }
        }
      })

      it(`${name}: a chunked answer, byte for byte`, async () => {
        const got = join(scratch, `${name}-stream`)
        const all = ['-H', `Host: ${name}.test`, '-o', got, '-w', '%{http_code} %{size_download}']
        const { stdout } = await curl([...all, `http://${daemon.address}:8080/stream`])
        assert.equal(stdout, `200 ${STREAM.length}`)
        assert.equal(digestOf(readFileSync(got)), digestOf(STREAM))
      })

      it(`${name}: 100-continue before the body`, async () => {
        const text = await sendAfterContinue(daemon, `${name}.test`)
        assert.match(text, new RegExp(`^POST ${digestOf(Buffer.from('late'))} `))
      })
    }

    for (const way of ['http1', 'https'] as const) {
      it(`${server}-${way}: WebSocket`, async () => {
        const socket = new WebSocket(`ws://${daemon.address}:8080/`, {
          headers: { host: `${server}-${way}.test` },
        })
        const [seen] = await once(socket, 'message')
        assert.equal(String(seen), `${server} ${WAYS[way].seen}`)
        const large = randomBytes(100_000)
        socket.send(large)
        const [echo] = await once(socket, 'message')
        assert.ok(large.equals(echo))
        socket.close(4001)
        assert.equal((await once(socket, 'close'))[0], 4001)
      })
    }

    it(`${server}: another name or another authority is 502`, async () => {
      for (const fault of ['wrong-name', 'wrong-authority']) {
        const { stdout } = await ask(`${server}-${fault}`, '-w', ' %{http_code}')
        assert.match(stdout, /upstream-tls-failed\n 502$/)
      }
    })
  }

  it('nginx: one connection serves many requests', async () => {
    for (const way of ['http1', 'h2c', 'https', 'h2']) {
      const url = `http://${daemon.address}:8080/requests`
      const args = ['-H', `Host: nginx-${way}.test`, '-w', ' ']
      const { stdout } = await curl([...args, url, url, url])
      const [first = 0, ...counts] = stdout.trim().split(' ').map(Number)
      assert.deepEqual(counts, [first + 1, first + 2], way)
    }
  })

  it('nginx: HEAD, 304 and 206 keep their framing', async () => {
    const url = `http://${daemon.address}:8080/file`
    const host = ['-H', 'Host: nginx-http1.test']
    const head = await curl(['-I', ...host, url])
    assert.match(head.stdout, / 200 [\s\S]*\ncontent-length: 9\r/i)
    const etag = /^etag: (.*)\r$/im.exec(head.stdout)?.[1] ?? ''
    const unchanged = await curl(['-i', ...host, '-H', `If-None-Match: ${etag}`, url, url])
    assert.equal(unchanged.stdout.match(/ 304 /g)?.length, 2)
    const part = await curl([...host, '-r', '3-7', '-w', ' %{http_code}', url])
    assert.equal(part.stdout, 'nginx 206')
  })
})

/** The Service of each way with its route, and two that must be refused. */
function backendsOf(server: string, address: string): readonly Manifest[] {
  const routed = (name: string, port: number, appProtocol?: string): readonly Manifest[] => [
    ...service(name, 80, [{ address, port }], appProtocol),
    httpRoute(name, [`${name}.test`], [{ backendRefs: [backendRef(name)] }]),
  ]
  return [
    ...Object.entries(WAYS).flatMap(([way, { port, ...rest }]) =>
      routed(`${server}-${way}`, port, 'appProtocol' in rest ? rest.appProtocol : undefined),
    ),
    ...['https', 'h2'].map((way) => policy(`${server}-${way}`, 'ours', 'app.internal')),
    ...routed(`${server}-wrong-name`, TLS),
    policy(`${server}-wrong-name`, 'ours', 'other.internal'),
    ...routed(`${server}-wrong-authority`, TLS),
    policy(`${server}-wrong-authority`, 'others', 'app.internal'),
  ]
}

/** Sends its body only when it was told to go on. */
async function sendAfterContinue({ address }: Daemon, host: string): Promise<string> {
  const headers = { host, expect: '100-continue', 'content-length': 4 }
  const request = http.request({ host: address, port: 8080, method: 'POST', headers, agent: false })
  request.flushHeaders()
  await once(request, 'continue')
  request.end('late')
  const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
  return Buffer.concat(await response.toArray()).toString()
}
