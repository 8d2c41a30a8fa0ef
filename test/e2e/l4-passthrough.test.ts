/** TLS passthrough over real sockets: clients nobody here wrote meet backends' own TLS. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
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
    const client = spawn(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'a.test', '-quiet'],
      { stdio: ['pipe', 'pipe', 'ignore'] },
    )
    const greeting = await output(client.stdout, 'hello from a.test\n')
    assert.equal(greeting, 'hello from a.test\n')
    client.stdin.write('ping\n')
    assert.equal(await output(client.stdout, 'ping\n'), 'ping\n')
    client.kill()
    await once(client, 'exit')
  })

  it('serves curl, which sees the certificate of the backend', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-'))
    const ca = join(directory, 'ca.pem')
    writeFileSync(ca, (await testAuthority()).certPem)
    const { certPem, keyPem } = await testCertificate(['c.test'])
    const server = createHttps({ cert: certPem, key: keyPem }, (_request, response) => {
      response.end('over passthrough')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const upstream = plane.upstream('c.test', [ip((server.address() as AddressInfo).port)])
    const own = plane.open('curl')
    await plane.publish({
      curl: { ingress: 'tls', chains: [chain('c.test', passthrough(upstream))] },
      tls: { ingress: 'tls', chains: [] },
    })
    const { stdout } = await run('curl', [
      ...['-sS', '--cacert', ca, '--resolve', `c.test:${own}:127.0.0.1`],
      `https://c.test:${own}/`,
    ])
    assert.equal(stdout, 'over passthrough')
    server.close()
    rmSync(directory, { recursive: true })
  })
})

/** Reads until `end` came. */
async function output(stream: Readable, end: string): Promise<string> {
  let text = ''
  while (!text.endsWith(end)) {
    const [chunk] = (await once(stream, 'data')) as [Buffer]
    text += chunk.toString()
  }
  return text
}
