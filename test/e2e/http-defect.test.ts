/** A fault of ours that a request brings out ends its connection, not the process. */
import assert from 'node:assert/strict'
import { after, describe, it, mock } from 'node:test'
import { Exchange } from '../../src/data/http/exchange.ts'
import { AuthCall } from '../../src/data/http/auth/call.ts'
import { ExchangeFacts } from '../../src/data/http/exchange-facts.ts'
import { Tunnel } from '../../src/data/http/upgrade.ts'
import { ChunkedDecoder } from '../../src/wire/http1/chunked-decoder.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'

const DEFECT = 'a table that is none'
const start = Exchange.prototype.start
mock.method(Exchange.prototype, 'start', function (this: Exchange, normalized: unknown) {
  const read = normalized as Parameters<typeof start>[0]
  if (read.ok && read.head.target === '/defect') throw new Error(DEFECT)
  start.call(this, read)
})
after(() => mock.restoreAll())

const get = (path: string, fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`

it('of HTTP/1.1, in the first request and behind another', async () => {
  using origin = await startOrigin((_request, response) => response.end('fine'))
  await using proxy = await startProxy({
    listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
  })
  assert.equal(await rawRequest(proxy.port, get('/defect')), '')
  const second = await rawRequest(proxy.port, get('/') + get('/defect'))
  assert.match(second, /^HTTP\/1\.1 200 /)
  assert.equal(second.match(/HTTP\/1\.1 /g)?.length, 1)
  assert.match(await rawRequest(proxy.port, get('/', 'Connection: close\r\n')), / 200 OK/)
  const defects = proxy.outcomes.filter(({ reason }) => reason === 'internal-error')
  assert.deepEqual(
    defects.map(({ detail }) => detail),
    [DEFECT, DEFECT],
  )
})

it('of HTTP/2', async () => {
  using origin = await startOrigin((_request, response) => response.end('fine'))
  await using proxy = await startProxy({
    listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
  })
  const [broken, other] = [await connectH2(proxy.origin), await connectH2(proxy.origin)]
  broken.on('error', () => {})
  broken.request({ ':path': '/defect' }).on('error', () => {})
  await new Promise((resolve) => broken.once('close', resolve))
  assert.equal((await h2Request(other, { ':path': '/' })).status, 200)
  other.destroy()
  assert.equal(proxy.outcomes[0]?.detail, DEFECT)
})

/** Where our code breaks, once. */
type Breaking = readonly [where: string, breakIt: () => void]

function breaks<T extends object>(code: T, name: keyof T & string): () => void {
  return () => {
    const method = mock.method(code as never, name as never) as ReturnType<typeof mock.fn>
    method.mock.mockImplementationOnce(() => {
      throw new Error(DEFECT)
    })
  }
}

const IN_ANSWERS: readonly Breaking[] = [
  ['at the head', breaks(Exchange.prototype, 'onHead')],
  ['in the body', breaks(Exchange.prototype, 'onData')],
  ['at the end', breaks(Exchange.prototype, 'onEnd')],
  ['when the log is written', breaks(ExchangeFacts.prototype, 'end')],
  ['in the parser', breaks(ChunkedDecoder.prototype, 'read')],
]

describe('of an answer', () => {
  for (const client of ['HTTP/1.1', 'HTTP/2'] as const) {
    for (const [where, breakIt] of IN_ANSWERS) {
      it(`${where}, over ${client}`, async () => {
        using origin = await startOrigin((_request, response) => {
          response.write('chunked')
          response.end()
        })
        await using proxy = await startProxy({
          listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
        })
        breakIt()
        if (client === 'HTTP/1.1') await rawRequest(proxy.port, get('/'))
        else {
          const session = await connectH2(proxy.origin)
          session.on('error', () => {})
          const closed = new Promise((resolve) => session.once('close', resolve))
          session.request({ ':path': '/' }).on('error', () => {})
          await closed
        }
        assert.deepEqual(proxy.outcomes.map(({ reason, detail }) => [reason, detail])[0], [
          'internal-error',
          DEFECT,
        ])
        assert.equal(proxy.hub.activeExchanges, 0)
        assert.match(await rawRequest(proxy.port, get('/', 'Connection: close\r\n')), / 200 OK/)
        const reasons = proxy.records.map(({ reason }) => reason)
        // One that could not be written is not there.
        const broken = where === 'when the log is written' ? [] : ['internal-error']
        assert.deepEqual(reasons, [...broken, 'completed'])
      })
    }
  }
})

describe('of what an exchange waits for', () => {
  it('its deadline', async () => {
    using origin = await startOrigin(() => {})
    await using proxy = await startProxy({
      limits: { streamIdleMs: 1 },
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
    })
    breaks(Exchange.prototype, 'onDeadline')()
    assert.equal(await rawRequest(proxy.port, get('/')), '')
    assert.equal(proxy.outcomes[0]?.detail, DEFECT)
    assert.equal((await proxy.record()).reason, 'internal-error')
    assert.match(await rawRequest(proxy.port, get('/', 'Connection: close\r\n')), / 504 /)
  })

  it('the answer of an external auth service: the request goes nowhere', async () => {
    let asked = 0
    using service = await startOrigin((_request, response) => response.end())
    using origin = await startOrigin((_request, response) => {
      asked += 1
      response.end()
    })
    await using proxy = await startProxy({
      listeners: [
        { hostname: '', rules: [{ ports: [origin.port], auth: [{ port: service.port }] }] },
      ],
    })
    breaks(AuthCall.prototype, 'onEnd')()
    assert.equal(await rawRequest(proxy.port, get('/')), '')
    assert.equal((await proxy.record()).reason, 'internal-error')
    assert.equal(asked, 0)
    assert.match(await rawRequest(proxy.port, get('/', 'Connection: close\r\n')), / 200 OK/)
  })
})

describe('of a WebSocket', () => {
  const HANDSHAKE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
  const ACCEPTED =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  for (const [where, breakIt] of [
    ['as it begins', breaks(Tunnel.prototype, 'start')],
    ['at its end', breaks(Exchange.prototype, 'onTunnelEnd')],
  ] satisfies readonly Breaking[]) {
    it(`${where}: both sides are closed`, async () => {
      const closed = Promise.withResolvers<void>()
      using origin = await startTcpOrigin((socket) => {
        socket.on('error', () => {})
        socket.once('close', () => closed.resolve())
        socket.once('data', () => socket.write(ACCEPTED, () => socket.resetAndDestroy()))
      })
      await using proxy = await startProxy({
        listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
      })
      breakIt()
      await rawRequest(proxy.port, get('/', HANDSHAKE))
      await closed.promise
      assert.equal(proxy.outcomes[0]?.detail, DEFECT)
      assert.equal((await proxy.record()).reason, 'internal-error')
      assert.equal(proxy.hub.activeExchanges, 0)
    })
  }
})
