/** One HTTP/1.1 connection of a client: requests in turn, deadlines, half a request, the last answer. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import net from 'node:net'
import { describe, it } from 'node:test'
import { startOrigin } from '../support/http-origin.ts'
import { type ProxyOptions, startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'
import { until, untilStill } from '../support/until.ts'

const HOST = 'Host: a.test\r\n'
const GET = `GET / HTTP/1.1\r\n${HOST}\r\n`

function proxyFor(port: number, limits: ProxyOptions['limits'] = {}) {
  return startProxy({ listeners: [{ hostname: '', rules: [{ ports: [port] }] }], limits })
}

/** A client that keeps what comes. */
function connect(port: number) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  const seen = { text: '' }
  socket.setEncoding('latin1').on('data', (chunk) => {
    seen.text += chunk
  })
  return { socket, seen, closed: once(socket, 'close') }
}

describe('an HTTP/1.1 connection', () => {
  it('answers a thousand pipelined requests in their order, in whatever pieces they come', async () => {
    using origin = await startOrigin((request, response) => {
      request.resume().on('end', () => response.end(`<${request.url}>`))
    })
    await using proxy = await proxyFor(origin.port)
    const count = 1000
    const requests = Array.from({ length: count }, (_, i) =>
      i % 3 === 0
        ? `POST /${i} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
        : `GET /${i} HTTP/1.1\r\n${HOST}${i % 3 === 1 ? 'Content-Length: 2\r\n\r\nxy' : '\r\n'}`,
    ).join('')
    const { socket, seen, closed } = connect(proxy.port)
    for (let at = 0; at < requests.length; at += 7919) {
      socket.write(requests.slice(at, at + 7919))
      await new Promise(setImmediate)
    }
    const paths = () => [...seen.text.matchAll(/<\/([0-9]+)>/g)].map(([, path]) => Number(path))
    await until(() => paths().length >= count)
    assert.deepEqual(
      paths(),
      Array.from({ length: count }, (_, i) => i),
    )
    socket.destroy()
    await closed
  })

  it('reads a little ahead of a running exchange and no more', async () => {
    const running: ServerResponse[] = []
    using origin = await startOrigin((_request, response) => void running.push(response))
    await using proxy = await proxyFor(origin.port)
    const { socket, seen } = connect(proxy.port)
    socket.write(GET)
    await until(() => running.length === 1)
    const many = Buffer.from(GET.repeat(2000))
    for (let i = 0; i < 200; i += 1) socket.write(many)
    await untilStill(() => socket.bytesWritten)
    // The kernel's buffers of both sides, not ours.
    assert.ok(socket.bytesWritten < 16 << 20, `${socket.bytesWritten} bytes taken`)
    assert.equal(running.length, 1)
    running[0]?.end('first')
    await until(() => running.length === 2)
    assert.match(seen.text, /first/)
    socket.destroy()
  })

  it('gives every head its time, counted from its first byte', async () => {
    using origin = await startOrigin((_request, response) => response.end('ok'))
    await using proxy = await proxyFor(origin.port, { headersMs: 300, httpIdleMs: 60_000 })
    const { socket, seen, closed } = connect(proxy.port)
    socket.write(GET)
    await until(() => seen.text.includes('ok'))
    const timer = setInterval(() => socket.write('G'), 40)
    await once(socket, 'end')
    clearInterval(timer)
    socket.end()
    await closed
    assert.match(seen.text, /ok.*HTTP\/1\.1 408 .*header-timeout\n$/s)
    await until(() => proxy.outcomes.at(-1)?.reason === 'header-timeout')
  })

  it('keeps HTTP/1.0 alive where it is asked to and can', async () => {
    using origin = await startOrigin((_request, response) => response.end('ok'))
    await using proxy = await proxyFor(origin.port)
    const old = `GET / HTTP/1.0\r\n${HOST}`
    const text = await rawRequest(proxy.port, `${old}Connection: keep-alive\r\n\r\n${old}\r\n`)
    const answers = text.match(/HTTP\/1\.1 200 OK\r\n.*?\r\n\r\nok/gs) ?? []
    assert.equal(answers.length, 2, text)
    assert.match(answers[0] ?? '', /\r\nConnection: keep-alive\r\n/)
    assert.match(answers[1] ?? '', /\r\nConnection: close\r\n/)
  })

  it('answers half a head and half a body before a FIN with 400, and runs neither', async () => {
    let whole = 0
    using origin = await startOrigin((request, response) => {
      request.on('error', () => {})
      request.resume().on('end', () => {
        whole += request.complete ? 1 : 0
        response.end()
      })
    })
    await using proxy = await proxyFor(origin.port)
    for (const part of [
      'GET / HT',
      `GET / HTTP/1.1\r\n${HOST}`,
      `POST / HTTP/1.1\r\n${HOST}Content-Length: 9\r\n\r\nhalf`,
      `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n9\r\nhalf`,
    ]) {
      const { socket, seen, closed } = connect(proxy.port)
      socket.end(part)
      await closed
      assert.match(seen.text, /^HTTP\/1\.1 400 /, part)
    }
    assert.equal(whole, 0)
  })

  it('delivers its last answer to a client that goes on sending', async () => {
    using origin = await startOrigin((_request, response) => response.end())
    await using proxy = await proxyFor(origin.port)
    for (const [bytes, status] of [
      ['NONSENSE\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(70_000)}`, 431],
    ] as const) {
      const { socket, seen, closed } = connect(proxy.port)
      socket.write(bytes)
      const timer = setInterval(() => socket.write(Buffer.alloc(65_536, 'x')), 5)
      await once(socket, 'end')
      clearInterval(timer)
      socket.end()
      await closed
      assert.match(seen.text, new RegExp(`^HTTP/1\\.1 ${status} .*\r\nConnection: close\r\n`, 's'))
    }
  })

  it('cuts a client that does not close after its last answer', async () => {
    using origin = await startOrigin((_request, response) => response.end('ok'))
    await using proxy = await proxyFor(origin.port)
    const { socket, seen } = connect(proxy.port)
    socket.write(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    await once(socket, 'end')
    assert.match(seen.text, /\r\n\r\nok$/)
    assert.deepEqual(proxy.outcomes, [])
    await until(() => proxy.outcomes.length === 1)
    assert.deepEqual(proxy.outcomes, [{ reason: 'completed' }])
    socket.destroy()
  })
})
