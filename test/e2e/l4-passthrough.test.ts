/** TLS passthrough over real sockets: clients nobody here wrote meet backends' own TLS. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { connect, createServer, type Server } from 'node:tls'
import { promisify } from 'node:util'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { chain, DataPlane, ip, passthrough } from '../support/data-plane.ts'

const run = promisify(execFile)

/** A TLS echo backend that says hello with its own name. */
async function backend(name: string): Promise<Server> {
  const { certPem, keyPem } = await testCertificate([name])
  const server = createServer({ cert: certPem, key: keyPem }, (socket) => {
    socket.on('error', () => undefined)
    socket.write(`hello from ${name}\n`)
    socket.pipe(socket)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

describe('TLS passthrough', () => {
  let plane: DataPlane
  let port: number
  const servers: Server[] = []

  before(async () => {
    plane = await DataPlane.start()
    port = plane.open('tls')
    const chains = []
    for (const name of ['a.test', 'b.test']) {
      const server = await backend(name)
      servers.push(server)
      const upstream = plane.upstream(name, [ip((server.address() as AddressInfo).port)])
      chains.push(chain(name, passthrough(upstream)))
    }
    const answer = await plane.publish({ tls: { ingress: 'tls', chains } })
    assert.equal(answer.type, 'ack')
  })

  after(async () => {
    await plane.stop()
    for (const server of servers) server.close()
  })

  async function greet(servername: string): Promise<string> {
    const { certPem } = await testAuthority()
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername,
      ca: certPem,
      checkServerIdentity: () => undefined,
    })
    const [data] = (await once(socket, 'data')) as [Buffer]
    socket.end()
    return data.toString()
  }

  it('chooses the backend by SNI and leaves its TLS alone', async () => {
    assert.equal(await greet('a.test'), 'hello from a.test\n')
    assert.equal(await greet('B.TEST'), 'hello from b.test\n')
    const line = await plane.line((record) => record.sni === 'b.test')
    assert.equal(line.reason, 'completed')
    assert.equal(line.route?.name, 'r')
  })

  it('serves openssl s_client', async () => {
    const { stdout } = await run('sh', [
      '-c',
      `printf 'ping\\n' | openssl s_client -connect 127.0.0.1:${port} -servername a.test -quiet -ign_eof 2>/dev/null & pid=$!; sleep 0.3; kill $pid 2>/dev/null; wait $pid`,
    ]).catch((error: { stdout: string }) => error)
    assert.match(stdout, /hello from a\.test\n/)
  })
})
