/** Examples as their texts tell them: the file as it is, on addresses of the test's own. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'

const EXAMPLES = resolve(import.meta.dirname, '../../config-examples')

interface Seen {
  readonly server: string
  readonly method: string | undefined
  readonly headers: http.IncomingHttpHeaders
}

/** The example with its backends: a server on each of these ports, which answers with its port. */
async function startExample(name: string, ports: readonly number[]) {
  const place = ownAddress()
  const seen: Seen[] = []
  const news = new EventEmitter()
  const servers = await Promise.all(
    ports.map(async (port) => {
      const server = http.createServer(({ method, headers }, response) => {
        seen.push({ server: String(port), method, headers })
        news.emit('request')
        response.end(String(port))
      })
      server.listen(port, place)
      await once(server, 'listening')
      return server
    }),
  )
  const text = readFileSync(join(EXAMPLES, name, `${name}.yaml`), 'utf8')
    .replaceAll('addresses: [127.0.0.1]', `addresses: ['${place}']`)
    .replace(/gatewayClassName: gwproxy/, '$&\n  addresses: [{ value: "{address}" }]')
  const daemon = await startDaemon({ workers: 0, files: { 'example.yaml': text } })
  return {
    daemon,
    seen,
    news,
    [Symbol.asyncDispose]: async () => {
      await daemon.stop()
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}

async function ask(
  { address }: Daemon,
  headers: http.OutgoingHttpHeaders = {},
  method = 'GET',
): Promise<{ status: number; text: string; headers: http.IncomingHttpHeaders }> {
  const request = http.request({ host: address, port: 8080, headers, method, agent: false }).end()
  const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
  const text = Buffer.concat(await response.toArray()).toString()
  return { status: response.statusCode ?? 0, text, headers: response.headers }
}

describe('the examples', () => {
  it('canary: one request in ten, and all of a tester', async () => {
    await using example = await startExample('canary', [9000, 9001])
    const answers: string[] = []
    for (let i = 0; i < 20; i += 1) answers.push((await ask(example.daemon)).text)
    for (const ten of [answers.slice(0, 10), answers.slice(10)]) {
      assert.equal(ten.filter((text) => text === '9001').length, 1)
    }
    for (let i = 0; i < 3; i += 1) {
      assert.equal((await ask(example.daemon, { 'X-Canary': 'always' })).text, '9001')
    }
  })

  it('mirror: one in ten is copied, the answers are the shop’s', async () => {
    await using example = await startExample('mirror', [9000, 9001])
    for (let i = 0; i < 20; i += 1) assert.equal((await ask(example.daemon)).text, '9000')
    while (example.seen.length < 22) await once(example.news, 'request')
    const copies = example.seen.filter(({ server }) => server === '9001')
    assert.deepEqual(
      copies.map(({ headers }) => headers['x-env']),
      ['production', 'production'],
    )
  })

  it('cors: preflights are answered here, by origin', async () => {
    await using example = await startExample('cors', [9000])
    const preflight = (origin: string) =>
      ask(
        example.daemon,
        { host: 'api.example.com', origin, 'access-control-request-method': 'PUT' },
        'OPTIONS',
      )
    const allowed = 'access-control-allow-origin'
    for (const origin of ['https://app.example.com', 'https://x.y.partner.example']) {
      const { status, headers } = await preflight(origin)
      assert.deepEqual([status, headers[allowed]], [204, origin])
      assert.equal(headers['access-control-allow-methods'], 'GET, PUT, DELETE')
    }
    assert.equal((await preflight('https://evil.example')).headers[allowed], undefined)
    assert.equal(example.seen.length, 0)
    const get = { host: 'api.example.com', origin: 'https://app.example.com' }
    const { text, headers } = await ask(example.daemon, get)
    assert.deepEqual([text, headers['access-control-allow-credentials']], ['9000', 'true'])
  })
})
