/** Session persistence (GEP-1619) of gRPC calls and WebSockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type http from 'node:http'
import { describe, it } from 'node:test'
import { Metadata, type ServerUnaryCall } from '@grpc/grpc-js'
import WebSocket, { WebSocketServer } from 'ws'
import type { HttpSession } from '../../src/model/http.ts'
import { GrpcClient, type GrpcOrigin, pathOf, startGrpcOrigin } from '../support/grpc.ts'
import { startOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'

const COOKIE: HttpSession = {
  scope: 'GRPCRoute/default/web/#0',
  carrier: { kind: 'cookie', name: 'sid', permanent: false },
}
const HEADER: HttpSession = {
  scope: 'GRPCRoute/default/web/#0',
  carrier: { kind: 'header', name: 'x-session' },
}

/** Answers each call with its name. */
function named(name: string): Promise<GrpcOrigin> {
  return startGrpcOrigin({
    Unary: (_: ServerUnaryCall<Buffer, Buffer>, reply: (error: null, value: Buffer) => void) =>
      reply(null, Buffer.from(name)),
  })
}

/** The answer and its metadata. */
function call(client: GrpcClient, fields: Metadata): Promise<readonly [string, Metadata]> {
  const bytes = (message: Buffer): Buffer => message
  return new Promise((resolve, reject) => {
    let head = new Metadata()
    const done = (error: Error | null, answer?: Buffer) => {
      if (error === null) resolve([String(answer), head])
      else reject(error)
    }
    client
      .makeUnaryRequest(pathOf('Unary'), bytes, bytes, Buffer.alloc(0), fields, done)
      .on('metadata', (received: Metadata) => {
        head = received
      })
  })
}

function metadata(name: string, value: string): Metadata {
  const fields = new Metadata()
  fields.set(name, value)
  return fields
}

describe('gRPC calls', () => {
  const carriers = [
    { session: COOKIE, given: 'set-cookie', sent: 'cookie' },
    { session: HEADER, given: 'x-session', sent: 'x-session' },
  ] as const
  for (const { session, given, sent } of carriers) {
    it(`stay where their ${session.carrier.kind} leads`, async () => {
      using one = await named('one')
      using two = await named('two')
      const grpc = [{ ports: [one.port, two.port], session }]
      await using proxy = await startProxy({ listeners: [{ hostname: '', rules: [], grpc }] })
      using client = new GrpcClient(proxy.port)
      const [name, head] = await call(client, new Metadata())
      const [pair = ''] = String(head.get(given)[0]).split(';')
      for (let n = 0; n < 50; n += 1) {
        const [again, repeated] = await call(client, metadata(sent, pair))
        assert.deepEqual([again, repeated.get(given)], [name, []])
      }
      assert.notEqual((await call(client, new Metadata()))[0], name)
    })
  }
})

describe('a WebSocket', () => {
  it('begins a session with its 101 and comes back to it', async () => {
    const start = async (name: string) => {
      const origin = await startOrigin((_, response) => response.end(name))
      const server = new WebSocketServer({ server: origin.server })
      server.on('connection', (socket) => socket.send(name))
      return origin
    }
    using one = await start('one')
    using two = await start('two')
    const rule = { ports: [one.port, two.port], session: COOKIE }
    await using proxy = await startProxy({ listeners: [{ hostname: '', rules: [rule] }] })
    const open = async (cookie?: string) => {
      const headers = cookie === undefined ? {} : { cookie }
      const client = new WebSocket(proxy.origin.replace('http', 'ws'), { headers })
      const upgraded = once(client, 'upgrade')
      const [message] = await once(client, 'message')
      const [response]: [http.IncomingMessage] = (await upgraded) as never
      client.terminate()
      return { name: String(message), cookies: response.headers['set-cookie'] ?? [] }
    }
    const first = await open()
    const [pair] = first.cookies.join().split(';')
    for (let n = 0; n < 5; n += 1) {
      assert.deepEqual(await open(pair), { name: first.name, cookies: [] })
    }
    assert.notEqual((await open()).name, first.name)
    const answer = await fetch(proxy.origin, { headers: { cookie: String(pair) } })
    assert.equal(await answer.text(), first.name)
  })
})
