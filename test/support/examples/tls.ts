/** What the texts of the examples with TLS promise. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:https'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { WebSocket } from 'ws'
import { type CommandResult, command, curl } from '../command.ts'
import { codeOf, GrpcClient } from '../grpc.ts'
import { startHttpsOrigin } from '../tls-origin.ts'
import { echoServers, materialIn, serverOf, tlsServer, webServers } from './backends.ts'
import type { Closing, Example, Folder, Running } from './example.ts'

/** Waits for what the server says first, sends a line, and waits for its echo. */
async function talk(running: Running, port: number, name: string, ca: string): Promise<string> {
  const { stdout } = await command(
    'openssl',
    [
      ...['s_client', '-connect', `${running.address}:${port}`, '-servername', name],
      ...['-quiet', '-no_ign_eof', '-CAfile', `${running.directory}/${ca}`, '-verify_return_error'],
    ],
    { input: 'a line\n', inputEndsAfter: /a line/ },
  )
  return stdout
}

/** The name in the answer of a backend with its own TLS. */
function tlsServerOf(answer: CommandResult | undefined): string | undefined {
  return /"backend":"([a-z-]+)"/.exec(answer?.stdout ?? '')?.[1]
}

const passthrough: Example = {
  name: 'passthrough',
  backends: async (folder) => [
    await tlsServer(folder, 'mail', 'certs/mail', 9993),
    await tlsServer(folder, 'one', 'certs/apps', 9443),
    await tlsServer(folder, 'two', 'certs/apps', 9443, folder.secondBackend),
  ],
  async check(running, [mail, ...apps]) {
    assert.equal(tlsServerOf(mail), 'mail')
    const host = 'blog.apps.example.test:8443'
    const trust = ['--cacert', `${running.directory}/certs/apps/ca.crt`]
    const at = [...trust, '--resolve', `${host}:${running.address}`]
    apps.push(await curl([...at, `https://${host}/`]))
    assert.deepEqual(new Set(apps.map(tlsServerOf)), new Set(['one', 'two']))
  },
}

const terminateToTcp: Example = {
  name: 'terminate-to-tcp',
  backends: (folder) => echoServers(folder, { 1883: 'plant-a', 1884: 'plants' }),
  async check(running, shown) {
    assert.equal(shown.length, 2)
    for (const { code, stderr } of shown)
      assert.deepEqual([code, /Verification: OK/.test(stderr)], [0, true])
    for (const [name, broker] of [
      ['a', 'plant-a'],
      ['b', 'plants'],
    ]) {
      const said = await talk(running, 8883, `${name}.mqtt.example.test`, 'certs/mqtt/ca.crt')
      assert.equal(said, `${broker} says hello\na line\n`)
    }
  },
}

const https: Example = {
  name: 'https',
  backends: (folder) => webServers(folder, { 8080: 'shop', 8082: 'next', 8081: 'api' }),
  async check(running, [old, tester, item, other]) {
    const moved = /location: https:\/\/shop\.example\.test:8443\/catalogue\r/i
    assert.match(old?.stdout ?? '', / 301 [\s\S]*/)
    assert.match(old?.stdout ?? '', moved)
    assert.equal(serverOf(tester?.stdout), 'api')
    assert.match(tester?.stdout ?? '', /"path": "\/prices"/)
    assert.match(item?.stdout ?? '', /cache-control: public, max-age=60\r[\s\S]*"backend": "shop"/i)
    assert.match(other?.stdout ?? '', / 404 [\s\S]*no-route/)
    const host = 'shop.example.test:8443'
    const at = ['--resolve', `${host}:${running.address}`]
    const trust = ['--cacert', `${running.directory}/certs/shop/ca.crt`]
    const pages = Array.from({ length: 10 }, () => `https://${host}/`)
    const { stdout } = await curl([...at, ...trust, ...pages])
    assert.equal(stdout.split('"backend": "shop"').length - 1, 9)
    assert.equal(stdout.split('"backend": "next"').length - 1, 1)
  },
}

const mtls: Example = {
  name: 'mtls',
  backends: (folder) => webServers(folder, { 3000: 'app' }),
  async check(_running, [alice, nobody, asked]) {
    assert.match(alice?.stdout ?? '', /"x-forwarded-client-cert": ".*Subject=\\"CN=alice\\"/)
    assert.notEqual(nobody?.code, 0)
    assert.equal(nobody?.stdout, '')
    assert.equal(serverOf(asked?.stdout), 'app')
    assert.doesNotMatch(asked?.stdout ?? '', /client-cert/)
  },
}

const reEncrypt: Example = {
  name: 're-encrypt',
  async backends(folder) {
    const { certPem, keyPem } = materialIn(folder, 'certs/backend')
    const clientCa = folder.read('certs/front/ca.crt')
    const place = { address: folder.backend, port: 3443 }
    return [await startHttpsOrigin({ cert: certPem, key: keyPem, clientCa, ...place })]
  },
  async check(running, [shown]) {
    assert.match(shown?.stdout ?? '', /"sni":"app\.internal".*"client":"CN=front"/)
    await running.edit('re-encrypt.yaml', 'hostname: app.internal', 'hostname: other.internal')
    const host = 'reencrypt.example.test:8443'
    const at = ['--resolve', `${host}:${running.address}`]
    const { stdout } = await curl(['-k', '-w', '%{http_code}', ...at, `https://${host}/`])
    assert.match(stdout, /502$/)
  },
}

const onePort: Example = {
  name: 'one-port',
  backends: async (folder) => [
    await tlsServer(folder, 'secure', 'certs/secure', 9443),
    ...(await echoServers(folder, { 5432: 'database' })),
    ...(await webServers(folder, { 3000: 'web' })),
  ],
  async check(running, [secure, tcp, web]) {
    assert.equal(tlsServerOf(secure), 'secure')
    assert.match(tcp?.stderr ?? '', /Verification: OK/)
    assert.equal(serverOf(web?.stdout), 'web')
    const said = await talk(running, 8443, 'db.tcp.example.test', 'certs/web/ca.crt')
    assert.equal(said, 'database says hello\na line\n')
  },
}

const sniAllowList: Example = {
  name: 'sni-allow-list',
  backends: async (folder) => [await tlsServer(folder, 'inside', 'certs', 9443)],
  async check(running, [git, build, ...others]) {
    assert.deepEqual([tlsServerOf(git), tlsServerOf(build)], ['inside', 'inside'])
    assert.equal(others.length, 2)
    // 35: the connection broke in the handshake.
    for (const { code, stdout } of others) assert.deepEqual([code, stdout], [35, ''])
    const list = '    - git.example.test\n'
    await running.edit('allow-list.yaml', list, `${list}    - www.example.test\n`)
    const at = ['--resolve', `www.example.test:8444:${running.address}`]
    assert.equal(tlsServerOf(await curl(['-k', ...at, 'https://www.example.test:8444/'])), 'inside')
  },
}

const websocket: Example = {
  name: 'websocket',
  backends: (folder) => webServers(folder, { 9000: 'chat', 9001: 'live' }),
  async check(running, [upgrade]) {
    assert.match(upgrade?.stdout ?? '', /^HTTP\/1\.1 101 [\s\S]*live says hello/)
    const host = 'chat.example.test:8443'
    const trust = ['--cacert', `${running.directory}/certs/chat/ca.crt`]
    const page = await curl([
      ...trust,
      '--resolve',
      `${host}:${running.address}`,
      `https://${host}/`,
    ])
    assert.equal(serverOf(page.stdout), 'chat')
    const socket = new WebSocket(`wss://${running.address}:8443/room`, {
      agent: new Agent({ ca: running.read('certs/chat/ca.crt'), servername: 'chat.example.test' }),
      headers: { host },
    })
    const [hello] = await once(socket, 'message')
    assert.equal(String(hello), 'chat says hello')
    const large = Buffer.alloc(200_000, 'x')
    socket.send(large)
    const [echo] = await once(socket, 'message')
    assert.ok(large.equals(echo))
    socket.close(4000, 'done')
    assert.equal((await once(socket, 'close'))[0], 4000)
  },
}

/** Answers every call with its name and the method. */
async function startOrders({ backend }: Folder, name: string, port: number): Promise<Closing> {
  const server = new Server()
  const bytes = (message: Buffer): Buffer => message
  const method = (method: string) => ({
    path: `/shop.v1.Orders/${method}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  })
  server.addService(
    { List: method('List'), Get: method('Get') },
    {
      List: (_: unknown, answer: (error: null, message: Buffer) => void) =>
        answer(null, Buffer.from(`${name} List`)),
      Get: (_: unknown, answer: (error: null, message: Buffer) => void) =>
        answer(null, Buffer.from(`${name} Get`)),
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${backend}:${port}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  return { close: () => server.forceShutdown() }
}

const grpc: Example = {
  name: 'grpc',
  backends: async (folder) => [
    await startOrders(folder, 'orders', 9000),
    await startOrders(folder, 'next', 9001),
    ...(await webServers(folder, { 8080: 'pages' })),
  ],
  async check(running, [page]) {
    assert.equal(serverOf(page?.stdout), 'pages')
    using client = new GrpcClient(`${running.address}:8443`, {
      caPem: running.read('certs/ca.crt'),
      name: 'grpc.example.test',
    })
    const call = async (method: string, service = 'shop.v1.Orders'): Promise<string> => {
      const answer = await client.unary(Buffer.from('x'), { path: `/${service}/${method}` })
      return Buffer.isBuffer(answer) ? answer.toString() : `code ${codeOf(answer)}`
    }
    const lists: string[] = []
    for (let i = 0; i < 10; i += 1) lists.push(await call('List'))
    assert.deepEqual(lists.sort(), ['next List', ...Array.from({ length: 9 }, () => 'orders List')])
    for (let i = 0; i < 10; i += 1) assert.equal(await call('Get'), 'orders Get')
    await call('List', 'other.v1.Orders')
    const line = await running.daemon.line(({ path }) => path === '/other.v1.Orders/List')
    assert.equal(line['route_name'], 'HTTPRoute/grpc/pages')
  },
}

export const TLS_EXAMPLES: readonly Example[] = [
  ...[passthrough, terminateToTcp, https, mtls, reEncrypt, onePort, sniAllowList, websocket, grpc],
]
