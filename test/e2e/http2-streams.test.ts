/** HTTP/2 streams from Node's client to Node's server, through both sessions of ours. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import { describe, it } from 'node:test'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startH2Origin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { until, untilStill } from '../support/until.ts'

const MIB = 1024 * 1024
/** More than all windows, socket buffers and high-water marks of a way together. */
const MUCH = randomBytes(12 * MIB)
const SOME = MUCH.subarray(0, 3 * MIB)

type OnStream = Parameters<typeof startH2Origin>[0]

async function world(onStream: OnStream) {
  const origin = await startH2Origin(onStream)
  const proxy = await startProxy({
    listeners: [{ hostname: '', rules: [{ ports: [origin.port], protocol: 'h2c' }] }],
  })
  const session = await connectH2(proxy.origin)
  return {
    proxy,
    session,
    [Symbol.asyncDispose]: async () => {
      session.destroy()
      await proxy[Symbol.asyncDispose]()
      origin[Symbol.dispose]()
    },
  }
}

function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }))
  stream.pipe(stream)
}

describe('HTTP/2 streams', () => {
  it('bodies and trailers both ways', async () => {
    await using at = await world(echo)
    for (const body of [Buffer.from('x'), SOME]) {
      const answer = await h2Request(at.session, { ':method': 'POST', ':path': '/' }, body)
      assert.deepEqual([answer.status, answer.rstCode], [200, 0])
      assert.ok(answer.body.equals(body), `${answer.body.length} of ${body.length} bytes`)
      assert.equal(answer.trailers?.['x-sum'], 'abc')
    }
    assert.deepEqual(
      at.proxy.records.map(({ reason, bytesSent }) => [reason, bytesSent]),
      [
        ['completed', 1],
        ['completed', SOME.length],
      ],
    )
  })

  it('answers without a body: HEAD, 204, hints before', async () => {
    await using at = await world((stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' })
      const status = headers[':path'] === '/204' ? 204 : 200
      stream.respond({ ':status': status, 'x-was': 'here' }, { endStream: true })
    })
    for (const [method, path] of [
      ['HEAD', '/'],
      ['GET', '/204'],
      ['GET', '/'],
    ] as const) {
      const stream = at.session.request({ ':method': method, ':path': path })
      const hints: unknown[] = []
      stream.on('headers', (headers) => hints.push(headers['link']))
      const [headers] = await once(stream, 'response')
      assert.equal(headers[':status'], path === '/204' ? 204 : 200)
      assert.equal(headers['x-was'], 'here')
      assert.ok(headers['date'])
      assert.deepEqual(hints, ['</a>'])
      stream.resume()
      await once(stream, 'close')
      assert.equal(stream.rstCode, 0)
    }
  })

  it('an answer before the request was read ends both, cleanly', async () => {
    let code: number | undefined
    await using at = await world((stream) => {
      stream.on('close', () => {
        code = stream.rstCode
      })
      stream.respond({ ':status': 413 })
      stream.end('too much')
    })
    const stream = at.session.request({ ':method': 'POST', ':path': '/' })
    stream.on('error', () => {})
    stream.write('some')
    let body = ''
    stream.on('data', (chunk) => {
      body += String(chunk)
    })
    const [headers] = await once(stream, 'response')
    await until(() => stream.closed && code !== undefined)
    assert.deepEqual([headers[':status'], body, stream.rstCode], [413, 'too much', 0])
  })

  it('an upstream that resets in the middle is no clean end', async () => {
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 })
      // `close` would end it cleanly.
      stream.write('half', () => stream.destroy(new Error('half')))
    })
    const answer = await h2Request(at.session, { ':path': '/' })
    assert.deepEqual([answer.status, String(answer.body), answer.rstCode], [200, 'half', 2])
    assert.equal(at.proxy.records[0]?.reason, 'upstream-reset')
  })

  it('a client that resets while it sends is no whole body', async () => {
    const ends: string[] = []
    let begun: (() => void) | undefined
    await using at = await world((stream) => {
      stream.on('data', () => begun?.())
      stream.on('end', () => ends.push(stream.aborted ? 'cut' : 'whole'))
      stream.on('close', () => ends.push(`closed ${stream.rstCode !== 0}`))
    })
    const stream = at.session.request({ ':method': 'POST', ':path': '/' })
    stream.on('error', () => {})
    const arrived = new Promise<void>((resolve) => {
      begun = resolve
    })
    stream.write('half of it')
    await arrived
    stream.destroy(new Error('half'))
    await until(() => ends.includes('closed true'))
    assert.ok(!ends.includes('whole'), String(ends))
    await until(() => at.proxy.records.length === 1)
    assert.equal(at.proxy.records[0]?.reason, 'client-reset')
  })

  it('a reader that stops stops the writer, and gets all of it in the end', async () => {
    let sent = 0
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 })
      const next = (): void => {
        while (sent < MUCH.length) {
          const more = stream.write(MUCH.subarray(sent, sent + 65_536))
          sent = Math.min(sent + 65_536, MUCH.length)
          if (!more) return
        }
        stream.end()
      }
      stream.on('drain', next)
      next()
    })
    const stream = at.session.request({ ':path': '/' })
    await once(stream, 'response')
    await untilStill(() => sent)
    assert.ok(sent < MUCH.length / 4, `${sent} bytes were taken from the upstream`)
    const body = Buffer.concat(await stream.toArray())
    assert.ok(body.equals(MUCH), `${body.length} bytes`)
  })

  it('what an upstream that is gone has sent whole arrives whole', async () => {
    const part = MUCH.subarray(0, 60_000)
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 })
      stream.end(part)
    })
    // Their windows together are larger than the connection's, so that some have to wait.
    const streams = Array.from({ length: 20 }, () => at.session.request({ ':path': '/' }))
    await Promise.all(streams.map((stream) => once(stream, 'response')))
    const bodies = await Promise.all(streams.map((stream) => stream.toArray()))
    for (const body of bodies) assert.ok(Buffer.concat(body).equals(part))
  })

  it('a session that is closed ends with its last stream', async () => {
    const held: (() => void)[] = []
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 })
      held.push(() => stream.end('late'))
    })
    const answer = h2Request(at.session, { ':path': '/' })
    await until(() => held.length === 1)
    const closed = new Promise<void>((resolve) => at.session.close(resolve))
    held[0]?.()
    assert.equal(String((await answer).body), 'late')
    await closed
    await until(() => at.proxy.outcomes.length === 1)
  })
})
