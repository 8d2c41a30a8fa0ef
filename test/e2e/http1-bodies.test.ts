/**
 * Memory that many connections share on the way of a body: each client gets its own bytes and no
 * other's, at whatever pace it reads and however the body is framed.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { READ_BUFFER } from '../../src/data/http/read-buffer.ts'
import { probeWrites, writesAtOnce } from '../../src/data/tls/write-probe.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { type Origin, startOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'

const CLIENTS = 24
/** Around the sizes at which bytes are put together, read at once, or handed over. */
const SIZES = [
  1,
  1000,
  16_000,
  16_384,
  17_000,
  65_536,
  102_400,
  READ_BUFFER.length - 200,
  READ_BUFFER.length,
  READ_BUFFER.length + 1,
  700_000,
]
/** More than the kernel takes for a client that does not read. */
const LARGE = 12 << 20
const STALLED = 3
const NOISE = randomBytes(LARGE + CLIENTS + STALLED)

/** As asked for by `/client/size/framing`. */
function bodyOf(path: string): Buffer {
  const [, client = '', size = ''] = path.split('/')
  return NOISE.subarray(Number(client), Number(client) + Number(size))
}

function startBodies(): Promise<Origin> {
  return startOrigin((request, response) => {
    const body = bodyOf(request.url ?? '')
    if (request.url?.endsWith('/length')) {
      response.setHeader('Content-Length', body.length)
      response.end(body)
      return
    }
    for (let at = 0; at < body.length; at += 9000) response.write(body.subarray(at, at + 9000))
    response.end()
  })
}

function* paths(client: number): Generator<string> {
  for (const size of SIZES) {
    for (const framing of ['length', 'chunks']) yield `/${client}/${size}/${framing}`
  }
}

/** Every third client takes its time. */
async function read(answer: Readable, client: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) {
    chunks.push(chunk)
    if (client % 3 === 0) await new Promise(setImmediate)
  }
  return Buffer.concat(chunks)
}

async function ask(url: string, agent: http.Agent): Promise<http.IncomingMessage> {
  const send = url.startsWith('https') ? https.request : http.request
  const request = send(url, { agent, ...INSECURE })
  request.end()
  const [answer] = await once(request, 'response')
  return answer
}

/** The certificate is of the test. */
const INSECURE = { rejectUnauthorized: false }

describe('bodies of many clients at once', () => {
  for (const tls of [true, false]) {
    it(`are not mixed up, over ${tls ? 'TLS' : 'cleartext'}`, async () => {
      await probeWrites()
      assert.equal(writesAtOnce(), true, 'this Node lets go of what was written')
      using origin = await startBodies()
      await using proxy = await startProxy({
        tls,
        listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
      })
      const options = { keepAlive: true, maxSockets: 1 }
      const large = Array.from({ length: STALLED }, (_, i) => `/${CLIENTS + i}/${LARGE}/length`)
      const stalled = await Promise.all(
        large.map((path) => ask(`${proxy.origin}${path}`, new (tls ? https : http).Agent(options))),
      )
      const run = async (client: number): Promise<void> => {
        const agent = new (tls ? https : http).Agent(options)
        for (const path of paths(client)) {
          const body = await read(await ask(`${proxy.origin}${path}`, agent), client)
          assert.ok(body.equals(bodyOf(path)), path)
        }
        agent.destroy()
      }
      await Promise.all(Array.from({ length: CLIENTS }, (_, client) => run(client)))
      for (const [i, answer] of stalled.entries()) {
        assert.ok((await read(answer, 1)).equals(bodyOf(large[i] ?? '')), 'of a client that waited')
      }
    })
  }

  it('are not mixed up on streams of HTTP/2', async () => {
    using origin = await startBodies()
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
    })
    const session = await connectH2(proxy.origin)
    const all = Array.from({ length: CLIENTS }, (_, client) => [...paths(client)]).flat()
    for (let at = 0; at < all.length; at += CLIENTS) {
      await Promise.all(
        all.slice(at, at + CLIENTS).map(async (path) => {
          const { body } = await h2Request(session, { ':path': path })
          assert.ok(body.equals(bodyOf(path)), path)
        }),
      )
    }
    session.destroy()
  })
})
