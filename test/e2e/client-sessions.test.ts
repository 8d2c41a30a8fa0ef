/**
 * Saved TLS sessions never carry a client's verdict to another name, policy or authority. Only
 * `openssl s_client` offers a session under another name, so it plays the client.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import type { CertificateAuthority } from '../../src/wire/issue-certificate.ts'
import { testCertificate } from '../support/certificates.ts'
import {
  authority,
  caConfigMap,
  ClientCertificates,
  type ClientFiles,
  clientValidation,
} from '../support/client-certificates.ts'
import { command } from '../support/command.ts'
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
/** s_client prints an answer amidst what it says about tickets. */
const OK = /HTTP\/1\.1 200/
const MISSING = spawnSync('openssl', ['version']).status !== 0 && 'no openssl command'

/** Each on an own Gateway, so that each has its own policy on the one port. */
function gatewayOf(name: string, validation: Manifest | undefined): readonly Manifest[] {
  const listener = tlsListener(name, PORT, `${name}.test`, ['server'], 'HTTPS')
  const { spec, ...rest } = gateway([listener], { name }) as { spec: object }
  const tls = { frontend: { default: validation === undefined ? {} : { validation } } }
  return [
    { ...rest, spec: { ...spec, tls } },
    httpRoute(name, undefined, [{ backendRefs: [backendRef('app')] }], { gateway: name }),
  ]
}

for (const workers of [0, 2]) {
  describe(`saved sessions, --workers ${workers}`, { skip: MISSING }, () => {
    const clients = new ClientCertificates()
    let app: Backend
    let ours: CertificateAuthority
    let daemon: Daemon
    let alice: ClientFiles

    before(async () => {
      app = await startHttpBackend('app')
      ours = await authority('ours')
      alice = await clients.issue(ours, 'alice')
      const names = ['a', 'b', 'lax', 'open'].map((name) => `${name}.test`)
      const objects = [
        ...gatewayOf('a', clientValidation('clients')),
        ...gatewayOf('b', clientValidation('others')),
        ...gatewayOf('lax', clientValidation('clients', 'AllowInsecureFallback')),
        ...gatewayOf('open', undefined),
        ...service('app', 80, [app]),
        tlsSecret('server', await testCertificate(names)),
        caConfigMap('others', (await authority('theirs')).certPem),
      ]
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

    interface Visit {
      readonly version: string
      readonly saved?: string
      readonly as?: ClientFiles
      readonly to?: string
    }

    /** One request; the session is saved under `to` or taken from `saved`. */
    const visit = async (name: string, { version, saved, as, to }: Visit): Promise<string> => {
      const { stdout } = await command(
        'openssl',
        [
          ...['s_client', '-connect', `${daemon.address}:${PORT}`, '-servername', `${name}.test`],
          `-${version}`,
          ...(as === undefined ? [] : ['-cert', as.cert, '-key', as.key]),
          ...(saved === undefined ? [] : ['-sess_in', saved]),
          ...(to === undefined ? [] : ['-sess_out', to]),
        ],
        {
          input: `GET / HTTP/1.1\r\nHost: ${name}.test\r\nConnection: close\r\n\r\n`,
          inputEndsAfter: /\r\n\r\n/,
        },
      )
      return stdout
    }
    const session = (name: string): string => join(clients.directory, `${name}.session`)

    for (const version of ['tls1_2', 'tls1_3']) {
      it(`resume where they were made, ${version}`, async () => {
        const to = session(`own-${version}`)
        assert.match(await visit('a', { version, as: alice, to }), OK)
        // Also without showing the certificate again: the session stands for it.
        const again = await visit('a', { version, saved: to })
        assert.match(again, /Reused, /)
        assert.match(again, /x-forwarded-client-cert": "Hash=/)
      })

      for (const from of ['a', 'lax', 'open'] as const) {
        it(`of ${from}.test open no other name, ${version}`, async () => {
          const to = session(`${from}-${version}`)
          assert.match(await visit(from, { version, as: alice, to }), OK)
          for (const name of ['a', 'b'].filter((other) => other !== from)) {
            const output = await visit(name, { version, saved: to })
            assert.doesNotMatch(output, /Reused, |HTTP\/1/, name)
          }
        })
      }
    }

    it('end with the authority that vouched for them', async () => {
      const files = ['tls1_2', 'tls1_3'].map((version) => [version, session(`old-${version}`)])
      for (const [version = '', to = ''] of files) {
        assert.match(await visit('a', { version, as: alice, to }), OK)
      }
      const next = await authority('next')
      await daemon.apply({ 'ca.yaml': yaml(caConfigMap('clients', next.certPem)) })
      for (const [version = '', saved = ''] of files) {
        for (const as of [{}, { as: alice }]) {
          assert.doesNotMatch(await visit('a', { version, saved, ...as }), /Reused, |HTTP\/1/)
        }
      }
      const bob = await clients.issue(next, 'bob')
      assert.match(await visit('a', { version: 'tls1_3', as: bob }), OK)
    })
  })
}
