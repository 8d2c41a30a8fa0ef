/**
 * Slow clients, slow backends and slow mirrors at once, over HTTP/1.1 and HTTP/2 on both sides:
 * everybody waits, nothing piles up, others are served, and in the end every byte is there.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { ClientHttp2Session } from 'node:http2'
import { Readable, type Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { describe, it } from 'node:test'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { heldBytes } from '../support/held-memory.ts'
import { startH2Origin, startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import { startProxy, type TestRule } from '../support/http-proxy.ts'
import { until, untilStill } from '../support/until.ts'

/** More than the kernel's buffers of both hops take. */
const SIZE = 24 << 20
const PIECE = 64 << 10
/** A copy may be 1 MiB behind; every exchange has a few pieces on their way on each side. */
const MIRROR_BYTES = 1 << 20
const EXCHANGE_BYTES = 512 << 10

const NOISE = randomBytes(1 << 20)
const DIGEST = await digestOf(Readable.from(pieces(() => undefined)))

/** The body of every exchange, counted as it is taken. */
function* pieces(count: (bytes: number) => void): Generator<Buffer> {
  for (let at = 0; at < SIZE; at += PIECE) {
    const from = (at * 7919) % (NOISE.length - PIECE)
    count(PIECE)
    yield NOISE.subarray(from, from + PIECE)
  }
}

async function digestOf(body: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of body) hash.update(chunk)
  return hash.digest('hex')
}

/** One combination of protocols and directions, on its own path. */
interface Combination {
  readonly client: 'http/1.1' | 'h2'
  readonly upstream: 'http/1.1' | 'h2c'
  readonly direction: 'upload' | 'download'
}

const COMBINATIONS: readonly Combination[] = (['http/1.1', 'h2'] as const).flatMap((client) =>
  (['http/1.1', 'h2c'] as const).flatMap((upstream) =>
    (['upload', 'download'] as const).map((direction) => ({ client, upstream, direction })),
  ),
)

describe('memory', () => {
  it('is bounded with slow clients, backends and mirrors together', async () => {
    const opened = Promise.withResolvers<void>()
    let moved = 0
    const count = (bytes: number): void => {
      moved += bytes
    }
    const send = (to: Writable) =>
      pipeline(Readable.from(pieces(count), { objectMode: true, highWaterMark: 1 }), to)

    /** Reads nothing of an upload before the gate opens, then tells what it was. */
    const serve = async (path: string, body: Readable, answer: Writable): Promise<void> => {
      if (path.endsWith('/download')) return await send(answer)
      if (path.endsWith('/upload')) await opened.promise
      answer.end(await digestOf(body))
    }
    using h1 = await startOrigin((request, response) => {
      void serve(request.url ?? '', request, response)
    })
    using h2 = await startH2Origin((stream, headers) => {
      stream.respond({ ':status': 200 })
      void serve(String(headers[':path']), stream, stream)
    })
    const mirrors: Readable[] = []
    using slowMirror = await startTcpOrigin((socket) => void mirrors.push(socket.pause()))
    using slowH2Mirror = await startH2Origin((stream) => void mirrors.push(stream))

    const rules: readonly TestRule[] = [
      { ports: [h1.port] },
      { prefix: '/http/1.1/upload', ports: [h1.port], mirrors: [{ port: slowMirror.port }] },
      { prefix: '/h2c', ports: [h2.port], protocol: 'h2c' },
      {
        prefix: '/h2c/upload',
        ports: [h2.port],
        protocol: 'h2c',
        mirrors: [{ port: slowH2Mirror.port }],
      },
    ]
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules }],
      limits: { bodyIdleMs: 600_000, streamIdleMs: 600_000 },
    })
    const session = await connectH2(proxy.origin)
    const before = heldBytes()

    /** The digest of what came back; a slow client reads nothing before the gate opens. */
    const run = async ({ client, upstream, direction }: Combination): Promise<string> => {
      const path = `/${upstream}/${direction}`
      const answer =
        client === 'h2'
          ? await overH2(session, path, direction === 'upload' ? send : undefined)
          : await overH1(proxy.port, path, direction === 'upload' ? send : undefined)
      if (direction === 'upload') return (await answer.toArray()).join('')
      await opened.promise
      return digestOf(answer)
    }
    const results = COMBINATIONS.map(run)

    const uploads = COMBINATIONS.filter(({ direction }) => direction === 'upload').length
    const bound = uploads * MIRROR_BYTES + COMBINATIONS.length * EXCHANGE_BYTES
    await until(() => mirrors.length === uploads && moved > 0)
    await untilStill(() => moved)
    assert.ok(moved < COMBINATIONS.length * SIZE, 'everybody waits')
    await until(
      () => heldBytes() - before < bound,
      () => `${heldBytes() - before} bytes held, ${bound} allowed, ${moved} moved`,
    )
    // Others are served meanwhile, on the same connection too.
    const small = Buffer.alloc(100_000, 'x')
    const expected = await digestOf(Readable.from([small]))
    const post = { ':method': 'POST', ':path': '/quick' }
    assert.equal((await h2Request(session, post, small)).body.toString(), expected)

    opened.resolve()
    assert.deepEqual(
      await Promise.all(results),
      COMBINATIONS.map(() => DIGEST),
    )
    await Promise.all(mirrors.map(brokenOff))
    session.destroy()
    await until(
      () => heldBytes() - before < COMBINATIONS.length * EXCHANGE_BYTES,
      () => `${heldBytes() - before} bytes held after the end`,
    )
  })
})

/** Reads to the end, which is short of the body: the copy fell behind. */
async function brokenOff(mirror: Readable): Promise<void> {
  let received = 0
  mirror.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  mirror.resume()
  await finished(mirror, { writable: false }).catch(() => undefined)
  assert.ok(received < SIZE, `${received}`)
}

type Send = (to: Writable) => Promise<void>

async function overH1(port: number, path: string, send: Send | undefined): Promise<Readable> {
  const method = send === undefined ? 'GET' : 'POST'
  const request = http.request({ port, host: '127.0.0.1', path, method, agent: false })
  const response = once(request, 'response')
  if (send === undefined) request.end()
  else await send(request)
  return (await response)[0]
}

async function overH2(
  session: ClientHttp2Session,
  path: string,
  send: Send | undefined,
): Promise<Readable> {
  const method = send === undefined ? 'GET' : 'POST'
  const stream = session.request({ ':path': path, ':method': method }, { endStream: !send })
  const response = once(stream, 'response')
  if (send !== undefined) await send(stream)
  await response
  return stream
}
