/** Client certificates through the whole daemon, as curl and openssl present them (GEP-91). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import * as tls from 'node:tls'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import type { CertificateAuthority } from '../../src/wire/issue-certificate.ts'
import { testCertificate } from '../support/certificates.ts'
import {
  authority,
  caConfigMap,
  ClientCertificates,
  type ClientFiles,
  clientValidation,
  presenting,
} from '../support/client-certificates.ts'
import { command, curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpRoute,
  type Manifest,
  service,
  tlsListener,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

const PORT = 8443
const LAX_PORT = 9443
const HASH = /^Hash=[0-9a-f]{64};Subject="CN=alice"$/

/** a.test and b.test validate, lax.test asks only, open.test of another Gateway does not ask. */
function gateways(): readonly Manifest[] {
  const { spec, ...rest } = gateway([
    tlsListener('a', PORT, 'a.test', ['server'], 'HTTPS'),
    tlsListener('b', PORT, 'b.test', ['server'], 'HTTPS'),
    tlsListener('lax', LAX_PORT, 'lax.test', ['server'], 'HTTPS'),
  ]) as { spec: object }
  const frontend = {
    default: { validation: clientValidation('clients') },
    perPort: [
      { port: LAX_PORT, tls: { validation: clientValidation('clients', 'AllowInsecureFallback') } },
    ],
  }
  const open = tlsListener('open', PORT, 'open.test', ['server'], 'HTTPS')
  return [
    { ...rest, spec: { ...spec, tls: { frontend } } },
    gateway([open], { name: 'open' }),
    httpRoute('r', undefined, [{ backendRefs: [backendRef('app')] }]),
    httpRoute('o', undefined, [{ backendRefs: [backendRef('app')] }], { gateway: 'open' }),
  ]
}

for (const workers of [0, 2]) {
  describe(`client certificates, --workers ${workers}`, () => {
    const clients = new ClientCertificates()
    let app: Backend
    let ours: CertificateAuthority
    let daemon: Daemon
    let alice: ClientFiles
    let stranger: ClientFiles
    let expired: ClientFiles

    before(async () => {
      app = await startHttpBackend('app')
      ours = await authority('ours')
      alice = await clients.issue(ours, 'alice')
      stranger = await clients.issue(await authority('theirs'), 'alice')
      expired = await clients.issue(ours, 'late', { notAfter: new Date(Date.now() - 60_000) })
      const server = await testCertificate(['a.test', 'b.test', 'lax.test', 'open.test'])
      const objects = [...gateways(), ...service('app', 80, [app]), tlsSecret('server', server)]
      daemon = await startDaemon({
        files: {
          'all.yaml': yaml(...objects),
          'ca.yaml': yaml(caConfigMap('clients', ours.certPem)),
        },
        workers,
      })
    })
    after(async () => {
      await daemon?.stop()
      await app?.close()
      clients.remove()
    })

    const get = (
      name: string,
      args: readonly string[] = [],
      port = PORT,
    ): ReturnType<typeof curl> =>
      curl([
        ...['-k', '--resolve', `${name}:${port}:${daemon.address}`, '-w', '\n%{http_code}'],
        ...args,
        `https://${name}:${port}/`,
      ])
    const forwarded = (stdout: string): string | undefined =>
      JSON.parse(stdout.slice(0, stdout.lastIndexOf('\n'))).headers['x-forwarded-client-cert']
    const lineOf = (fits: string): Promise<Readonly<Record<string, unknown>>> =>
      daemon.line((line) => String(line['connection_termination_details']).includes(fits))

    for (const version of ['1.2', '1.3']) {
      const only = [`--tlsv${version}`, '--tls-max', version]

      it(`passes whom the CA vouches for, and tells the backend who it is, TLS ${version}`, async () => {
        const forged = ['-H', 'X-Forwarded-Client-Cert: Hash=0;Subject="CN=root"']
        const { stdout } = await get('a.test', [...only, ...presenting(alice), ...forged])
        assert.match(stdout, /\n200$/)
        assert.match(forwarded(stdout) ?? '', HASH)
      })

      it(`refuses none, a stranger's and an expired one, TLS ${version}`, async () => {
        for (const args of [[], presenting(stranger), presenting(expired)]) {
          const { code, stdout } = await get('a.test', [...only, ...args])
          assert.notEqual(code, 0)
          assert.match(stdout, /\n000$/)
        }
        await lineOf('no client certificate')
        await lineOf('client certificate: UNABLE_TO')
        await lineOf('client certificate: CERT_HAS_EXPIRED')
      })
    }

    it('logs who came', async () => {
      await get('a.test', presenting(alice))
      const line = await daemon.line((entry) => entry['downstream_peer_subject'] === 'CN=alice')
      assert.equal(line['downstream_peer_verified'], true)
      assert.match(String(line['downstream_peer_fingerprint_256']), /^[0-9a-f]{64}$/)
    })

    it('opens no way round by another name of the port', async () => {
      for (const sni of ['open.test', 'b.test']) {
        const args = sni === 'b.test' ? presenting(alice) : []
        for (const http of ['--http1.1', '--http2']) {
          const { stdout } = await get(sni, [...args, http, '-H', 'Host: a.test'])
          assert.match(stdout, /\n421$/, `${sni} ${http}`)
        }
      }
      assert.match((await get('open.test')).stdout, /\n200$/)
    })

    it('asks, and takes anybody, where the fallback is allowed; a forged name is not passed on', async () => {
      const forged = ['-H', 'X-Forwarded-Client-Cert: Hash=0']
      for (const args of [[], presenting(stranger), presenting(expired)]) {
        const { stdout } = await get('lax.test', [...args, ...forged], LAX_PORT)
        assert.match(stdout, /\n200$/)
        assert.equal(forwarded(stdout), undefined)
      }
      const { stdout } = await get('lax.test', presenting(alice), LAX_PORT)
      assert.match(forwarded(stdout) ?? '', HASH)
      const { stdout: hello } = await command('openssl', [
        ...['s_client', '-connect', `${daemon.address}:${LAX_PORT}`, '-servername', 'lax.test'],
      ])
      assert.match(hello, /Acceptable client certificate CA names\nCN = ours/)
    })

    it('a removed CA is out at once, its live connections are told to go, the new one is in', async () => {
      const held = tls.connect({
        ...{ host: daemon.address, port: PORT, servername: 'a.test', rejectUnauthorized: false },
        ...{ cert: readFileSync(alice.cert), key: readFileSync(alice.key) },
      })
      held.on('error', () => undefined)
      await once(held, 'secureConnect')
      held.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
      await once(held, 'data')
      const closed = once(held, 'close')
      held.resume()

      const next = await authority('next')
      const bob = await clients.issue(next, 'bob')
      writeFileSync(join(clients.directory, 'ca.pem'), next.certPem)
      await daemon.apply({ 'ca.yaml': fileBacked(join(clients.directory, 'ca.pem')) })
      await closed
      assert.notEqual((await get('a.test', presenting(alice))).code, 0)
      assert.match((await get('a.test', presenting(bob))).stdout, /\n200$/)

      // The file behind the ConfigMap is renewed in place.
      writeFileSync(join(clients.directory, 'ca.pem'), next.certPem + ours.certPem)
      await daemon.reload()
      assert.match((await get('a.test', presenting(alice))).stdout, /\n200$/)
    })

    it('fails closed when the CA goes away', async () => {
      await daemon.apply({ 'ca.yaml': undefined })
      for (const name of ['a.test', 'b.test']) {
        assert.match((await get(name, presenting(alice))).stdout, /\n000$/)
      }
      assert.match((await get('open.test')).stdout, /\n200$/)
      assert.match((await get('open.test', ['-H', 'Host: a.test'])).stdout, /\n421$/)
    })
  })
}

function fileBacked(path: string): string {
  return yaml({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'clients', annotations: { 'gwproxy.dev/from-files': `ca.crt=${path}` } },
  })
}
