import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadReader } from '../../../src/wire/http1/head-reader.ts'
import { HeadWriter } from '../../../src/wire/http1/head-writer.ts'

const LIMITS = { maxBytes: 65_536, maxFields: 256 }

function written(write: (writer: HeadWriter) => void, writer = new HeadWriter()): string {
  writer.begin()
  write(writer)
  return writer.bytes.toString('latin1')
}

test('a head is what its parts say', () => {
  const text = written((writer) => {
    assert.ok(writer.request('GET', '/a?b=c'))
    writer.text(' HTTP/1.1\r\n')
    assert.ok(writer.field('Host', 'a.test'))
    assert.ok(writer.field('Empty', ''))
    assert.ok(writer.field('X-Text', '\tcaf\u00e9 \u0080'))
    writer.line()
  })
  assert.equal(
    text,
    'GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nEmpty: \r\nX-Text: \tcaf\u00e9 \u0080\r\n\r\n',
  )
})

test('a part that could end its line, or begin another part, is refused', () => {
  const writer = new HeadWriter()
  const codes = [...Array.from({ length: 0x120 }, (_, code) => code), 0x10d, 0x20_0a, 0xff_0d]
  for (const code of codes) {
    const character = String.fromCharCode(code)
    const isToken = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)
    const isText = /[\t\x20-\x7e\x80-\xff]/.test(character)
    const isTarget = /[\x21-\x7e]/.test(character)
    writer.begin()
    assert.equal(writer.request(`G${character}T`, '/'), isToken, `method, ${code}`)
    writer.begin()
    assert.equal(writer.request('GET', `/${character}`), isTarget, `target, ${code}`)
    writer.begin()
    assert.equal(writer.field(`a${character}`, ''), isToken, `name, ${code}`)
    writer.begin()
    assert.equal(writer.field('a', `b${character}c`), isText, `value, ${code}`)
  }
})

test('no method, no target and no name are refused', () => {
  const writer = new HeadWriter()
  writer.begin()
  assert.equal(writer.request('', '/'), false)
  assert.equal(writer.request('GET', ''), false)
  assert.equal(writer.field('', 'value'), false)
})

test('however long a head is, it is whole, and the reader reads the same', () => {
  const writer = new HeadWriter()
  for (const count of [1, 40, 200, 3]) {
    const fields = Array.from({ length: count }, (_, index) => [`Name-${index}`, 'v'.repeat(index)])
    writer.begin()
    assert.ok(writer.request('GET', `/${'p'.repeat(count)}`))
    writer.text(' HTTP/1.1\r\n')
    for (const [name = '', value = ''] of fields) assert.ok(writer.field(name, value))
    writer.line()
    const reader = new HeadReader('request', LIMITS)
    assert.equal(reader.read(writer.bytes, 0), 'complete')
    assert.equal(reader.target.length, count + 1)
    assert.deepEqual(reader.fields, fields.flat())
  }
})

test('a copy stays, the bytes are those of the next head', () => {
  const writer = new HeadWriter()
  written((one) => one.field('A', '1'), writer)
  const { bytes } = writer
  const copy = writer.copy()
  written((one) => one.field('B', '2'), writer)
  assert.equal(copy.toString(), 'A: 1\r\n')
  assert.equal(bytes.toString(), 'B: 2\r\n')
})
