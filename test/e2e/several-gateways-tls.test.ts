/**
 * Several Gateways behind one TLS port: names of all of them side by side, and no way from one that
 * is open to one that asks for client certificates (DESIGN decision 6).
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend, startTlsBackend } from '../../demo/backends.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { caConfigMap, clientValidation } from '../support/client-certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { freeWildcardPort } from '../support/free-port.ts'
import {
  backendRef,
  gateway,
  httpRoute,
  type Manifest,
  service,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

/** Asks every client of the Gateway for a certificate of the authority `clients`. */
function guarded(manifest: Manifest): Manifest {
  const tls = { frontend: { default: { validation: clientValidation('clients') } } }
  return { ...manifest, spec: { ...(manifest['spec'] as object), tls } }
}

describe('several Gateways behind one TLS port', () => {
  const backends: Backend[] = []
  const own = ownAddress()
  let port: number
  let daemon: Daemon

  before(async () => {
    const app = await startHttpBackend('app')
    const through = await startTlsBackend('through', await testCertificate(['through.test']))
    backends.push(app, through)
    port = await freeWildcardPort()
    const https = (name: string, addresses: unknown, secret: string): Manifest =>
      gateway([tlsListener('https', port, `${name}.test`, [secret], 'HTTPS')], { name, addresses })
    const refs = [{ backendRefs: [backendRef('app')] }]
    daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          https('open', null, 'open'),
          guarded(https('guarded', null, 'guarded')),
          https('inside', [{ value: own }], 'inside'),
          gateway([tlsListener('tls', port, 'through.test', 'passthrough')], {
            name: 'through',
            addresses: null,
          }),
          ...['open', 'guarded', 'inside'].map((name) =>
            httpRoute(name, undefined, refs, { gateway: name }),
          ),
          tlsRoute('through', ['through.test'], [backendRef('through')], { gateway: 'through' }),
          // One certificate for all: a browser would use one connection for them.
          tlsSecret('open', await testCertificate(['open.test', 'guarded.test'])),
          tlsSecret('guarded', await testCertificate(['guarded.test'])),
          tlsSecret('inside', await testCertificate(['inside.test', 'open.test', 'guarded.test'])),
          caConfigMap('clients', (await testAuthority()).certPem),
          ...service('app', 80, [app]),
          ...service('through', 80, [through]),
        ),
      },
    })
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    for (const backend of backends) await backend.close()
  })

  /** The status of a request for `host` on a connection for `name`; 0: there was none. */
  async function status(name: string, host: string, address = '127.0.0.1'): Promise<number> {
    const at = ['--resolve', `${name}:${port}:${address}`, '-H', `Host: ${host}`]
    const format = ['-o', '/dev/null', '-w', '%{http_code}']
    const { stdout } = await curl(['-k', ...format, ...at, `https://${name}:${port}/`])
    return Number(stdout)
  }

  it('serves the names of each, passthrough among them', async () => {
    assert.equal(await status('open.test', 'open.test'), 200)
    assert.equal(await status('through.test', 'through.test'), 200)
    assert.equal(await status('inside.test', 'inside.test', own), 200)
  })

  it('asks for a certificate where it must, and no other name leads round it', async () => {
    assert.equal(await status('guarded.test', 'guarded.test'), 0)
    assert.equal(await status('open.test', 'guarded.test'), 421)
  })

  it('keeps an own address and the rest of the port apart', async () => {
    for (const name of ['open.test', 'guarded.test', 'through.test']) {
      assert.equal(await status(name, name, own), 0)
      assert.ok((await status('inside.test', name, own)) >= 400, name)
    }
    assert.equal(await status('inside.test', 'inside.test'), 0)
    assert.ok((await status('open.test', 'inside.test')) >= 400)
  })
})
