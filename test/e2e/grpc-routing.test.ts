/** GRPCRoute rules: which one serves a call, beside an HTTPRoute, and the answers of our own. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Metadata, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { codeOf, GrpcClient, type GrpcOrigin, pathOf, startGrpcOrigin } from '../support/grpc.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { closedPort, startOrigin } from '../support/http-origin.ts'
import { startProxy, type TestGrpcRule } from '../support/http-proxy.ts'

/** Answers with its name and what metadata it saw. */
function named(name: string): Promise<GrpcOrigin> {
  return startGrpcOrigin({
    Unary: (
      call: ServerUnaryCall<Buffer, Buffer>,
      reply: (error: null, value: Buffer, trailer?: Metadata) => void,
    ) => reply(null, Buffer.from(`${name} ${call.metadata.get('x-set').join()}`.trim())),
  })
}

const exact = (value: string) => ({ kind: 'exact', value }) as const

async function ask(port: number, metadata = {}, path = pathOf('Unary')): Promise<string> {
  using client = new GrpcClient(port)
  const answer = await client.unary(Buffer.alloc(0), { metadata, path })
  return Buffer.isBuffer(answer) ? answer.toString() : `${answer.code} ${answer.details}`
}

describe('GRPCRoute', () => {
  it('chooses by service, method and metadata, and applies its filters', async () => {
    using one = await named('one')
    using two = await named('two')
    const service = exact('test.Echo')
    const grpc: TestGrpcRule[] = [
      {
        call: {
          service,
          method: exact('Unary'),
          headers: [{ name: 'x-v', kind: 'exact', value: '2' }],
        },
        ports: [two.port],
        filters: [
          {
            kind: 'request-header-modifier',
            set: [{ name: 'x-set', value: 'by the rule' }],
            add: [],
            remove: [],
          },
        ],
      },
      { call: { service, method: exact('Unary') }, ports: [one.port] },
    ]
    await using proxy = await startProxy({ listeners: [{ hostname: '', rules: [], grpc }] })
    assert.equal(await ask(proxy.port), 'one')
    assert.equal(await ask(proxy.port, { 'x-v': '2' }), 'two by the rule')
    const other = await ask(proxy.port, {}, pathOf('Unary', 'test.Other'))
    assert.match(other, new RegExp(`^${status.UNIMPLEMENTED} `))
    assert.equal((await proxy.record(3)).reason, 'no-route')
  })

  it('weights count calls, not connections', async () => {
    using one = await named('one')
    using two = await named('two')
    const shares = [
      { weight: 3, ports: [one.port] },
      { weight: 1, ports: [two.port] },
    ]
    await using proxy = await startProxy({
      listeners: [{ hostname: '', rules: [], grpc: [{ shares }] }],
    })
    using client = new GrpcClient(proxy.port)
    const answers: string[] = []
    for (let i = 0; i < 40; i += 1) answers.push(String(await client.unary(Buffer.alloc(0))))
    assert.equal(answers.filter((name) => name === 'one').length, 30)
    assert.equal(proxy.outcomes.length, 0, 'one connection served them all')
  })

  it('stands beside an HTTPRoute of the same name: the content type decides first', async () => {
    using grpcOrigin = await named('grpc')
    using httpOrigin = await startOrigin((_request, response) => response.end('pages'))
    await using proxy = await startProxy({
      listeners: [
        {
          hostname: '',
          rules: [{ ports: [httpOrigin.port] }],
          grpc: [{ call: { service: exact('test.Echo') }, ports: [grpcOrigin.port] }],
        },
      ],
    })
    assert.equal(await ask(proxy.port), 'grpc')
    const session = await connectH2(proxy.origin)
    for (const type of [undefined, 'application/json', 'application/grpc-web+proto']) {
      const headers = { ':path': pathOf('Unary'), ...(type && { 'content-type': type }) }
      assert.equal((await h2Request(session, headers)).body.toString(), 'pages', type)
    }
    const fallen = await h2Request(session, {
      ':path': pathOf('Unary', 'test.Other'),
      'content-type': 'application/grpc',
    })
    assert.equal(fallen.body.toString(), 'pages')
    session.destroy()
  })

  it('answers UNAVAILABLE for bad references, no endpoint and dead ones', async () => {
    const invalid = { kind: 'invalid', name: 'x', message: 'gone' } as const
    const rules: readonly TestGrpcRule[] = [
      { backends: [{ weight: 1, filters: [], target: invalid }] },
      { ports: [] },
      { ports: [await closedPort()] },
      { backends: [] },
    ]
    for (const rule of rules) {
      await using proxy = await startProxy({
        listeners: [{ hostname: '', rules: [], grpc: [rule] }],
      })
      using client = new GrpcClient(proxy.port)
      assert.equal(codeOf(await client.unary(Buffer.alloc(3))), status.UNAVAILABLE)
    }
  })

  it('gives these answers in one frame of headers, as gRPC wants them', async () => {
    await using proxy = await startProxy({ listeners: [{ hostname: '', rules: [] }] })
    const session = await connectH2(proxy.origin)
    const stream = session.request(
      { ':method': 'POST', ':path': pathOf('Unary'), 'content-type': 'application/grpc' },
      { endStream: true },
    )
    const { promise, resolve } = Promise.withResolvers<[unknown, number]>()
    stream.on('response', (headers, flags) => resolve([headers['grpc-status'], flags]))
    const [code, flags] = await promise
    assert.equal(code, String(status.UNIMPLEMENTED))
    assert.equal(flags & 1, 1, 'END_STREAM')
    session.destroy()
  })
})
