/**
 * Attacks around upgrades and interim answers (security guide 2.2, 2.4, 2.5): peers that reset in
 * mid-tunnel, early bytes, upgrades behind other requests, and answers that Node refuses to send on.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type net from 'node:net'
import { after, before, describe, it } from 'node:test'
import {
  connectHttp,
  connectTls,
  exchangeBytes,
  GoodClients,
  plainOrigin,
  startTarget,
  type Target,
  transcript,
} from '../support/attack.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { type Origin, startH2Origin, startTcpOrigin } from '../support/http-origin.ts'

const ACCEPTED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

function handshake(path: string, ...fields: string[]): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: evil.test',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...fields,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** What the origin does with a request for this path. */
const ANSWERS: Readonly<Record<string, (socket: net.Socket) => void>> = {
  '/reset': (socket) => {
    socket.write(`${ACCEPTED}hello`)
    socket.once('data', () => socket.resetAndDestroy())
  },
  '/echo': (socket) => {
    socket.write(ACCEPTED)
    socket.on('data', (chunk) => socket.write(`<${chunk}>`))
  },
  '/plain': (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  '/twice': (socket) =>
    socket.write(
      'HTTP/1.1 200 OK\r\nDate: a\r\nDate: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nEtag: a\r\nEtag: b\r\n\r\n',
    ),
  '/hints': (socket) =>
    socket.write(
      'HTTP/1.1 103 Early Hints\r\nLink: nonsense\r\nDate: a\r\nDate: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ),
  '/cut': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n')
    setImmediate(() => socket.resetAndDestroy())
  },
}

describe('attacks around upgrades', () => {
  let origin: Origin
  let h2c: Origin
  let target: Target
  const sockets: net.Socket[] = []

  before(async () => {
    origin = await startTcpOrigin((socket) => {
      sockets.push(socket)
      let text = ''
      const onData = (chunk: Buffer): void => {
        text += chunk.toString('latin1')
        const [, path = ''] = /GET (\S+)[\s\S]*\r\n\r\n/.exec(text) ?? []
        if (path === '') return
        text = ''
        if (path === '/reset' || path === '/echo') socket.off('data', onData)
        ANSWERS[path]?.(socket)
      }
      socket.on('data', onData)
    })
    h2c = await startH2Origin((stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: 'nonsense', date: 'a' })
      stream.respond({ ':status': 200 })
      stream.end(`referer ${headers.referer}`)
    })
    target = await startTarget({ http: { evil: origin }, h2c: { two: h2c } })
  })

  after(async () => {
    await target.stop()
    origin[Symbol.dispose]()
    h2c[Symbol.dispose]()
  })

  const open: Readonly<Record<string, () => net.Socket>> = {
    cleartext: () => connectHttp(target),
    TLS: () => connectTls(target, 'evil.test'),
  }

  for (const [name, connect] of Object.entries(open)) {
    it(`an upstream that resets a tunnel over ${name} resets the client alone`, () =>
      GoodClients.whileDoing(target, async () => {
        const client = connect()
        let reset: NodeJS.ErrnoException | undefined
        client.on('error', (error) => {
          reset = error
        })
        client.write(handshake('/reset'))
        while (!String((await once(client, 'data'))[0]).endsWith('hello'));
        client.write('now')
        await new Promise((resolve) => client.once('close', resolve))
        assert.equal(reset?.code, 'ECONNRESET')
        await target.daemon.line(
          (line) => line['log'] === 'connection' && line['reason'] === 'upstream-reset',
        )
      }))

    it(`a client that resets a tunnel over ${name} resets the upstream`, async () => {
      const client = connect()
      client.write(handshake('/echo'))
      await once(client, 'data')
      const upstream = sockets.at(-1)
      assert.ok(upstream)
      const gone = new Promise((resolve) => upstream.once('close', resolve))
      client.destroy()
      await gone
    })

    it(`bytes sent with the handshake over ${name} arrive behind the 101`, async () => {
      const client = connect()
      client.write(`${handshake('/echo')}early`)
      let text = ''
      while (!text.includes('<early>')) text += String((await once(client, 'data'))[0])
      client.destroy()
      await target.daemon.line((line) => line['path'] === '/echo' && line['response_code'] === 101)
    })
  }

  it('a declined upgrade is answered, and nothing behind it is misread', async () => {
    for (const fields of [['Content-Length: 0'], ['Content-Length: 3'], ['Upgrade: h2c']]) {
      const body = fields[0] === 'Content-Length: 3' ? 'abc' : ''
      const text = await exchangeBytes(
        target,
        `${handshake('/plain', ...fields)}${body}GET /plain HTTP/1.1\r\nHost: evil.test\r\n\r\n`,
      )
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n[\s\S]*\r\n\r\nok$/)
    }
  })

  it('upgrades and CONNECT behind a request that is still served wait for their turn', async () => {
    const first = 'GET /plain HTTP/1.1\r\nHost: evil.test\r\n\r\n'
    for (const [second, answer] of [
      [handshake('/plain'), '200'],
      ['CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n', '405'],
    ]) {
      const text = await exchangeBytes(target, `${first}${second}`)
      assert.deepEqual(text.match(/^HTTP\/1\.1 [0-9]+|okHTTP\/1\.1 [0-9]+/gm), [
        'HTTP/1.1 200',
        `okHTTP/1.1 ${answer}`,
      ])
    }
  })

  it('fields that an upstream sends twice, and odd hints, reach clients of both versions', () =>
    GoodClients.whileDoing(target, async () => {
      const session = await connectH2(plainOrigin(target))
      for (const path of ['/twice', '/hints']) {
        const request = `GET ${path} HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n`
        assert.match(await exchangeBytes(target, request), /^HTTP\/1\.1 200 [\s\S]*\bok\b/m)
        const answer = await h2Request(session, { ':path': path, ':authority': 'evil.test' })
        assert.deepEqual([answer.status, String(answer.body), answer.rstCode], [200, 'ok', 0])
      }
      session.destroy()
    }))

  it('fields that a client sends twice reach an HTTP/2 upstream and eject nothing', async () => {
    const request =
      'GET / HTTP/1.1\r\nHost: two.test\r\nReferer: a\r\nReferer: b\r\nConnection: close\r\n\r\n'
    for (let i = 0; i < 6; i += 1) {
      assert.match(await exchangeBytes(target, request), /^HTTP\/1\.1 200 /m)
    }
  })

  it('a body that ends with the connection is reset when it was cut, never ended', async () => {
    const client = connectHttp(target)
    let code: string | undefined
    client.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code
    })
    // HTTP/1.0 has no chunks: only the close delimits the answer.
    client.write('GET /cut HTTP/1.0\r\nHost: evil.test\r\n\r\n')
    await transcript(client)
    assert.equal(code, 'ECONNRESET')
  })
})
