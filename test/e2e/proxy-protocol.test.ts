/**
 * PROXY protocol with peers that nobody here wrote: HAProxy in front of gwproxy and behind it, and
 * curl, on every kind of listener. The client is the same in headers, log and at the backend.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { caConfigMap } from '../support/client-certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, type LogLine, ownAddress, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  tcpRoute,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'
import { missing, type RealServer, startHaproxy } from '../support/real-servers.ts'

const CLIENT = '127.0.0.9'
/** Whom gwproxy believes. */
const PROXY = '127.0.0.2'
const HTTP = 8080
const HTTPS = 8443
const TCP = 9000

/** What HAProxy sees of who a connection is for, plain and behind TLS. */
const BEHIND = (address: string) => {
  const says = `http-request return status 200 content-type text/plain lf-string "%[src],%[dst_port],%[fc_pp_authority],%[req.fhdr(x-forwarded-for)]\\n"`
  return `
frontend plain
  bind ${address}:80 accept-proxy
  ${says}
frontend secure
  bind ${address}:443 accept-proxy ssl crt server.pem
  ${says}`
}

/** One port for each way of saying it. */
const SENDERS = {
  v1: { port: 7001, to: HTTP, how: 'send-proxy' },
  v2: { port: 7002, to: HTTP, how: 'send-proxy-v2' },
  'v2 with options': {
    port: 7003,
    to: HTTP,
    how: 'send-proxy-v2 proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn',
  },
  'v1 before TLS': { port: 7004, to: HTTPS, how: 'send-proxy' },
  'v2 before TLS': { port: 7005, to: HTTPS, how: 'send-proxy-v2' },
} as const

const IN_FRONT = (address: string, gwproxy: string) =>
  Object.values(SENDERS)
    .map(
      ({ port, to, how }) => `
listen to-${port}
  mode tcp
  bind ${address}:${port}
  unique-id-format %{+X}o%ci
  server gwproxy ${gwproxy}:${to} source ${PROXY} ${how}`,
    )
    .join('\n')

for (const workers of [0, 2]) {
  describe(`PROXY protocol, --workers ${workers}`, { skip: missing('haproxy') }, () => {
    let daemon: Daemon
    let app: Backend
    const servers: RealServer[] = []
    const front = ownAddress()
    const behind = ownAddress()

    before(async () => {
      app = await startHttpBackend('app')
      const { certPem, keyPem } = await testCertificate(['pass.test', 'again.test'])
      servers.push(
        await startHaproxy(behind, 443, BEHIND(behind), { 'server.pem': certPem + keyPem }),
      )
      daemon = await startDaemon({
        workers,
        args: ['--trusted-proxy', PROXY],
        files: { 'all.yaml': await manifests() },
      })
      servers.push(await startHaproxy(front, 7001, IN_FRONT(front, daemon.address), {}))
    })
    after(async () => {
      assert.equal(await daemon.stop(), 0)
      for (const server of servers) await server.close()
      await app.close()
    })

    async function manifests(): Promise<string> {
      const at = (port: number) => [{ address: behind, port }]
      const sent = (version: string, [object, ...rest]: readonly Manifest[]) => [
        annotated(object ?? {}, 'gwproxy.dev/send-proxy-protocol', version),
        ...rest,
      ]
      const taken = gateway([
        httpListener('http', HTTP),
        tlsListener('pass', HTTPS, 'pass.test', 'passthrough'),
        tlsListener('https', HTTPS, 'https.test', ['web'], 'HTTPS'),
        tlsListener('ended', HTTPS, 'ended.test', ['web']),
        { name: 'tcp', port: TCP, protocol: 'TCP' },
      ])
      const names = ['app', 'v1', 'v2', 'again'].map((name) =>
        httpRoute(
          name,
          [`${name}.test`, ...(name === 'v2' ? ['https.test'] : [])],
          [{ backendRefs: [backendRef(name === 'app' ? 'app' : `http-${name}`)] }],
        ),
      )
      return yaml(
        annotated(taken, 'gwproxy.dev/accept-proxy-protocol', 'optional'),
        tlsSecret('web', await testCertificate(['*.test'])),
        caConfigMap('ours', (await testAuthority()).certPem),
        ...service('app', 80, [app]),
        ...sent('v1', service('http-v1', 80, at(80))),
        ...sent('v2', service('http-v2', 80, at(80))),
        ...sent('v2', service('http-again', 80, at(443))),
        backendTlsPolicy('http-again', 'again.test'),
        ...sent('v2', service('tls', 443, at(443))),
        ...names,
        tlsRoute('pass', ['pass.test'], [backendRef('tls', 443)], { sectionName: 'pass' }),
        tlsRoute('ended', ['ended.test'], [backendRef('http-v2')], { sectionName: 'ended' }),
        tcpRoute('tcp', [backendRef('http-v1')], { sectionName: 'tcp' }),
      )
    }

    /** Through `port` of `address`, as CLIENT. */
    async function get(url: string, address: string, port: number, ...args: readonly string[]) {
      const { host } = new URL(url)
      const to = ['--connect-to', `${host}::${address}:${port}`]
      const { stdout, stderr } = await curl(['-k', '--interface', CLIENT, ...to, ...args, url])
      assert.equal(stderr, '')
      return stdout
    }

    function lineOf(id: string): Promise<LogLine> {
      return daemon.line(({ path }) => path === `/${id}`, `the line of ${id}`)
    }

    for (const [name, { port, to }] of Object.entries(SENDERS)) {
      it(`HAProxy in front: ${name}`, async () => {
        const scheme = to === HTTP ? 'http://app.test' : 'https://https.test'
        const answer = await get(`${scheme}/from-${port}`, front, port)
        const forwarded =
          to === HTTP
            ? (JSON.parse(answer) as { headers: Record<string, string> }).headers['x-forwarded-for']
            : answer.trim().split(',').at(-1)
        assert.equal(forwarded, CLIENT)
        const line = await lineOf(`from-${port}`)
        assert.equal(line['client'], CLIENT)
        assert.match(String(line['downstream_remote_address']), /^127\.0\.0\.2:/)
        const connection = await daemon.line(
          (other) =>
            other['log'] === 'connection' && other['connection_id'] === line['connection_id'],
        )
        assert.equal(connection['client'], CLIENT)
      })
    }

    it('curl --haproxy-protocol from a trusted address', async () => {
      const trusted = ['--haproxy-protocol', '--interface', PROXY]
      const answer = await get('http://app.test/curl', daemon.address, HTTP, ...trusted)
      assert.match(answer, /"x-forwarded-for":\s*"127\.0\.0\.2"/)
      const secure = await get('https://https.test/', daemon.address, HTTPS, ...trusted)
      assert.equal(secure, `${PROXY},${HTTPS},https.test,${PROXY}\n`)
    })

    it('a header of a stranger is no HTTP request', async () => {
      const args = ['--haproxy-protocol', '-o', '/dev/null', '-w', '%{http_code}']
      assert.equal(await get('http://app.test/', daemon.address, HTTP, ...args), '400')
    })

    it('what the proxied client says of itself is not believed', async () => {
      const forged = ['-H', 'X-Forwarded-For: 192.0.2.66']
      const answer = await get('http://app.test/forged', front, SENDERS.v2.port, ...forged)
      assert.doesNotMatch(answer, /192\.0\.2\.66/)
      assert.equal((await lineOf('forged'))['client'], CLIENT)
    })

    it('HAProxy behind: TCP, v1', async () => {
      assert.equal(await get('http://any.test/', daemon.address, TCP), `${CLIENT},${TCP},,\n`)
    })

    it('HAProxy behind: passthrough, v2 with the server name', async () => {
      const answer = await get('https://pass.test/', daemon.address, HTTPS)
      assert.equal(answer, `${CLIENT},${HTTPS},pass.test,\n`)
    })

    it('HAProxy behind: TLS that ends here, v2 with the server name', async () => {
      const answer = await get('https://ended.test/', daemon.address, HTTPS, '--http1.1')
      assert.equal(answer, `${CLIENT},${HTTPS},ended.test,\n`)
    })

    for (const name of ['v1', 'v2', 'again']) {
      it(`HAProxy behind: HTTP requests, ${name === 'again' ? 'v2 before TLS' : name}`, async () => {
        // One connection of a proxy serves one client after the other, as pools would mix them.
        for (const client of [CLIENT, '127.0.0.10', CLIENT]) {
          const args = ['--interface', client]
          const answer = await get(`http://${name}.test/`, daemon.address, HTTP, ...args)
          assert.equal(answer, `${client},${HTTP},,${client}\n`)
        }
      })
    }

    it('both ways: HAProxy, gwproxy, HAProxy', async () => {
      const answer = await get('https://pass.test/', front, SENDERS['v1 before TLS'].port)
      assert.equal(answer, `${CLIENT},${SENDERS['v1 before TLS'].port},pass.test,\n`)
    })
  })
}

function annotated(object: Manifest, key: string, value: string): Manifest {
  const metadata = object['metadata'] as Manifest
  return { ...object, metadata: { ...metadata, annotations: { [key]: value } } }
}

function backendTlsPolicy(name: string, hostname: string): Manifest {
  const caCertificateRefs = [{ group: '', kind: 'ConfigMap', name: 'ours' }]
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
