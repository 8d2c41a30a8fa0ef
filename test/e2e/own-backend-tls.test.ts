/** Inline TLS of XBackend and of Envoy Gateway's Backend through the daemon, to real TLS origins. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import * as tls from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { createCertificateAuthority } from '../../src/wire/issue-certificate.ts'
import { caConfigMap } from '../support/client-certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'
import { startH2TlsOrigin, startHttpsOrigin, type TlsOrigin } from '../support/tls-origin.ts'

const HTTP = 8080
const ENVOY = 'gateway.envoyproxy.io'
const X = 'gateway.networking.x-k8s.io'
const OURS = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ours' }] }
const THEIRS = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'theirs' }] }

type Place = Pick<TlsOrigin, 'address' | 'port'>

function envoyBackend(name: string, { address, port }: Place, spec: Manifest): Manifest {
  return {
    apiVersion: `${ENVOY}/v1alpha1`,
    kind: 'Backend',
    metadata: { name },
    spec: { endpoints: [{ ip: { address, port } }], ...spec },
  }
}

/** Its host is a name that every machine has. */
function xBackend(name: string, { port }: Place, tls: Manifest): Manifest {
  return {
    apiVersion: `${X}/v1alpha1`,
    kind: 'XBackend',
    metadata: { name },
    spec: {
      type: 'ExternalHostname',
      externalHostname: { hostname: 'localhost' },
      port: { port },
      tls,
    },
  }
}

function policy(group: string, kind: string, name: string, validation: Manifest): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name: `for-${name}` },
    spec: { targetRefs: [{ group, kind, name }], validation },
  }
}

describe('TLS that backends ask for themselves', () => {
  const origins: { close(): void }[] = []
  let daemon: Daemon

  before(async () => {
    const ours = await createCertificateAuthority('ours')
    const theirs = await createCertificateAuthority('theirs')
    const clients = await createCertificateAuthority('clients of the backend')
    const issued = await ours.issue({ commonName: 'origin', dnsNames: ['app.test', 'localhost'] })
    const certificate = { cert: issued.certPem, key: issued.keyPem }
    const good = await startHttpsOrigin(certificate)
    const mutual = await startHttpsOrigin({ ...certificate, clientCa: clients.certPem })
    const h2 = await startH2TlsOrigin(certificate)
    const old = tls.createServer({ ...certificate, maxVersion: 'TLSv1.2' })
    old.on('tlsClientError', () => undefined)
    await once(old.listen(0, '127.0.0.1'), 'listening')
    const atOld = { address: '127.0.0.1', port: (old.address() as AddressInfo).port }
    origins.push(good, mutual, h2, old)
    const showing = { clientCertificateRef: { name: 'backends' } }
    const backends = [
      envoyBackend('e-good', good, { tls: { sni: 'app.test', ...OURS } }),
      envoyBackend('e-wrong-name', good, { tls: { sni: 'other.test', ...OURS } }),
      envoyBackend('e-wrong-ca', good, { tls: { sni: 'app.test', ...THEIRS } }),
      envoyBackend('e-skip', good, { tls: { insecureSkipVerify: true } }),
      envoyBackend('e-nobody', good, { tls: { sni: 'app.test' } }),
      envoyBackend('e-overruled', good, { tls: { insecureSkipVerify: true } }),
      envoyBackend('e-shows', mutual, { tls: { sni: 'app.test', ...OURS, ...showing } }),
      envoyBackend('e-gateways', mutual, { tls: { sni: 'app.test', ...OURS } }),
      envoyBackend('e-h2', h2, {
        tls: { sni: 'app.test', ...OURS, minVersion: '1.3' },
        appProtocols: [`${ENVOY}/h2c`],
      }),
      envoyBackend('e-old', atOld, { tls: { sni: 'app.test', ...OURS, minVersion: '1.3' } }),
      xBackend('x-good', good, {
        mode: 'ServerOnly',
        validation: { hostname: 'app.test', ...OURS },
      }),
      xBackend('x-wrong-name', good, {
        mode: 'ServerOnly',
        validation: { hostname: 'other.test', ...OURS },
      }),
      xBackend('x-system', good, { mode: 'ServerOnly' }),
      xBackend('x-anonymous', mutual, {
        mode: 'ServerOnly',
        validation: { hostname: 'app.test', ...OURS },
      }),
      xBackend('x-shows', mutual, {
        mode: 'ClientAndServer',
        ...showing,
        validation: { hostname: 'app.test', ...OURS },
      }),
    ]
    const { spec, ...rest } = gateway([httpListener('http', HTTP)]) as { spec: object }
    const identity = { backend: { clientCertificateRef: { name: 'gateway' } } }
    daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          { ...rest, spec: { ...spec, tls: identity } },
          ...backends,
          ...backends.map(({ apiVersion, kind, metadata }) => {
            const { name } = metadata as { name: string }
            const group = String(apiVersion).replace('/v1alpha1', '')
            return httpRoute(name, [`${name}.test`], [{ backendRefs: [{ group, kind, name }] }])
          }),
          policy(ENVOY, 'Backend', 'e-overruled', { hostname: 'other.test', ...OURS }),
          caConfigMap('ours', ours.certPem),
          caConfigMap('theirs', theirs.certPem),
          tlsSecret('gateway', await clients.issue({ commonName: 'front', usage: 'client' })),
          tlsSecret('backends', await clients.issue({ commonName: 'own', usage: 'client' })),
        ),
      },
    })
  })
  after(async () => {
    await daemon?.stop()
    for (const origin of origins) origin.close()
  })

  const get = async (name: string) => {
    const { stdout } = await curl([
      ...['-w', '\n%{http_code}', '-H', `Host: ${name}.test`],
      `http://${daemon.address}:${HTTP}/`,
    ])
    const end = stdout.lastIndexOf('\n')
    return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
  }
  const why = async (name: string): Promise<string> => {
    const line = await daemon.line((entry) => entry[':authority'] === `${name}.test`)
    return `${line['reason']}: ${line['connection_termination_details']}`
  }

  it('asks for the name and trusts the authority that the backend names', async () => {
    for (const name of ['e-good', 'x-good']) {
      const { status, body } = await get(name)
      assert.equal(status, 200, name)
      assert.equal(JSON.parse(body).sni, 'app.test', name)
    }
  })

  it('fails closed, naming the backend, for a wrong name or authority', async () => {
    for (const [name, detail] of [
      ['e-wrong-name', /Backend\/default\/e-wrong-name: .*not for other\.test/],
      ['e-wrong-ca', /Backend\/default\/e-wrong-ca: UNABLE_TO_/],
      ['x-wrong-name', /XBackend\/default\/x-wrong-name: .*not for other\.test/],
      ['x-system', /XBackend\/default\/x-system: UNABLE_TO_/],
    ] as const) {
      assert.equal((await get(name)).status, 502, name)
      assert.match(await why(name), detail)
    }
  })

  it('verifies nobody only where that is written, and never beside a policy', async () => {
    const { status, body } = await get('e-skip')
    assert.equal(status, 200)
    // An address is no server name.
    assert.equal(JSON.parse(body).sni, false)
    assert.equal((await get('e-nobody')).status, 500)
    assert.equal((await get('e-overruled')).status, 502)
    assert.match(await why('e-overruled'), /BackendTLSPolicy\/default\/for-e-overruled: .*not for/)
  })

  it("shows the backend's own certificate before the Gateway's, or none", async () => {
    assert.equal(JSON.parse((await get('e-shows')).body).client, 'CN=own')
    assert.equal(JSON.parse((await get('x-shows')).body).client, 'CN=own')
    assert.equal(JSON.parse((await get('e-gateways')).body).client, 'CN=front')
    // With TLS 1.3 the refusal comes after the handshake, as an alert or as a mere close.
    assert.ok([502, 503].includes((await get('x-anonymous')).status))
  })

  it('speaks HTTP/2, and nothing older than asked for', async () => {
    const { status, body } = await get('e-h2')
    assert.equal(status, 200)
    assert.equal(JSON.parse(body).scheme, 'https')
    assert.equal((await get('e-old')).status, 502)
    assert.match(await why('e-old'), /PROTOCOL_VERSION/)
  })
})
