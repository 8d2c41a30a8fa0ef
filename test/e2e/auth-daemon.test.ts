/** External auth through the whole daemon, with two workers: TLS to the services, logs, reloads. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { startEcho } from '../support/auth-service.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { caConfigMap } from '../support/client-certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { startGrpcAuth } from '../support/ext-authz.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  yaml,
} from '../support/manifests.ts'

const GOOD = 'Bearer a-good-token'

/** Allows GOOD and names the user; sends all others to the login page. */
async function startHttpsAuth() {
  const { certPem, keyPem } = await testCertificate(['auth.internal'])
  const server = https.createServer({ cert: certPem, key: keyPem }, (request, response) => {
    request.resume()
    if (request.headers.authorization === GOOD) {
      response.writeHead(200, { 'X-User': 'alice', 'X-Names': request.url }).end()
    } else {
      response.writeHead(302, { Location: 'https://login.test/' }).end('go there')
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

function tlsPolicy(name: string, hostname: string): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name }],
      validation: { hostname, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
    },
  }
}

function guarded(path: string, externalAuth: Manifest): Manifest {
  return {
    matches: [{ path: { value: path } }],
    filters: [{ type: 'ExternalAuth', externalAuth }],
    backendRefs: [backendRef('app')],
  }
}

const overHttp = (name: string): Manifest => ({
  protocol: 'HTTP',
  backendRef: { name, port: 443 },
  http: { path: '/verify', allowedResponseHeaders: ['X-User', 'X-Names'] },
})

describe('external auth of a daemon', () => {
  let auth: Awaited<ReturnType<typeof startHttpsAuth>>
  let checks: Awaited<ReturnType<typeof startGrpcAuth>>
  let app: Awaited<ReturnType<typeof startEcho>>
  let daemon: Daemon
  const place = (port: number) => [{ address: '127.0.0.1', port }]
  const rules = (): readonly Manifest[] => [
    guarded('/http', overHttp('auth')),
    guarded('/grpc', { protocol: 'GRPC', backendRef: { name: 'checks', port: 443 }, grpc: {} }),
    guarded('/stranger', overHttp('stranger')),
    guarded('/missing', overHttp('missing')),
    { backendRefs: [backendRef('app')] },
  ]
  const get = (path: string, ...more: readonly string[]) =>
    curl(['-i', '-H', 'Host: a.test', ...more, `http://${daemon.address}:8080${path}`])

  before(async () => {
    auth = await startHttpsAuth()
    const certificate = await testCertificate(['checks.internal'])
    checks = await startGrpcAuth(
      ({ request }) =>
        request.http.headers['authorization'] === GOOD
          ? { status: { code: 0 }, okResponse: { headersToRemove: ['authorization'] } }
          : { status: { code: 16 }, deniedResponse: { status: { code: 401 }, body: 'who?' } },
      { certificate },
    )
    app = await startEcho()
    daemon = await startDaemon({
      workers: 2,
      files: {
        'all.yaml': yaml(
          gateway([httpListener('web', 8080)]),
          caConfigMap('ca', (await testAuthority()).certPem),
          ...service('app', 80, place(app.port)),
          ...service('auth', 443, place(auth.port)),
          ...service('checks', 443, place(checks.port)),
          // The same place under a name that its certificate does not have.
          ...service('stranger', 443, place(auth.port)),
          tlsPolicy('auth', 'auth.internal'),
          tlsPolicy('checks', 'checks.internal'),
          tlsPolicy('stranger', 'stranger.internal'),
        ),
        'route.yaml': yaml(httpRoute('app', undefined, rules())),
      },
    })
  })

  after(async () => {
    await daemon.stop()
    auth.server.close()
    checks[Symbol.dispose]()
    app[Symbol.dispose]()
  })

  it('asks over HTTPS with the name of the policy', async () => {
    const { stdout } = await get('/http/a?q=1', '-H', `Authorization: ${GOOD}`)
    assert.match(stdout, /^HTTP\/1\.1 200 /)
    assert.match(stdout, /"x-user":"alice"/)
    assert.match(stdout, /"x-names":"\/verify\/http\/a\?q=1"/)
    const denied = await get('/http', '-H', 'X-User: root')
    assert.match(denied.stdout, /^HTTP\/1\.1 302 Found\r\nLocation: https:\/\/login\.test\/\r\n/i)
    assert.match(denied.stdout, /\r\n\r\ngo there$/)
  })

  it('asks over gRPC with the name of the policy', async () => {
    const { stdout } = await get('/grpc', '-H', `Authorization: ${GOOD}`)
    assert.match(stdout, /^HTTP\/1\.1 200 /)
    assert.doesNotMatch(stdout, /authorization/)
    const denied = await get('/grpc', '-H', 'Authorization: Bearer bad')
    assert.match(denied.stdout, /^HTTP\/1\.1 401 /)
    assert.match(denied.stdout, /\r\n\r\nwho\?$/)
  })

  it('believes nobody else', async () => {
    const { stdout } = await get('/stranger', '-H', `Authorization: ${GOOD}`)
    assert.match(stdout, /^HTTP\/1\.1 403 /)
    const line = await daemon.line(({ path, log }) => log === 'exchange' && path === '/stranger')
    assert.equal(line['reason'], 'auth-failed')
    assert.equal(line['response_flags'], 'UAEX')
    assert.equal(typeof line['auth_ms'], 'number')
    assert.match(String(line['connection_termination_details']), /upstream-tls-failed/)
  })

  it('gives 500 where the service is not declared, and says so', async () => {
    const { stdout } = await get('/missing', '-H', `Authorization: ${GOOD}`)
    assert.match(stdout, /^HTTP\/1\.1 500 /)
    assert.match(JSON.stringify(await daemon.admin.get('/status')), /Service default\/missing/)
  })

  it('logs no credentials', async () => {
    await get('/http?token=query-secret', '-H', 'Authorization: Bearer header-secret')
    await get('/grpc?token=query-secret', '-H', 'Cookie: a=cookie-secret')
    await daemon.line(({ path, log }) => log === 'exchange' && path === '/grpc')
    const text = JSON.stringify(daemon.lines)
    assert.doesNotMatch(text, /a-good-token|query-secret|header-secret|cookie-secret/)
  })

  it('serves requests of one connection by the rules of their moment', async () => {
    const rest = rules().slice(1)
    await daemon.apply({
      'route.yaml': yaml(
        httpRoute('app', undefined, [
          { matches: [{ path: { value: '/http' } }], backendRefs: [backendRef('app')] },
          ...rest,
        ]),
      ),
    })
    assert.match((await get('/http')).stdout, /^HTTP\/1\.1 200 /)
    await daemon.apply({ 'route.yaml': yaml(httpRoute('app', undefined, rules())) })
    assert.match((await get('/http')).stdout, /^HTTP\/1\.1 302 /)
  })
})

it('waits for a service as long as --auth-timeout says', { timeout: 60_000 }, async () => {
  const silent = net.createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const externalAuth = { protocol: 'HTTP', backendRef: { name: 'auth', port: 80 }, http: {} }
  const daemon = await startDaemon({
    args: ['--auth-timeout', '200ms'],
    files: {
      'all.yaml': yaml(
        gateway([httpListener('http', 8080)]),
        httpRoute('app', undefined, [guarded('/', externalAuth)]),
        ...service('auth', 80, [{ address: '127.0.0.1', port }]),
        ...service('app', 80, [{ address: '127.0.0.1', port }]),
      ),
    },
  })
  await curl(['-o', '/dev/null', `http://${daemon.address}:8080/`])
  const line = await daemon.line(({ log }) => log === 'exchange')
  assert.deepEqual([line['response_code'], line['reason']], [403, 'auth-failed'])
  // Well below what it is by default.
  assert.ok(
    Number(line['auth_ms']) >= 195 && Number(line['auth_ms']) < 4000,
    String(line['auth_ms']),
  )
  assert.equal(await daemon.stop(), 0)
  silent.close()
})
