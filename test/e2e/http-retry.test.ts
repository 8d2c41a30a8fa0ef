/** Retries (GEP-1731): which tries are made again, with which body, and when they end. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { describe, it } from 'node:test'
import type { HttpRetry, HttpTimeouts } from '../../src/model/http.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { closedPort, startH2Origin, startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'

const QUICK: HttpRetry = { codes: [503], attempts: 3, backoffMs: 1 }

function proxyTo(ports: readonly number[], retry?: HttpRetry, timeouts: HttpTimeouts = {}) {
  const rule = { ports, timeouts, ...(retry === undefined ? {} : { retry }) }
  return startProxy({ listeners: [{ hostname: '', rules: [rule] }] })
}

/** Answers with the statuses in turn, then with 200 and the body's digest. */
async function startUnsteady(...statuses: number[]) {
  const times: number[] = []
  const origin = await startOrigin((request, response) => {
    times.push(performance.now())
    const status = statuses.shift() ?? 200
    const hash = createHash('sha256')
    request.on('data', (chunk: Buffer) => hash.update(chunk))
    request.on('end', () => response.writeHead(status).end(hash.digest('hex')))
  })
  return { ...origin, times }
}

interface Sent {
  readonly method?: string
  readonly body?: Uint8Array
}

async function send(port: number, { method = 'GET', body }: Sent = {}): Promise<string> {
  const headers = { host: 'a.test', ...(body && { 'transfer-encoding': 'chunked' }) }
  const request = http.request({ port, host: '127.0.0.1', agent: false, method, headers })
  request.end(body)
  const [response]: [http.IncomingMessage] = (await once(request, 'response')) as never
  return `${response.statusCode} ${Buffer.concat(await response.toArray()).toString()}`
}

function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}

describe('retries after a status', () => {
  it('send the same body again, byte for byte, up to 64 KiB', async () => {
    const body = randomBytes(65_536)
    using origin = await startUnsteady(503, 503)
    await using proxy = await proxyTo([origin.port], QUICK)
    assert.equal(await send(proxy.port, { method: 'POST', body }), `200 ${digestOf(body)}`)
    assert.equal((await proxy.record()).attempts, 3)
    const session = await connectH2(proxy.origin)
    using again = await startUnsteady(503)
    await proxy.load([{ hostname: '', rules: [{ ports: [again.port], retry: QUICK }] }])
    const answer = await h2Request(session, { ':method': 'PUT' }, body)
    assert.equal(answer.body.toString(), digestOf(body))
    session.destroy()
  })

  it('are not made for a longer body, which passes unharmed', async () => {
    const body = randomBytes(65_537)
    using origin = await startUnsteady(503)
    await using proxy = await proxyTo([origin.port], QUICK)
    assert.equal(await send(proxy.port, { method: 'POST', body }), `503 ${digestOf(body)}`)
    assert.equal(await send(proxy.port, { method: 'POST', body }), `200 ${digestOf(body)}`)
    assert.equal(origin.times.length, 2)
  })

  it('pass the last answer through when all tries are used up', async () => {
    using origin = await startUnsteady(503, 503, 503, 503, 503)
    await using proxy = await proxyTo([origin.port], QUICK)
    assert.equal(await send(proxy.port), `503 ${digestOf(Buffer.alloc(0))}`)
    assert.equal(origin.times.length, 4)
    const { attempts, status, reason } = await proxy.record()
    assert.deepEqual([attempts, status, reason], [4, 503, 'completed'])
  })

  it('are made for the listed codes only, and for none without a rule', async () => {
    using origin = await startUnsteady(500, 503)
    {
      await using proxy = await proxyTo([origin.port], QUICK)
      assert.match(await send(proxy.port), /^500 /)
    }
    await using proxy = await proxyTo([origin.port])
    assert.match(await send(proxy.port), /^503 /)
    assert.equal(origin.times.length, 2)
  })

  it('wait the backoff at least, growing', async () => {
    using origin = await startUnsteady(503, 503)
    await using proxy = await proxyTo([origin.port], { ...QUICK, backoffMs: 60 })
    assert.match(await send(proxy.port), /^200 /)
    const [first = 0, second = 0, third = 0] = origin.times
    assert.ok(second - first >= 60, `${second - first}`)
    assert.ok(third - second >= 120, `${third - second}`)
  })

  it('work over HTTP/2 upstreams, byte for byte as well', async () => {
    const body = randomBytes(65_536)
    let asked = 0
    using origin = await startH2Origin((stream) => {
      asked += 1
      void stream.toArray().then((chunks) => {
        stream.respond({ ':status': asked === 1 ? 503 : 200 })
        stream.end(digestOf(Buffer.concat(chunks)))
      })
    })
    await using proxy = await startProxy({
      listeners: [
        { hostname: '', rules: [{ ports: [origin.port], protocol: 'h2c', retry: QUICK }] },
      ],
    })
    assert.equal(await send(proxy.port, { method: 'POST', body }), `200 ${digestOf(body)}`)
    assert.equal(asked, 2)
  })
})

describe('retries after a lost connection', () => {
  const bare: HttpRetry = { codes: [], attempts: 2, backoffMs: 1 }

  /** Cuts its first connections when the request is there. */
  async function startCutting(cuts: number) {
    let left = cuts
    return startTcpOrigin((socket) => {
      socket.once('data', () => {
        left -= 1
        if (left >= 0) socket.destroy()
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      })
    })
  }

  it('are made without any code for methods that bear it', async () => {
    for (const method of ['GET', 'PUT']) {
      using origin = await startCutting(2)
      await using proxy = await proxyTo([origin.port], bare)
      assert.equal(await send(proxy.port, { method, body: Buffer.from('abc') }), '200 ok', method)
    }
  })

  it('are made for a POST only when 502 is listed', async () => {
    const post = { method: 'POST', body: Buffer.from('abc') }
    using one = await startCutting(1)
    {
      await using proxy = await proxyTo([one.port], bare)
      assert.match(await send(proxy.port, post), /^503 /)
    }
    using two = await startCutting(1)
    await using proxy = await proxyTo([two.port], { ...bare, codes: [502] })
    assert.equal(await send(proxy.port, post), '200 ok')
  })

  it('are no more than the rule says, then 503', async () => {
    using enough = await startCutting(2)
    {
      await using proxy = await proxyTo([enough.port], bare)
      assert.equal(await send(proxy.port), '200 ok')
      assert.equal(enough.connections(), 3)
    }
    using tooFew = await startCutting(3)
    await using proxy = await proxyTo([tooFew.port], bare)
    assert.match(await send(proxy.port), /^503 /)
    assert.equal(tooFew.connections(), 3)
  })

  it('go on while the upstream refuses, as often as the rule says', async () => {
    await using proxy = await proxyTo([await closedPort()], bare)
    assert.match(await send(proxy.port, { method: 'POST', body: Buffer.from('a') }), /^503 /)
    assert.equal((await proxy.record()).attempts, 3)
  })
})

describe('retries and timeouts', () => {
  const patient: HttpRetry = { codes: [], attempts: 2, backoffMs: 1 }

  it('a try that takes too long is given up and made again', async () => {
    let asked = 0
    using origin = await startOrigin((_request, response) => {
      asked += 1
      if (asked > 1) response.end('ok')
    })
    await using proxy = await proxyTo([origin.port], patient, { backendRequestMs: 100 })
    assert.equal(await send(proxy.port), '200 ok')
    assert.equal(asked, 2)
  })

  it('all tries and pauses fit into the whole time, then 504 at once', async () => {
    using origin = await startUnsteady(...Array.from({ length: 100 }, () => 503))
    const retry = { codes: [503], attempts: 100, backoffMs: 100_000 }
    await using proxy = await proxyTo([origin.port], retry, { requestMs: 150 })
    assert.match(await send(proxy.port), /^504 /)
    assert.equal((await proxy.record()).reason, 'request-timeout')
    assert.equal(origin.times.length, 1)
  })

  it('a client that leaves during a pause is followed by nothing', async () => {
    using origin = await startUnsteady(503, 503)
    const retry = { codes: [503], attempts: 5, backoffMs: 200 }
    await using proxy = await proxyTo([origin.port], retry)
    const asked = once(origin.server, 'request')
    const request = http.get({ port: proxy.port, host: '127.0.0.1', agent: false })
    request.on('error', () => {})
    await asked
    request.destroy()
    assert.match((await proxy.record()).reason, /^client-/)
    assert.equal(origin.times.length, 1)
  })
})
