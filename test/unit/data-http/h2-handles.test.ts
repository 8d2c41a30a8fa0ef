import assert from 'node:assert/strict'
import { connect, createServer } from 'node:http2'
import { duplexPair } from 'node:stream'
import { describe, it } from 'node:test'
import { text } from 'node:stream/consumers'
import { headerBlock } from '../../../src/data/http/h2/header-block.ts'
import { tryHandles } from '../../../src/data/http/h2/self-test.ts'

const STREAM_WRAP = (process as unknown as { binding(name: string): object }).binding('stream_wrap')

/** An exchange of Node's own sessions. */
async function exchange(): Promise<string> {
  const [near, far] = duplexPair()
  const server = createServer((_request, response) => response.end('as ever'))
  server.emit('connection', far)
  const client = connect('http://here', { createConnection: () => near })
  const body = await text(client.request({ ':path': '/' }))
  client.destroy()
  return body
}

describe('a Node whose streams are others', () => {
  it('is told by the name of what is missing', async () => {
    await assert.rejects(
      tryHandles(() => ({ ...STREAM_WRAP, WriteWrap: undefined })),
      /^Error: internals: stream_wrap\.WriteWrap$/,
    )
    assert.equal(await exchange(), 'as ever')
  })

  it('is told by what came out of the trial, and keeps its streams', async () => {
    await assert.rejects(
      tryHandles(() => ({ ...STREAM_WRAP, streamBaseState: new Int32Array(8) })),
      /^Error: exchange: /,
    )
    assert.equal(await exchange(), 'as ever')
  })
})

describe('a header block', () => {
  it('is names and values with their flags, pseudo-fields as they come', () => {
    assert.deepEqual(headerBlock([':status', '200', 'x-a', 'b\tc', 'te', 'trailers', 'x-a', '']), [
      ':status\x00200\0\0x-a\0b\tc\0\0te\0trailers\0\0x-a\0\0\0',
      4,
    ])
    assert.deepEqual(headerBlock([]), ['', 0])
  })

  it('holds nothing that another header could come out of', () => {
    const wrong: readonly (readonly string[])[] = [
      ['x-a', 'b\0c'],
      ['x-a', 'b\r\nc: d'],
      ['x-a\0', 'b'],
      ['x a', 'b'],
      ['', 'b'],
      [':', 'b'],
      ['connection', 'close'],
      ['transfer-encoding', 'chunked'],
      ['te', 'gzip'],
      ['x-a', 'Ā'],
    ]
    for (const raw of wrong) assert.throws(() => headerBlock(raw), TypeError, String(raw))
  })
})
