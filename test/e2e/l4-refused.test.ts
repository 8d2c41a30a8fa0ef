/** Connections that are refused in the moment in which their handshake ends: the process stays. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { it } from 'node:test'
import { connect } from 'node:tls'
import { testCertificate } from '../support/certificates.ts'
import { startDaemon } from '../support/daemon.ts'
import * as m from '../support/manifests.ts'

const CLIENTS = 40

it('TLS that leads to no backend is cut, client after client', async () => {
  const daemon = await startDaemon({
    files: {
      'all.yaml': m.yaml(
        m.gateway([
          m.tlsListener('half', 8443, 'half.test', ['cert']),
          m.tlsListener('web', 8443, 'web.test', ['cert'], 'HTTPS'),
        ]),
        // One share leads nowhere, in the very callback of the handshake; the other is dialled.
        m.tlsRoute('half', ['half.test'], [m.backendRef('missing'), m.backendRef('gone')]),
        ...m.service('gone', 80, [{ address: '127.0.0.1', port: 1 }]),
        m.tlsSecret('cert', await testCertificate(['half.test', 'web.test'])),
      ),
    },
  })
  for (let i = 0; i < CLIENTS; i += 1) {
    const socket = connect({
      host: daemon.address,
      port: 8443,
      servername: 'half.test',
      rejectUnauthorized: false,
    })
    socket.on('error', () => {})
    // `once` would reject with the error of a reset.
    await new Promise((resolve) => socket.once('close', resolve))
  }
  for (const reason of ['invalid-backend', 'connect-refused']) {
    await daemon.line((line) => line['reason'] === reason, reason)
  }
  const web = connect({
    host: daemon.address,
    port: 8443,
    servername: 'web.test',
    rejectUnauthorized: false,
  })
  await once(web, 'secureConnect')
  web.destroy()
  assert.equal(await daemon.stop(), 0)
})
