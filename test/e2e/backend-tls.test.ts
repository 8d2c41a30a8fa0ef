/** BackendTLSPolicy through the whole daemon, against origins with real certificates. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { createCertificateAuthority } from '../../src/wire/issue-certificate.ts'
import type { CertificateAuthority, IssueOptions } from '../../src/wire/issue-certificate.ts'
import { caConfigMap } from '../support/client-certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'
import {
  startH2TlsOrigin,
  startHttpsOrigin,
  startTlsEchoOrigin,
  type TlsOrigin,
} from '../support/tls-origin.ts'

const HTTP = 8080
const BARE = 8081
const TLS = 8443
const ECHO_WRONG = 'Service/default/echo-wrong:443'

function policy(service: string, validation: Manifest, extra: Manifest = {}): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name: service },
    spec: { targetRefs: [{ group: '', kind: 'Service', name: service }], validation, ...extra },
  }
}

const trusting = (configMap: string, hostname: string, more: Manifest = {}): Manifest => ({
  caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: configMap }],
  hostname,
  ...more,
})

for (const workers of [0, 2]) {
  describe(`TLS to backends, --workers ${workers}`, () => {
    const origins: { close(): void }[] = []
    let ours: CertificateAuthority
    let theirs: CertificateAuthority
    let daemon: Daemon
    let rotating: TlsOrigin
    let shared: TlsOrigin
    let plain: net.Server

    const opened = <T extends { close(): void }>(origin: T): T => {
      origins.push(origin)
      return origin
    }
    const certificate = async (options: Partial<IssueOptions>, authority = ours) => {
      const issued = await authority.issue({ commonName: 'origin', ...options })
      return { cert: issued.certPem, key: issued.keyPem }
    }

    before(async () => {
      ours = await createCertificateAuthority('ours')
      theirs = await createCertificateAuthority('theirs')
      const clients = await createCertificateAuthority('clients of the backend')
      const named = await certificate({ dnsNames: ['app.test', 'alias.test'] })
      const spiffe = await certificate({ uris: ['spiffe://test/app'], dnsNames: ['app.test'] })
      const late = { dnsNames: ['app.test'], notAfter: new Date(Date.now() - 60_000) }
      const good = opened(await startHttpsOrigin(named))
      shared = good
      rotating = opened(await startHttpsOrigin(named))
      const mutual = opened(await startHttpsOrigin({ ...named, clientCa: clients.certPem }))
      const h2 = opened(await startH2TlsOrigin(named))
      const echo = opened(await startTlsEchoOrigin(named))
      const uri = opened(await startHttpsOrigin(spiffe))
      const expired = opened(await startHttpsOrigin(await certificate(late)))
      // Speaks before TLS, as a mail server would.
      plain = net.createServer((socket) => {
        socket.on('error', () => undefined)
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret')
      })
      plain.listen(0, '127.0.0.1')
      await once(plain, 'listening')
      origins.push(plain)
      const plainPort = (plain.address() as net.AddressInfo).port
      const san = (type: string, value: string): Manifest => ({
        subjectAltNames: [{ type, [type === 'URI' ? 'uri' : 'hostname']: value }],
      })
      const cases: readonly (readonly [string, { address: string; port: number }, Manifest])[] = [
        ['good', good, trusting('ours', 'app.test')],
        ['wrong-ca', good, trusting('theirs', 'app.test')],
        ['wrong-name', good, trusting('ours', 'other.test')],
        ['system', good, { wellKnownCACertificates: 'System', hostname: 'app.test' }],
        ['no-ca', good, trusting('absent', 'app.test')],
        ['san-dns', good, trusting('ours', 'sni.test', san('Hostname', 'alias.test'))],
        ['san-uri', uri, trusting('ours', 'sni.test', san('URI', 'spiffe://test/app'))],
        ['san-other', uri, trusting('ours', 'app.test', san('URI', 'spiffe://test/ap'))],
        ['expired', expired, trusting('ours', 'app.test')],
        ['rotating', rotating, trusting('rotating', 'app.test')],
        ['mutual', mutual, trusting('ours', 'app.test')],
        ['plain', { address: '127.0.0.1', port: plainPort }, trusting('ours', 'app.test')],
        ['echo', echo, trusting('ours', 'app.test')],
        ['echo-wrong', echo, trusting('ours', 'other.test')],
        ['h2', h2, trusting('ours', 'app.test')],
        ['h2-wrong', h2, trusting('ours', 'other.test')],
        ['h2-h1', good, trusting('ours', 'app.test')],
      ]
      const names = cases.map(([name]) => name)
      const web = names.filter((name) => !name.startsWith('echo'))
      const { spec, ...rest } = gateway([
        httpListener('http', HTTP),
        tlsListener('tls', TLS, undefined, ['server']),
      ]) as { spec: object }
      const objects = [
        {
          ...rest,
          spec: { ...spec, tls: { backend: { clientCertificateRef: { name: 'gateway' } } } },
        },
        gateway([httpListener('http', BARE)], { name: 'bare' }),
        httpRoute('bare', undefined, [{ backendRefs: [backendRef('mutual', 443)] }], {
          gateway: 'bare',
        }),
        ...cases.flatMap(([name, origin]) =>
          service(name, 443, [origin], name.startsWith('h2') ? 'kubernetes.io/h2c' : undefined),
        ),
        ...cases.map(([name, , validation]) => policy(name, validation)),
        ...service('naked', 443, [good]),
        ...[...web, 'naked'].map((name) =>
          httpRoute(name, [`${name}.test`], [{ backendRefs: [backendRef(name, 443)] }]),
        ),
        ...['echo', 'echo-wrong'].map((name) =>
          tlsRoute(name, [`${name}.test`], [backendRef(name, 443)], { sectionName: 'tls' }),
        ),
        caConfigMap('ours', ours.certPem),
        caConfigMap('theirs', theirs.certPem),
        tlsSecret('server', await ours.issue({ commonName: 'x', dnsNames: ['*.test'] })),
        tlsSecret('gateway', await clients.issue({ commonName: 'front', usage: 'client' })),
      ]
      daemon = await startDaemon({
        files: {
          'all.yaml': yaml(...objects),
          'rotating.yaml': yaml(caConfigMap('rotating', ours.certPem)),
        },
        workers,
      })
    })
    after(async () => {
      await daemon?.stop()
      for (const origin of origins) origin.close()
    })

    /** Status and body, over plain HTTP to the daemon. */
    const get = async (name: string, port = HTTP) => {
      const { stdout } = await curl([
        ...['-w', '\n%{http_code}', '-H', `Host: ${name}.test`],
        `http://${daemon.address}:${port}/`,
      ])
      const end = stdout.lastIndexOf('\n')
      return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
    }
    const why = async (name: string): Promise<string> => {
      const line = await daemon.line((entry) => entry[':authority'] === `${name}.test`)
      return `${line['reason']}: ${line['connection_termination_details']}`
    }

    it('asks for the name of the policy and shows the certificate of the Gateway', async () => {
      const { status, body } = await get('good')
      assert.equal(status, 200)
      assert.equal(JSON.parse(body).sni, 'app.test')
      const mutual = await get('mutual')
      assert.equal(JSON.parse(mutual.body).client, 'CN=front')
    })

    it('shows nothing for a Gateway that has no certificate, and fails when the backend wants one', async () => {
      // With TLS 1.3 the refusal comes after the handshake: as an alert, or as no more than a close.
      assert.ok([502, 503].includes((await get('bare', BARE)).status))
      assert.match(await why('bare'), /^upstream-/)
    })

    it('accepts whom the subject alternative names allow, and nobody else', async () => {
      assert.equal(JSON.parse((await get('san-dns')).body).sni, 'sni.test')
      assert.equal((await get('san-uri')).status, 200)
      assert.equal((await get('san-other')).status, 502)
      assert.match(await why('san-other'), /not for URI:spiffe:\/\/test\/ap; it has .*URI:spiffe/)
    })

    it('says 502 and why, when the certificate does not fit', async () => {
      for (const [name, detail] of [
        ['wrong-ca', /BackendTLSPolicy\/default\/wrong-ca: UNABLE_TO_/],
        ['wrong-name', /not for other\.test; it has DNS:app\.test, DNS:alias\.test/],
        ['system', /UNABLE_TO_/],
        ['expired', /CERT_HAS_EXPIRED/],
      ] as const) {
        assert.equal((await get(name)).status, 502, name)
        const text = await why(name)
        assert.match(text, /^upstream-tls-failed: /)
        assert.match(text, detail)
      }
    })

    it('is never plaintext: not for a missing CA, nor to one who speaks before TLS', async () => {
      const before = shared.handshakes()
      assert.equal((await get('no-ca')).status, 500)
      assert.equal(shared.handshakes(), before)
      const { status, body } = await get('plain')
      assert.equal(status, 502)
      assert.doesNotMatch(body, /secret/)
      // Without a policy the same place gets plaintext, and its TLS server no request.
      assert.notEqual((await get('naked')).status, 200)
    })

    it('never mixes connections of different policies to one place, nor resumes sessions', async () => {
      for (let round = 0; round < 3; round += 1) {
        for (const [name, status] of [
          ['good', 200],
          ['wrong-name', 502],
          ['wrong-ca', 502],
        ] as const) {
          const { status: got, body } = await get(name)
          assert.equal(got, status, name)
          if (got === 200) assert.equal(JSON.parse(body).resumed, false)
        }
      }
    })

    it('the Host of a request has no say', async () => {
      const { stdout } = await curl([
        ...['-H', 'Host: good.test', '-H', 'X-Forwarded-Host: evil.test'],
        `http://${daemon.address}:${HTTP}/`,
      ])
      assert.equal(JSON.parse(stdout).sni, 'app.test')
    })

    it('HTTP/2 to backends that agree on it', async () => {
      const { status, body } = await get('h2')
      assert.equal(status, 200)
      assert.deepEqual([JSON.parse(body).sni, JSON.parse(body).scheme], ['app.test', 'https'])
      assert.equal((await get('h2-wrong')).status, 502)
      assert.match(await why('h2-wrong'), /not for other\.test/)
      assert.equal((await get('h2-h1')).status, 502)
      assert.match(await why('h2-h1'), /^upstream-tls-failed: /)
    })

    it('WebSocket to a backend behind TLS', async () => {
      const socket = new WebSocket(`ws://${daemon.address}:${HTTP}/`, {
        headers: { Host: 'good.test' },
      })
      await once(socket, 'open')
      socket.send('through')
      assert.equal(String((await once(socket, 'message'))[0]), 'through')
      socket.close()
      await once(socket, 'close')
    })

    const stream = (servername: string): tls.TLSSocket => {
      const place = { host: daemon.address, port: TLS, servername }
      return tls.connect({ ...place, rejectUnauthorized: false }).on('error', () => undefined)
    }

    it('streams that TLS was taken off get TLS again', async () => {
      const socket = stream('echo.test')
      assert.equal(String((await once(socket, 'data'))[0]), 'hello\n')
      socket.end('back')
      assert.equal(String((await once(socket, 'data'))[0]), 'back')
      await once(socket, 'close')
    })

    it('streams are closed without a byte when the certificate does not fit', async () => {
      const socket = stream('echo-wrong.test')
      socket.on('data', assert.fail)
      await new Promise((resolve) => socket.once('close', resolve))
      const own = await daemon.line(
        (entry) => entry['log'] === 'connection' && entry['upstream_cluster'] === ECHO_WRONG,
      )
      assert.match(String(own['connection_termination_details']), /not for other\.test/)
    })

    it('a rotated CA takes effect without a restart, in both directions', async () => {
      assert.equal((await get('rotating')).status, 200)
      await daemon.apply({ 'rotating.yaml': yaml(caConfigMap('rotating', theirs.certPem)) })
      assert.equal((await get('rotating')).status, 502)
      rotating.setCertificate(await certificate({ dnsNames: ['app.test'] }, theirs))
      assert.equal((await get('rotating')).status, 200)
      await daemon.apply({ 'rotating.yaml': undefined })
      assert.equal((await get('rotating')).status, 500)
    })
  })
}
