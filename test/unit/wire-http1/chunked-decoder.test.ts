/** Chunked bodies (security.md section 2.4, chunk framing): what is read and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkedDecoder } from '../../../src/wire/http1/chunked-decoder.ts'

const LIMITS = { maxBytes: 1024, maxFields: 8 }

function decode(text: string) {
  const decoder = new ChunkedDecoder(LIMITS)
  const bytes = Buffer.from(text, 'latin1')
  const verdict = decoder.read(bytes, 0)
  return { verdict, decoder, data: decoder.data?.toString('latin1') }
}

describe('chunked bodies', () => {
  it('gives the payloads of one read in one piece, then the trailers', () => {
    const body =
      '5\r\nhello\r\n1;name=value;q="\\"\t"\r\n \r\n00006\r\nworld!\r\n0\r\nA: b\r\nC: \r\n\r\n'
    const { verdict, decoder, data } = decode(`${body}next`)
    assert.deepEqual([verdict, data], ['complete', 'hello world!'])
    assert.deepEqual(decoder.trailers, ['A', 'b', 'C', ''])
    assert.equal(decoder.end, body.length)
  })

  it('goes on where a read ended, and begins anew after the end', () => {
    const decoder = new ChunkedDecoder(LIMITS)
    const pieces: (string | undefined)[] = []
    for (const part of ['1', '0\r', '\n0123', '456789abcdef', '\r\n0\r\n\r', '\n', '1\r\nx\r\n']) {
      decoder.read(Buffer.from(part), 0)
      pieces.push(decoder.data?.toString())
    }
    assert.deepEqual(pieces, [
      undefined,
      undefined,
      '0123',
      '456789abcdef',
      undefined,
      undefined,
      'x',
    ])
  })

  const malformed: Readonly<Record<string, string>> = {
    'no size': '\r\n',
    'a sign': '+1\r\nx\r\n',
    'a prefix': '0x1\r\nx\r\n',
    'a blank before the size': ' 1\r\nx\r\n',
    'a blank after the size': '1 \r\nx\r\n',
    'a size of 2^53': '20000000000000\r\n',
    'a size of 17 digits': '00000000000000001\r\nx\r\n',
    'an LF alone': '1\nx\r\n',
    'a CR alone': '1\rx\r\n',
    'an empty extension': '1;\r\nx\r\n',
    'an extension without name': '1;=a\r\nx\r\n',
    'an extension without value': '1;a=\r\nx\r\n',
    'an extension with LF': '1;a\nb\r\nx\r\n',
    'a CR in a quoted value': '1;a="\r"\r\nx\r\n',
    'text behind a quoted value': '1;a="b"c\r\nx\r\n',
    'data beyond its size': '1\r\nxy\r\n0\r\n\r\n',
    'no line end behind the data': '1\r\nx0\r\n\r\n',
    'an LF alone behind the data': '1\r\nx\n0\r\n\r\n',
    'an LF alone as the end': '0\r\n\n',
    'a folded trailer': '0\r\nA: b\r\n c\r\n\r\n',
    'a length in the trailers': '0\r\ncontent-length: 1\r\n\r\n',
    'a coding in the trailers': '0\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n',
  }
  for (const [name, text] of Object.entries(malformed)) {
    it(`refuses ${name}`, () => {
      const { verdict, decoder } = decode(text)
      assert.equal(verdict, 'malformed')
      assert.match(decoder.detail, /^[\w ]+$/)
    })
  }

  it('extensions are bounded over the whole body, however small each is', () => {
    const decoder = new ChunkedDecoder(LIMITS)
    const chunk = `1;${'e'.repeat(99)}\r\nx\r\n`
    let chunks = 0
    let verdict = 'more'
    for (; verdict === 'more' && chunks < 1000; chunks += 1) {
      verdict = decoder.read(Buffer.from(chunk), 0)
    }
    assert.deepEqual([verdict, chunks], ['too-large', 164])
  })

  it('trailers are bounded in bytes and number', () => {
    assert.equal(decode(`0\r\nA: ${'x'.repeat(1024)}\r\n\r\n`).verdict, 'too-large')
    assert.equal(decode(`0\r\n${'A: b\r\n'.repeat(9)}\r\n`).verdict, 'too-large')
    assert.equal(decode(`0\r\n${'A: b\r\n'.repeat(8)}\r\n`).verdict, 'complete')
  })
})
