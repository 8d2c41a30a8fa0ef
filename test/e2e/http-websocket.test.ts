/** WebSocket over HTTP/1.1: a tunnel only after a real 101, then bytes untouched (RFC 6455). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { describe, it } from 'node:test'
import WebSocket, { WebSocketServer } from 'ws'
import { startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'

const HANDSHAKE =
  'GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
const ACCEPTED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

function proxyFor(port: number, tls = false) {
  return startProxy({ tls, listeners: [{ hostname: '', rules: [{ ports: [port] }] }] })
}

describe('WebSocket', () => {
  for (const tls of [false, true]) {
    it(`carries messages, pings and close codes both ways${tls ? ' behind TLS' : ''}`, async () => {
      using origin = await startOrigin((_request, response) => response.end())
      const server = new WebSocketServer({
        server: origin.server,
        handleProtocols: () => 'chat.v2',
      })
      server.on('connection', (socket) => {
        socket.on('message', (data, binary) => socket.send(data, { binary }))
        socket.on('close', () => server.close())
      })
      await using proxy = await proxyFor(origin.port, tls)
      const client = new WebSocket(proxy.origin.replace('http', 'ws'), ['chat.v1', 'chat.v2'], {
        rejectUnauthorized: false,
      })
      await once(client, 'open')
      assert.equal(client.protocol, 'chat.v2')
      const large = Buffer.alloc(1 << 20, 'abc')
      for (const message of [Buffer.from('hello'), large]) {
        client.send(message)
        const [echo] = await once(client, 'message')
        assert.ok(message.equals(echo as Buffer))
      }
      client.ping('x')
      await once(client, 'pong')
      client.close(4001, 'bye')
      const [code] = await once(client, 'close')
      assert.equal(code, 4001)
      const record = await proxy.record()
      assert.equal(record.reason, 'upgraded')
      assert.equal(record.status, 101)
      assert.ok(record.bytesReceived > 1 << 20 && record.bytesSent > 1 << 20)
    })
  }

  it('sends the upstream the token and the handshake fields, never the raw Upgrade value', async () => {
    let seen = ''
    using origin = await startTcpOrigin((socket) => {
      socket.on('data', (chunk) => {
        seen += chunk.toString('latin1')
        if (seen.endsWith('\r\n\r\n')) socket.end(ACCEPTED)
      })
    })
    await using proxy = await proxyFor(origin.port)
    const text = await rawRequest(proxy.port, HANDSHAKE)
    assert.match(
      text,
      /^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/,
    )
    assert.match(seen, /^connection: upgrade\r\nupgrade: websocket\r\n/im)
    assert.match(seen, /^sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n/im)
  })

  it('tunnels no byte before the 101, and none at all when the answer is ordinary', async () => {
    let seen = ''
    using origin = await startTcpOrigin((socket) => {
      socket.on('data', (chunk) => {
        seen += chunk.toString('latin1')
        if (seen.includes('\r\n\r\n')) {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno')
        }
      })
    })
    await using proxy = await proxyFor(origin.port)
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'
    const text = await rawRequest(proxy.port, HANDSHAKE + smuggled)
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*\r\nconnection: close\r\n.*\r\n\r\nno$/is)
    assert.doesNotMatch(seen, /smuggled/)
    assert.equal(proxy.records.length, 1)
  })

  it('a 101 that is no WebSocket is 502', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nSECRET'),
      )
    })
    await using proxy = await proxyFor(origin.port)
    const text = await rawRequest(proxy.port, HANDSHAKE)
    assert.match(text, /^HTTP\/1\.1 502 /)
    assert.doesNotMatch(text, /SECRET/)
  })

  it('an unasked 101 is 502', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.once('data', () => socket.write(ACCEPTED))
    })
    await using proxy = await proxyFor(origin.port)
    const text = await rawRequest(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n',
    )
    assert.match(text, /^HTTP\/1\.1 502 /)
  })

  it('bytes right behind the 101 arrive, half-close and reset travel through', async () => {
    const sockets: net.Socket[] = []
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.once('data', () => socket.write(`${ACCEPTED}early`))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    await using proxy = await proxyFor((server.address() as net.AddressInfo).port)
    const open = async () => {
      const client = net.connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
      client.on('error', () => {})
      client.write(HANDSHAKE)
      let text = ''
      while (!text.endsWith('early')) text += String((await once(client, 'data'))[0])
      const origin = sockets.at(-1)
      assert.ok(origin)
      return { client, origin }
    }
    {
      const { client, origin } = await open()
      client.end('last words')
      let heard = ''
      origin.on('data', (chunk) => {
        heard += chunk
      })
      await once(origin, 'end')
      assert.equal(heard, 'last words')
      origin.end('answer after the end')
      assert.equal(String((await once(client, 'data'))[0]), 'answer after the end')
      await closed(client)
      assert.equal((await proxy.record(1)).reason, 'upgraded')
    }
    {
      const { client, origin } = await open()
      client.resetAndDestroy()
      await closed(origin)
      assert.equal((await proxy.record(2)).reason, 'client-reset')
    }
    {
      const { client, origin } = await open()
      origin.resetAndDestroy()
      await closed(client)
      assert.equal((await proxy.record(3)).reason, 'upstream-reset')
    }
    server.close()
  })

  it('an idle tunnel ends at its limit', async () => {
    using origin = await startTcpOrigin((socket) => {
      socket.once('data', () => socket.write(ACCEPTED))
    })
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
      limits: { tcpIdleMs: 200 },
    })
    assert.match(await rawRequest(proxy.port, HANDSHAKE), /^HTTP\/1\.1 101 /)
    assert.equal((await proxy.record()).reason, 'idle-timeout')
  })
})

/** `once` would reject with the error of a reset. */
function closed(socket: net.Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}
