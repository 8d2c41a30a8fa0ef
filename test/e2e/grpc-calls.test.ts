/** gRPC through the HTTP layer with grpc-js on both sides: all kinds of calls and how they end. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import {
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  status,
} from '@grpc/grpc-js'
import { codeOf, GrpcClient, startGrpcOrigin } from '../support/grpc.ts'
import { startH2Origin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'

type Unary = ServerUnaryCall<Buffer, Buffer>
type Reply = (
  error: { code: number; details: string } | null,
  value?: Buffer,
  trailer?: Metadata,
) => void
type Duplex = ServerDuplexStream<Buffer, Buffer>

function proxyTo(...ports: number[]) {
  return startProxy({ listeners: [{ hostname: '', rules: [], grpc: [{ ports }] }] })
}

const echo = {
  Unary: (call: Unary, reply: Reply) => {
    const trailer = new Metadata()
    trailer.set('x-trailer', 'kept')
    call.sendMetadata(call.metadata)
    reply(null, call.request, trailer)
  },
  Bidi: (call: Duplex) => {
    call.on('data', (message: Buffer) => {
      if (!call.write(message)) {
        call.pause()
        call.once('drain', () => call.resume())
      }
    })
    call.on('end', () => call.end())
    call.on('error', () => {})
  },
}

describe('gRPC calls', () => {
  it('unary: message, metadata and trailers both ways, large messages included', async () => {
    using origin = await startGrpcOrigin(echo)
    await using proxy = await proxyTo(origin.port)
    using client = new GrpcClient(proxy.port)
    for (const bytes of [0, 10, 8 * 1024 * 1024]) {
      const message = randomBytes(bytes)
      const answer = await client.unary(message, { metadata: { 'x-sent': 'yes' } })
      assert.ok(Buffer.isBuffer(answer), String(answer))
      assert.ok(answer.equals(message), `${bytes} bytes`)
    }
    const { route, upstream, status } = await proxy.record()
    assert.deepEqual(
      [route?.name, upstream, status],
      ['web', `Service/default/web:${origin.port}`, 200],
    )
  })

  it('server streaming, client streaming and both at once, under flow control', async () => {
    const size = 256 * 1024
    using origin = await startGrpcOrigin({
      ...echo,
      ServerStream: (call: ServerWritableStream<Buffer, Buffer>) => {
        for (let i = 0; i < 40; i += 1) call.write(Buffer.alloc(size, call.request[0]))
        call.end()
      },
      ClientStream: (call: ServerReadableStream<Buffer, Buffer>, reply: Reply) => {
        let total = 0
        call.on('data', (message: Buffer) => {
          total += message.length
        })
        call.on('end', () => reply(null, Buffer.from(String(total))))
      },
    })
    await using proxy = await proxyTo(origin.port)
    using client = new GrpcClient(proxy.port)

    const down = client.serverStream(Buffer.from('x'))
    let received = 0
    for await (const message of down as AsyncIterable<Buffer>) {
      assert.equal(message.length, size)
      received += message.length
    }
    assert.equal(received, 40 * size)

    const sent = Promise.withResolvers<unknown>()
    const up = client.clientStream(sent.resolve)
    for (let i = 0; i < 40; i += 1) up.write(Buffer.alloc(size))
    up.end()
    assert.equal(String(await sent.promise), String(40 * size))

    const both = client.bidi()
    for (const word of ['one', 'two', 'three']) {
      both.write(Buffer.from(word))
      const [answer]: [Buffer] = (await once(both, 'data')) as never
      assert.equal(answer.toString(), word)
    }
    both.end()
    const [end]: [{ code: number }] = (await once(both, 'status')) as never
    assert.equal(end.code, status.OK)
  })

  it('a status of the server goes through with its text, with and without messages before', async () => {
    using origin = await startGrpcOrigin({
      Unary: (_call: Unary, reply: Reply) =>
        reply({ code: status.FAILED_PRECONDITION, details: 'not now' }),
      Bidi: (call: Duplex) => {
        call.write(Buffer.from('first'))
        call.emit('error', { code: status.ABORTED, details: 'enough' })
      },
    })
    await using proxy = await proxyTo(origin.port)
    using client = new GrpcClient(proxy.port)
    const answer = await client.unary(Buffer.alloc(1))
    assert.ok(!Buffer.isBuffer(answer))
    assert.deepEqual([answer.code, answer.details], [status.FAILED_PRECONDITION, 'not now'])
    const call = client.bidi()
    call.on('error', () => {})
    const messages: string[] = []
    call.on('data', (message: Buffer) => messages.push(message.toString()))
    // `once` would reject with the error that comes first.
    const end = await new Promise<StatusObject>((resolve) => call.once('status', resolve))
    assert.deepEqual([messages, end.code, end.details], [['first'], status.ABORTED, 'enough'])
  })

  it('a deadline is passed on and ends the call on both sides', async () => {
    const cancelled = Promise.withResolvers<string>()
    using origin = await startGrpcOrigin({
      Unary: (call: Unary) => {
        const left = call.getDeadline()
        assert.ok(left !== Infinity, 'the upstream knows the deadline')
        call.on('cancelled', () => cancelled.resolve('cancelled'))
      },
    })
    await using proxy = await proxyTo(origin.port)
    using client = new GrpcClient(proxy.port)
    const answer = await client.unary(Buffer.alloc(1), { deadlineMs: 200 })
    assert.equal(codeOf(answer), status.DEADLINE_EXCEEDED)
    assert.equal(await cancelled.promise, 'cancelled')
  })

  it('a cancelled call is cancelled at the upstream', async () => {
    const [begun, cancelled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    using origin = await startGrpcOrigin({
      Bidi: (call: Duplex) => {
        call.on('cancelled', () => cancelled.resolve())
        call.on('data', () => begun.resolve())
      },
    })
    await using proxy = await proxyTo(origin.port)
    using client = new GrpcClient(proxy.port)
    const call = client.bidi()
    call.on('error', () => {})
    call.write(Buffer.from('x'))
    await begun.promise
    call.cancel()
    await cancelled.promise
    assert.match((await proxy.record()).reason, /^client-/)
  })

  it('an upstream that resets is never a clean end', async () => {
    using origin = await startH2Origin((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(Buffer.from([0, 0, 0, 0, 1, 7]), () => stream.destroy(new Error('gone')))
    })
    await using proxy = await proxyTo(origin.port)
    using client = new GrpcClient(proxy.port)
    const code = codeOf(await client.unary(Buffer.alloc(1)))
    assert.ok(code !== undefined && code !== status.OK, `${code}`)
    assert.equal((await proxy.record()).reason, 'upstream-reset')
  })

  it('a thousand calls at once over one connection all come back', async () => {
    using origin = await startGrpcOrigin(echo)
    await using proxy = await proxyTo(origin.port)
    using client = new GrpcClient(proxy.port)
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => client.unary(Buffer.from(String(i)))),
    )
    assert.deepEqual(
      answers.map(String),
      Array.from({ length: 1000 }, (_, i) => String(i)),
    )
  })
})
