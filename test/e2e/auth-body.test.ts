/** External auth that looks at bodies: what the service and the backend get, and what is too much. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { describe, it } from 'node:test'
import {
  allow,
  ask,
  echoOf,
  startEcho,
  startGuarded,
  startHttpAuth,
} from '../support/auth-service.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { closedPort, startOrigin } from '../support/http-origin.ts'
import { until } from '../support/until.ts'

const MAX = 1000

async function scene(rule: Parameters<typeof startGuarded>[2] = {}) {
  const auth = await startHttpAuth(allow)
  const backend = await startEcho()
  const guard = { port: auth.port, maxBodyBytes: MAX }
  const proxy = await startGuarded(backend.port, guard, rule)
  return {
    auth,
    backend,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      auth[Symbol.dispose]()
      backend[Symbol.dispose]()
    },
  }
}

/** Without a length, in pieces. */
async function askInChunks(port: number, pieces: readonly string[]): Promise<number> {
  const headers = { host: 'a.test' }
  const request = http.request({ port, host: '127.0.0.1', method: 'PUT', agent: false, headers })
  request.on('error', () => {})
  for (const piece of pieces) request.write(piece)
  request.end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await once(response, 'close')
  return response.statusCode ?? 0
}

describe('external auth with the body', () => {
  for (const size of [0, 1, MAX]) {
    it(`of ${size} bytes: service and backend get all of it`, async () => {
      await using at = await scene()
      const body = randomBytes(size)
      const answer = await ask(at.proxy.port, { body })
      assert.equal(answer.status, 200)
      assert.equal(echoOf(answer).body, body.toString('latin1'))
      const [asked] = at.auth.asked
      assert.ok(asked?.body.equals(body))
      assert.equal(asked?.headers['content-length'], String(size))
      const { bytesReceived, authMs = 0, durationMs } = await at.proxy.record()
      assert.equal(bytesReceived, size)
      assert.ok(authMs > 0 && authMs <= durationMs)
    })
  }

  it('of one byte too many is 413, and nobody sees any of it', async () => {
    await using at = await scene()
    const answer = await ask(at.proxy.port, { body: randomBytes(MAX + 1) })
    assert.equal(answer.status, 413)
    assert.equal((await at.proxy.record()).reason, 'body-too-large')
    assert.equal(at.auth.asked.length, 0)
    assert.deepEqual(at.backend.lines, [])
  })

  it('without a length is measured as it comes', async () => {
    await using at = await scene()
    assert.equal(await askInChunks(at.proxy.port, ['a'.repeat(MAX - 1), 'b']), 200)
    assert.equal(at.auth.asked[0]?.headers['content-length'], String(MAX))
    assert.equal(at.auth.asked[0]?.headers['transfer-encoding'], undefined)
    assert.equal(await askInChunks(at.proxy.port, ['a'.repeat(MAX), 'b']), 413)
    assert.equal(at.auth.asked.length, 1)
    assert.equal(at.backend.lines.length, 1)
  })

  it('over HTTP/2 is the same', async () => {
    await using at = await scene()
    const session = await connectH2(at.proxy.origin)
    try {
      const head = { ':method': 'POST', ':path': '/', ':authority': 'a.test' }
      const good = await h2Request(session, head, Buffer.alloc(MAX, 'a'))
      assert.equal(good.status, 200)
      assert.equal(at.auth.asked[0]?.body.length, MAX)
      const bad = await h2Request(session, head, Buffer.alloc(MAX + 1, 'a'))
      assert.equal(bad.status, 413)
      assert.equal(at.backend.lines.length, 1)
    } finally {
      session.destroy()
    }
  })

  it('is asked for by 100 Continue, unless it is announced as too long', async () => {
    await using at = await scene()
    const send = async (length: number) => {
      const socket = net.connect(at.proxy.port, '127.0.0.1')
      socket.setEncoding('latin1')
      let text = ''
      socket.on('data', (chunk: string) => {
        text += chunk
        if (chunk.startsWith('HTTP/1.1 100')) socket.write('a'.repeat(length))
      })
      socket.write(
        `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
      )
      await once(socket, 'close')
      return text
    }
    assert.match(await send(10), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
    assert.match(await send(MAX + 1), /^HTTP\/1\.1 413 /)
  })

  it('without one asks at once and before any 100 Continue', async () => {
    using auth = await startHttpAuth((_asked, response) => response.writeHead(401).end())
    using backend = await startEcho()
    await using proxy = await startGuarded(backend.port, { port: auth.port })
    const socket = net.connect(proxy.port, '127.0.0.1')
    socket.setEncoding('latin1')
    let text = ''
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.includes('\r\n\r\n')) socket.destroy()
    })
    socket.write(
      'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    )
    await once(socket, 'close')
    assert.match(text, /^HTTP\/1\.1 401 /)
    assert.equal(auth.asked.length, 1)
  })

  it('is tried again whole, and the service is asked once', async () => {
    using auth = await startHttpAuth(allow)
    const bodies: string[] = []
    using backend = await startOrigin((request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      request.on('end', () => {
        bodies.push(text)
        response.writeHead(bodies.length < 3 ? 503 : 200).end()
      })
    })
    const guard = { port: auth.port, maxBodyBytes: MAX }
    const retry = { codes: [503], attempts: 3, backoffMs: 1 }
    await using proxy = await startGuarded(backend.port, guard, { retry })
    assert.equal((await ask(proxy.port, { body: 'hello' })).status, 200)
    assert.deepEqual(bodies, ['hello', 'hello', 'hello'])
    assert.equal(auth.asked.length, 1)
  })

  it('goes on to the next endpoint and to mirrors whole', async () => {
    using auth = await startHttpAuth(allow)
    using backend = await startEcho()
    const copied = Promise.withResolvers<string>()
    using mirror = await startOrigin((request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      request.on('end', () => {
        copied.resolve(text)
        response.end()
      })
    })
    const guard = { port: auth.port, maxBodyBytes: MAX }
    const ports = [await closedPort(), backend.port]
    const rule = { ports, mirrors: [{ port: mirror.port }] }
    await using proxy = await startGuarded(backend.port, guard, rule)
    for (let i = 0; i < 2; i += 1) {
      assert.equal(echoOf(await ask(proxy.port, { body: 'hello' })).body, 'hello')
    }
    assert.equal(await copied.promise, 'hello')
  })

  it('that never comes whole ends with the client, and the service is not asked', async () => {
    await using at = await scene()
    const socket = net.connect(at.proxy.port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf')
    await once(socket, 'connect')
    socket.end()
    socket.resume()
    await once(socket, 'close')
    assert.match((await at.proxy.record()).reason, /^client-|bad-request/)
    assert.equal(at.auth.asked.length, 0)
    assert.deepEqual(at.backend.lines, [])
  })

  it('that drips is given up, however long it may be', async () => {
    using auth = await startHttpAuth(allow)
    using backend = await startEcho()
    const guard = { port: auth.port, maxBodyBytes: MAX }
    const limits = { bodyIdleMs: 300 }
    await using proxy = await startGuarded(backend.port, guard, {}, { limits })
    const socket = net.connect(proxy.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n')
    const drip = setInterval(() => socket.write('1\r\n.\r\n'), 20)
    socket.resume()
    const { reason, status } = await proxy.record()
    clearInterval(drip)
    socket.destroy()
    assert.deepEqual([reason, status], ['body-timeout', 408])
    assert.equal(auth.asked.length, 0)
  })

  it('beyond what a mirror may be behind costs the mirror only', async () => {
    using auth = await startHttpAuth(allow)
    using backend = await startEcho()
    using mirror = await startEcho()
    const guard = { port: auth.port, maxBodyBytes: 4 << 20 }
    const mirrors = [{ port: mirror.port }]
    await using proxy = await startGuarded(backend.port, guard, { mirrors })
    const body = randomBytes(3 << 20)
    assert.equal(echoOf(await ask(proxy.port, { body })).body, body.toString('latin1'))
    assert.equal((await ask(proxy.port, { body: 'short' })).status, 200)
    await until(() => mirror.lines.length > 0)
    assert.equal(mirror.lines.length, 1)
  })

  it('that stops coming is given up', async () => {
    using auth = await startHttpAuth(allow)
    using backend = await startEcho()
    const guard = { port: auth.port, maxBodyBytes: MAX }
    const limits = { bodyIdleMs: 200 }
    await using proxy = await startGuarded(backend.port, guard, {}, { limits })
    const socket = net.connect(proxy.port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf')
    socket.resume()
    assert.equal((await proxy.record()).reason, 'body-timeout')
    socket.destroy()
    assert.equal(auth.asked.length, 0)
  })
})
