/** What an HTTP/1.1 answer looks like on the wire, and that it keeps to what it promised. */
import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { Fields } from '../../../src/data/http/fields.ts'
import { Http1Output } from '../../../src/data/http/output-h1.ts'
import { type Http1Asked, Http1Responder } from '../../../src/data/http/responder-h1.ts'

const GET: Http1Asked = { method: 'GET', minorVersion: 1, persistent: true, body: undefined }
const DATED = ['Date', 'then']

/** A responder over a socket that keeps what is written; `blocked`: it takes all but wants a pause. */
function answering(asked: Partial<Http1Asked> = {}, blocked = false) {
  const writes: string[] = []
  const events: string[] = []
  const socket = new Socket()
  socket.write = (chunk: string | Uint8Array): boolean => {
    writes.push(Buffer.from(chunk as Uint8Array).toString('latin1'))
    return !blocked
  }
  Object.defineProperty(socket, 'writableNeedDrain', { get: () => blocked })
  const output: Http1Output = new Http1Output(socket, {
    onFlushed: () => responder.onFlushed(),
    onOutputFault: (error) => assert.fail(String(error)),
  })
  const responder = new Http1Responder(
    { ...GET, ...asked },
    {
      output,
      finish: () => events.push('finish'),
      cut: ({ reason }) => events.push(`cut ${reason}`),
      detach: () => socket,
    },
  )
  responder.attach({
    onWritable: () => events.push('writable'),
    onSent: () => events.push('sent'),
    onGone: (reset) => events.push(`gone ${reset}`),
  })
  const drain = (): void => {
    output.isBlocked = false
    responder.onDrain()
  }
  return { responder, writes, events, drain, text: () => writes.join('') }
}

/** What was written leaves at the end of the turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function head(status: number, contentLength?: number, raw: readonly string[] = DATED) {
  return { status, fields: Fields.fromRaw(raw), contentLength, isWhole: false }
}

describe('an HTTP/1.1 answer', () => {
  it('of a known length leaves in one write, head and body', async () => {
    const { responder, writes, events } = answering()
    responder.head(head(200, 3), false)
    assert.equal(responder.write(Buffer.from('abc'), false), true)
    responder.end(undefined)
    await turn()
    assert.deepEqual(writes, ['HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 3\r\n\r\nabc'])
    assert.deepEqual(events, ['sent'])
    assert.equal(responder.bytesSent, 3)
  })

  it('of unknown length is chunked, with trailers', async () => {
    const { responder, text, events } = answering()
    responder.head(head(200), false)
    responder.write(Buffer.from('abc'), false)
    responder.write(Buffer.alloc(0), false)
    responder.write(Buffer.alloc(17, 'x'), false)
    responder.end(Fields.fromRaw(['T', 'y']))
    await turn()
    const body = `3\r\nabc\r\n11\r\n${'x'.repeat(17)}\r\n0\r\nT: y\r\n\r\n`
    assert.equal(
      text(),
      `HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
    )
    assert.deepEqual(events, ['sent'])
  })

  it('to HTTP/1.0 lasts until the close, or is kept alive when its length is known', async () => {
    const open = answering({ minorVersion: 0 })
    open.responder.head(head(200), false)
    open.responder.write(Buffer.from('abc'), false)
    open.responder.end(Fields.fromRaw(['T', 'y']))
    await turn()
    assert.equal(open.text(), 'HTTP/1.1 200 OK\r\nDate: then\r\nConnection: close\r\n\r\nabc')
    assert.deepEqual(open.events, ['finish', 'sent'])
    const kept = answering({ minorVersion: 0 })
    kept.responder.head(head(200, 0), false)
    kept.responder.end(undefined)
    await turn()
    assert.match(kept.text(), /\r\nConnection: keep-alive\r\n/)
    assert.deepEqual(kept.events, ['sent'])
  })

  it('says close when nothing can follow, and has a date', async () => {
    for (const [asked, close] of [
      [{ persistent: false }, false],
      [{}, true],
    ] as const) {
      const { responder, text, events } = answering(asked)
      responder.head(head(404, 0, []), close)
      responder.end(undefined)
      await turn()
      assert.match(text(), /^HTTP\/1\.1 404 Not Found\r\n.*Connection: close\r\n/s)
      assert.match(text(), /\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/)
      assert.deepEqual(events, ['finish', 'sent'])
    }
  })

  it('without content has none, whatever comes', async () => {
    for (const [method, status, length] of [
      ['HEAD', 200, 3],
      ['GET', 304, 3],
      ['GET', 204, undefined],
    ] as const) {
      const { responder, text } = answering({ method })
      responder.head(head(status, length), false)
      responder.write(Buffer.from('abc'), false)
      responder.end(undefined)
      await turn()
      assert.match(text(), /\r\n\r\n$/)
      assert.equal(/Content-Length: 3/.test(text()), length === 3)
      assert.doesNotMatch(text(), /chunked/)
    }
  })

  it('never has more or fewer bytes than it promised', () => {
    for (const body of ['ab', 'abcd', '']) {
      const { responder, text, events } = answering()
      responder.head(head(200, 3), false)
      responder.write(Buffer.from(body), false)
      responder.write(Buffer.from(''), false)
      assert.throws(() => responder.end(undefined), /length/)
      responder.abort({ reason: 'upstream-protocol-error' })
      assert.ok((text().split('\r\n\r\n')[1] ?? '').length < 3)
      assert.deepEqual(events, ['finish'], 'the connection ends where bytes are missing')
    }
  })

  it('breaks off by a reset where only the close delimits it', () => {
    const { responder, events } = answering({ minorVersion: 0 })
    responder.head(head(200), false)
    responder.write(Buffer.from('abc'), false)
    responder.abort({ reason: 'upstream-reset' })
    assert.deepEqual(events, ['cut upstream-reset'])
  })

  it('holds no field that would be more than a line', () => {
    for (const [name, value] of [
      ['X', 'a\r\nSet-Cookie: x'],
      ['X', 'a\0'],
      // Latin-1 would make a line feed of it.
      ['X', 'a\u010a'],
      ['X: y\r\nZ', 'a'],
      ['', 'a'],
      ['X Y', 'a'],
    ] as const) {
      const { responder, text } = answering()
      assert.throws(() => responder.head(head(200, 0, [name, value]), false))
      assert.throws(() => responder.upgrade(Fields.fromRaw([name, value])))
      assert.equal(text(), '')
    }
  })

  it('leaves at the end of the turn, after which the next may begin', async () => {
    const one = answering()
    const other = answering()
    for (const { responder } of [one, other]) {
      responder.head(head(200, 3), false)
      responder.write(Buffer.from('abc'), false)
      responder.end(undefined)
    }
    assert.deepEqual([one.writes, other.writes, one.events, other.events], [[], [], [], []])
    await turn()
    assert.equal(one.writes.length, 1)
    assert.equal(other.writes.length, 1)
    assert.deepEqual([one.events, other.events], [['sent'], ['sent']])
  })

  it('is kept from nobody by the fault of another', async () => {
    const faults: string[] = []
    const faulty = new Http1Output(new Socket(), {
      onFlushed: () => {
        throw new Error('a defect')
      },
      onOutputFault: (error) => faults.push(String(error)),
    })
    const { responder, events } = answering()
    faulty.flushSoon()
    responder.head(head(200, 0), false)
    responder.end(undefined)
    await turn()
    assert.deepEqual(faults, ['Error: a defect'])
    assert.deepEqual(events, ['sent'])
  })

  it('waits for a full socket, and ends when that has drained', async () => {
    const { responder, events, drain } = answering({}, true)
    responder.head(head(200), false)
    assert.equal(responder.write(Buffer.alloc(20_000), false), false)
    drain()
    assert.deepEqual(events, ['writable'])
    assert.equal(responder.write(Buffer.alloc(20_000), false), false)
    responder.end(undefined)
    await turn()
    assert.deepEqual(events, ['writable'])
    drain()
    assert.deepEqual(events, ['writable', 'sent'])
    responder.onGone(true)
    assert.deepEqual(events, ['writable', 'sent'], 'what was sent is sent')
  })

  it('tells once that the client is gone', async () => {
    const { responder, events } = answering()
    responder.onGone(false)
    responder.onGone(true)
    responder.abort({ reason: 'client-closed' })
    responder.write(Buffer.from('x'), false)
    responder.end(undefined)
    await turn()
    assert.deepEqual(events, ['gone false'])
  })

  it('sends hints to those who can take them', async () => {
    const hint = Fields.fromRaw(['Link', '</a>; rel=preload'])
    const { responder, text } = answering()
    responder.sendContinue()
    responder.sendContinue()
    responder.inform(102, hint)
    responder.inform(103, Fields.fromRaw(['X', 'y']))
    responder.inform(103, hint)
    responder.head(head(200, 0), false)
    responder.inform(103, hint)
    responder.end(undefined)
    await turn()
    const interim =
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n' +
      'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'
    assert.ok(text().startsWith(`${interim}HTTP/1.1 200 OK\r\n`), text())
    const old = answering({ minorVersion: 0 })
    old.responder.inform(103, hint)
    old.responder.head(head(200, 0), false)
    old.responder.end(undefined)
    await turn()
    assert.match(old.text(), /^HTTP\/1\.1 200 /)
  })
})
