/** Half a request never passes for a whole one; nothing that breaks off takes the process along. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { describe, it } from 'node:test'
import { connectH2 } from '../support/h2-client.ts'
import { startH2Origin, startOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { rawRequest } from '../support/raw-http.ts'

/** Resolves with how the origin saw the body end. */
async function origins(protocol: 'http/1.1' | 'h2c') {
  const { promise: ending, resolve } = Promise.withResolvers<'whole' | 'aborted'>()
  const { promise: started, resolve: start } = Promise.withResolvers<void>()
  const watch = (body: NodeJS.ReadableStream & { readonly aborted: boolean }) => {
    body.on('error', () => {})
    body.on('data', () => start())
    body.on('aborted', () => resolve('aborted'))
    body.on('end', () => resolve(body.aborted ? 'aborted' : 'whole'))
  }
  const origin =
    protocol === 'h2c' ? await startH2Origin(watch) : await startOrigin((request) => watch(request))
  return { origin, ending, started }
}

describe('uploads that break off', () => {
  for (const upstream of ['http/1.1', 'h2c'] as const) {
    for (const downstream of ['http/1.1', 'h2'] as const) {
      it(`${downstream} to ${upstream}: the upstream sees them break off`, async () => {
        const { origin, ending, started } = await origins(upstream)
        using _ = origin
        await using proxy = await startProxy({
          listeners: [{ hostname: '', rules: [{ ports: [origin.port], protocol: upstream }] }],
        })
        if (downstream === 'h2') {
          const session = await connectH2(proxy.origin)
          const stream = session.request({ ':path': '/', ':method': 'POST' })
          stream.on('error', () => {})
          stream.write('half a bo')
          await started
          stream.destroy(new DOMException('gone', 'AbortError'))
          assert.equal(await ending, 'aborted')
          session.destroy()
        } else {
          const client = net.connect(proxy.port, '127.0.0.1')
          client.on('error', () => {})
          client.write(
            'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf a bo\r\n',
          )
          await started
          client.end()
          assert.equal(await ending, 'aborted')
        }
        assert.match((await proxy.record()).reason, /^(?:client-|bad-request)/)
      })
    }
  }
})

describe('odd sequences', () => {
  it('an upgrade or CONNECT pipelined behind a running request waits for its turn', async () => {
    using origin = await startOrigin((_request, response) => {
      setImmediate(() => response.end('first'))
    })
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
    })
    const first = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'
    const upgrade =
      'GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    const answers = await rawRequest(proxy.port, first + upgrade)
    assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200'])
    const connect = 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n'
    const refused = await rawRequest(proxy.port, first + connect)
    assert.deepEqual(refused.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 405'])
  })

  it('a stream that is reset while it waits for its timeout ends once', async () => {
    using origin = await startOrigin(() => {})
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [{ ports: [origin.port], timeouts: { requestMs: 50 } }] }],
    })
    const session = await connectH2(proxy.origin)
    for (let i = 0; i < 20; i += 1) {
      const stream = session.request({ ':path': `/${i}` })
      stream.on('error', () => {})
      // A busy machine would have the clock run out before anything was sent: then nobody hears of it.
      stream.on('ready', () => setTimeout(() => stream.close(8), 40 + i))
    }
    await proxy.record(20)
    const survivor = session.request({ ':path': '/last' })
    const [headers] = await once(survivor, 'response')
    assert.equal((headers as { ':status': number })[':status'], 504)
    assert.equal(proxy.hub.activeExchanges, 0)
    session.destroy()
  })
})
