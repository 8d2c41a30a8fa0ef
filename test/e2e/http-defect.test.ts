/** A fault of ours that a request brings out ends its connection, not the process. */
import assert from 'node:assert/strict'
import { after, it, mock } from 'node:test'
import { Exchange } from '../../src/data/http/exchange.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startOrigin } from '../support/http-origin.ts'
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
