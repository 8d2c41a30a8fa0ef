/** The HTTP/1.1 client on scripted upstreams: connections, request bodies, and giving up at any point. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { describe, it } from 'node:test'
import type { UpstreamRequest } from '../../src/data/http/upstream-client.ts'
import { closedPort } from '../support/http-origin.ts'
import { until } from '../support/until.ts'
import {
  begin,
  clientOf,
  END,
  GET,
  PAUSE,
  RESET,
  type Step,
  scriptedPeer,
} from '../support/upstream-calls.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

function answerOf(text: string, fields = ''): string {
  return `${OK}${fields}Content-Length: ${text.length}\r\n\r\n${text}`
}

/** What a request gets, one after the other. */
async function bodies(port: number, requests: readonly UpstreamRequest[]): Promise<string[]> {
  const client = clientOf('own', port)
  const all: string[] = []
  for (const request of requests) {
    const { outcome, body } = await begin(client, request).over
    all.push(outcome === 'end' ? body : outcome)
  }
  client.close()
  return all
}

describe('HTTP/1.1 client: connections', () => {
  const kept: Readonly<Record<string, readonly Step[]>> = {
    'a length': [answerOf('a')],
    chunks: [`${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`],
    'HTTP/1.0 that keeps alive': [
      answerOf('a', 'Connection: keep-alive\r\n').replace('/1.1', '/1.0'),
    ],
    'a promise of a minute': [answerOf('a', 'Keep-Alive: timeout=60\r\n')],
  }
  for (const [name, script] of Object.entries(kept)) {
    it(`is used again after ${name}`, async () => {
      using peer = await scriptedPeer(script)
      assert.deepEqual(await bodies(peer.port, [GET, GET, GET]), ['a', 'a', 'a'])
      assert.equal(peer.connections(), 1)
    })
  }

  const HEAD = { ...GET, method: 'HEAD' }
  const dropped: Readonly<Record<string, readonly [UpstreamRequest, string, readonly Step[]]>> = {
    'Connection: close': [GET, 'a', [answerOf('a', 'Connection: close\r\n')]],
    'HTTP/1.0': [GET, 'a', [answerOf('a').replace('/1.1', '/1.0')]],
    'a promise too short to be kept': [GET, 'a', [answerOf('a', 'Keep-Alive: timeout=1\r\n')]],
    'an answer to HEAD, whose body could follow': [HEAD, '', [`${OK}Content-Length: 3\r\n\r\n`]],
    '204 that announces content': [
      GET,
      '',
      ['HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n', PAUSE, 'abc'],
    ],
    'bytes behind the answer': [GET, 'a', [`${answerOf('a')}${answerOf('stray')}`]],
    'bytes that come after the answer': [GET, 'a', [answerOf('a'), PAUSE, answerOf('stray')]],
    'an empty line behind the answer': [GET, 'a', [`${answerOf('a')}\r\n`]],
    'bytes behind the last chunk': [
      GET,
      'a',
      [`${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n${answerOf('stray')}`],
    ],
    'a close': [GET, 'a', [answerOf('a'), PAUSE, END]],
    'a reset': [GET, 'a', [answerOf('a'), PAUSE, RESET]],
  }
  for (const [name, [request, first, script]] of Object.entries(dropped)) {
    it(`is not used again after ${name}`, async () => {
      using peer = await scriptedPeer(script, [answerOf('second')])
      const client = clientOf('own', peer.port)
      assert.equal((await begin(client, request).over).body, first)
      // What follows the answer is on its way.
      for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate)
      const { outcome, body } = await begin(client, GET).over
      assert.deepEqual([outcome, body, peer.connections()], ['end', 'second', 2])
      client.close()
    })
  }

  it('the one used last is the first to be used again; close ends those that wait', async () => {
    using peer = await scriptedPeer([answerOf('a')])
    const client = clientOf('own', peer.port)
    await Promise.all([1, 2, 3].map(() => begin(client, GET).over))
    assert.equal(peer.connections(), 3)
    await begin(client, GET).over
    assert.equal(peer.connections(), 3)
    client.close()
    // A request after that still gets its answer, on a connection that ends with it.
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.match(peer.requests.at(-1) ?? '', /\r\nConnection: close\r\n/)
    assert.equal(peer.connections(), 4)
  })

  it('512 at most; 1024 requests wait, further ones are refused at once', async () => {
    const held: net.Socket[] = []
    const server = net.createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => held.push(socket))
    })
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
    await once(server, 'listening')
    const client = clientOf('own', (server.address() as net.AddressInfo).port)
    const first = Array.from({ length: 512 }, () => begin(client, GET))
    await until(() => held.length === 512)
    const later = Array.from({ length: 1025 }, () => begin(client, GET))
    assert.deepEqual([(await later[1024]?.over)?.outcome, held.length], ['upstream-overflow', 512])
    // Those that are given up make room in the queue, and cost nothing.
    for (const { call } of later.slice(0, 1000)) call.abort()
    const last = begin(client, GET)
    const answerAll = setInterval(() => {
      for (const socket of held.splice(0)) socket.write(answerOf('a'))
    }, 1)
    const results = await Promise.all(
      [...first, ...later.slice(1000, 1024), last].map((r) => r.over),
    )
    clearInterval(answerAll)
    assert.deepEqual([...new Set(results.map(({ outcome }) => outcome))], ['end'])
    client.close()
    server.close()
  })

  it('a failure to connect says that nothing was sent', async () => {
    const client = clientOf('own', await closedPort())
    const { outcome, unsent } = await begin(client, GET).over
    assert.deepEqual([outcome, unsent], ['connect-refused', true])
  })
})

describe('HTTP/1.1 client: requests', () => {
  async function sent(request: Partial<UpstreamRequest>): Promise<string> {
    using peer = await scriptedPeer([answerOf('a')])
    const client = clientOf('own', peer.port)
    assert.equal((await begin(client, { ...GET, ...request }).over).outcome, 'end')
    client.close()
    return peer.requests.join('')
  }
  const HEAD_TEXT = 'GET /path?query HTTP/1.1\r\nHost: a.test\r\nX-One: 1\r\nx-one: 2\r\n'

  it('the head in one packet, with a small body', async () => {
    assert.equal(await sent({}), `${HEAD_TEXT}\r\n`)
    assert.equal(
      await sent({ body: Readable.from([Buffer.from('hello')]), contentLength: 5 }),
      `${HEAD_TEXT}Content-Length: 5\r\n\r\nhello`,
    )
  })

  it('says when there is no content, and speaks of TE for one connection', async () => {
    assert.match(await sent({ method: 'POST' }), /\r\nContent-Length: 0\r\n\r\n$/)
    assert.doesNotMatch(await sent({ method: 'DELETE' }), /Content-Length/)
    assert.match(
      await sent({ fields: ['TE', 'trailers'] }),
      /\r\nTE: trailers\r\nConnection: TE\r\n/,
    )
  })

  it('chunks of a body without length, empty ones left out', async () => {
    const server = net.createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = clientOf('own', (server.address() as net.AddressInfo).port)
    const body = new PassThrough()
    const { over } = begin(client, { ...GET, method: 'POST', body })
    const [socket]: [net.Socket] = (await once(server, 'connection')) as never
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
    })
    body.write('hello')
    await until(() => text.endsWith('\r\n\r\n5\r\nhello\r\n'))
    assert.match(text, /\r\nTransfer-Encoding: chunked\r\n/)
    body.write(Buffer.alloc(0))
    body.end('x'.repeat(17))
    await until(() => text.endsWith(`hello\r\n11\r\n${'x'.repeat(17)}\r\n0\r\n\r\n`))
    socket.write(answerOf('a'))
    assert.equal((await over).outcome, 'end')
    client.close()
    socket.destroy()
    server.close()
  })

  const impossible: Readonly<Record<string, Partial<UpstreamRequest>>> = {
    'a line end in a value': { fields: ['X', 'a\r\nInjected: b'] },
    'a line end in a name': { fields: ['X\r\nInjected', 'a'] },
    'a blank in a name': { fields: ['X ', 'a'] },
    'an empty name': { fields: ['', 'a'] },
    'a character that latin1 would cut to a line end': { fields: ['X', 'a\u010d\u010aY: b'] },
    'a line end in the host': { host: 'a\r\nX: b' },
    'a space in the target': { target: '/ HTTP/1.1\r\nX: b\r\n' },
    'no target': { target: '' },
    'a method of two': { method: 'GET /x' },
  }
  for (const [name, request] of Object.entries(impossible)) {
    it(`never sends ${name}`, async () => {
      using peer = await scriptedPeer([answerOf('a')])
      const { over, result } = begin(clientOf('own', peer.port), { ...GET, ...request })
      assert.equal(result.outcome, '', 'told after the call has returned')
      assert.deepEqual(await over, {
        informations: [],
        body: '',
        outcome: 'internal-error',
        unsent: true,
      })
      assert.equal(peer.connections(), 0)
    })
  }

  for (const [name, text] of Object.entries({ more: 'hello!', less: 'hell' })) {
    it(`never sends ${name} body than its length as a request`, async () => {
      using peer = await scriptedPeer([answerOf('first')], [answerOf('second')])
      const client = clientOf('own', peer.port)
      const body = Readable.from([Buffer.from(text)])
      const { outcome } = await begin(client, { ...GET, body, contentLength: 5 }).over
      assert.equal(outcome, 'internal-error')
      await begin(client, GET).over
      assert.equal(peer.connections(), 2)
      assert.doesNotMatch(peer.requests.join(''), /!/)
      client.close()
    })
  }

  it('a body that breaks off takes its connection with it, and is no fault of the upstream', async () => {
    using peer = await scriptedPeer([PAUSE])
    const body = new PassThrough()
    const { over } = begin(clientOf('own', peer.port), { ...GET, body, contentLength: 5 })
    body.write('hel')
    await until(() => peer.requests.length === 1)
    body.destroy()
    assert.equal((await over).outcome, 'client-closed')
  })

  it('an answer before the body was sent ends the body, and its connection', async () => {
    using peer = await scriptedPeer([`HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig`])
    const client = clientOf('own', peer.port)
    const body = new PassThrough()
    const { over } = begin(client, { ...GET, method: 'POST', body, contentLength: 500 })
    body.write('hello')
    const { status, body: text, outcome } = await over
    assert.deepEqual([status, text, outcome], [413, 'big', 'end'])
    await until(() => body.destroyed)
    assert.equal((await begin(client, GET).over).outcome, 'end')
    assert.equal(peer.connections(), 2)
    client.close()
  })

  it('an upstream that reads no body makes it wait', async () => {
    const sockets: net.Socket[] = []
    const server = net.createServer({ pauseOnConnect: true }, (socket) => sockets.push(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = clientOf('own', (server.address() as net.AddressInfo).port)
    let made = 0
    const body = new Readable({
      read() {
        made += 65_536
        this.push(Buffer.alloc(65_536))
      },
    })
    const { call } = begin(client, { ...GET, method: 'POST', body })
    let before = -1
    await until(() => {
      const still = made === before
      before = made
      return still && made > 0
    })
    assert.ok(made < 16 * 1024 * 1024, `${made} bytes were read ahead`)
    call.abort()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
})

describe('HTTP/1.1 client: giving up', () => {
  const points: Readonly<Record<string, readonly Step[]>> = {
    'before the head': [PAUSE],
    'in the head': [OK],
    'in a body': [`${OK}Content-Length: 500\r\n\r\nhello`],
    'in chunks': [`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhel`],
  }
  for (const [name, script] of Object.entries(points)) {
    it(`${name}: no further event, and the connection is gone`, async () => {
      using peer = await scriptedPeer([...script, PAUSE, 'lo and more'], [answerOf('second')])
      const client = clientOf('own', peer.port)
      const { call, result } = begin(client, GET)
      await until(() => peer.requests.length === 1)
      call.abort()
      call.abort()
      const seen = structuredClone(result)
      assert.equal((await begin(client, GET).over).body, 'second')
      assert.deepEqual(result, seen)
      assert.equal(peer.connections(), 2)
      client.close()
    })
  }

  it('while it waits or connects: nothing is sent', async () => {
    using peer = await scriptedPeer([answerOf('a')])
    const client = clientOf('own', peer.port)
    begin(client, GET).call.abort()
    const connecting = begin(client, GET)
    await new Promise(setImmediate)
    connecting.call.abort()
    assert.equal((await begin(client, GET).over).body, 'a')
    assert.equal(peer.requests.length, 1)
    assert.equal(connecting.result.outcome, '')
    client.close()
  })

  it('in any event of its own', async () => {
    for (const event of ['onInformation', 'onHead', 'onData'] as const) {
      using peer = await scriptedPeer(
        [`HTTP/1.1 103 Hi\r\n\r\n${answerOf('abc')}`],
        [answerOf('b')],
      )
      const client = clientOf('own', peer.port)
      const told: string[] = []
      const { promise, resolve } = Promise.withResolvers<void>()
      const hear = (name: string) => () => {
        told.push(name)
        if (name !== event) return
        call.abort()
        resolve()
      }
      const call = client.request(GET, {
        onConnected: () => {},
        onInformation: hear('onInformation'),
        onHead: hear('onHead'),
        onData: hear('onData'),
        onEnd: hear('onEnd'),
        onUpgrade: hear('onUpgrade'),
        onError: hear('onError'),
        onDefect: hear('onDefect'),
      })
      await promise
      assert.equal((await begin(client, GET).over).body, 'b')
      assert.equal(told.at(-1), event)
      client.close()
    }
  })

  it('paused, it reads no further than one read; the next call flows again', async () => {
    const large = 'x'.repeat(8 * 1024 * 1024)
    using peer = await scriptedPeer([answerOf(large)], [answerOf('b')])
    const client = clientOf('own', peer.port)
    const { promise: head, resolve } = Promise.withResolvers<void>()
    let bytes = 0
    const over = Promise.withResolvers<void>()
    const call = client.request(GET, {
      onConnected: () => {},
      onInformation: () => {},
      onHead: () => {
        call.pause()
        resolve()
      },
      onData: (chunk) => {
        bytes += chunk.length
      },
      onEnd: () => over.resolve(),
      onUpgrade: () => {},
      onError: ({ detail }) => over.reject(new Error(detail)),
      onDefect: (error) => over.reject(error),
    })
    await head
    for (let turns = 0; turns < 200; turns += 1) await new Promise(setImmediate)
    assert.ok(bytes <= 65_536, `${bytes} bytes while paused`)
    call.resume()
    await over.promise
    assert.equal(bytes, large.length)
    assert.equal((await begin(client, GET).over).body, 'b')
    assert.equal(peer.connections(), 1)
    client.close()
  })
})
