/** What a verdict of external auth does to a request: nobody can send what the service alone says. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { httpVerdict } from '../../../src/data/http/auth/http-service.ts'
import { editFields, editQuery, isFit } from '../../../src/data/http/auth/verdict.ts'
import { Fields } from '../../../src/data/http/fields.ts'
import { httpAuth } from '../../support/http-proxy.ts'

const name = fc.constantFrom('x-user', 'X-User', 'x_user', 'X_USER', 'x-team', 'x_team', 'accept')
const lines = (value: string) =>
  fc
    .array(fc.tuple(name, fc.constant(value)), { maxLength: 8 })
    .map((pairs) => pairs.flat() as readonly string[])

function allowed(responseHeaders: 'all' | readonly string[], rawFields: readonly string[]) {
  const service = httpAuth({ responseHeaders })
  assert.ok(service.kind === 'http')
  const body = Buffer.alloc(0)
  const verdict = httpVerdict(service, { status: 200, rawFields, rawTrailers: [], body })
  assert.ok(verdict.kind === 'allowed')
  return verdict.permission.request
}

const plain = (key: string) => key.toLowerCase().replaceAll('_', '-')

describe('fields that the service is asked for', () => {
  it('come from it alone, whatever the client sent', () => {
    fc.assert(
      fc.property(lines('client'), lines('service'), (sent, answered) => {
        const fields = Fields.fromRaw(sent)
        editFields(fields, allowed(['x-user'], answered))
        const raw = fields.toRaw()
        for (let i = 0; i < raw.length; i += 2) {
          const isUser = plain(raw[i] ?? '') === 'x-user'
          assert.equal(raw[i + 1], isUser ? 'service' : 'client')
        }
        const own = answered.filter((key, i) => i % 2 === 0 && key.toLowerCase() === 'x-user')
        assert.equal(fields.values('x-user').length, own.length)
      }),
    )
  })

  it('without a list replace those of the client', () => {
    fc.assert(
      fc.property(lines('client'), lines('service'), (sent, answered) => {
        const fields = Fields.fromRaw(sent)
        editFields(fields, allowed('all', answered))
        const names = new Set(answered.filter((_, i) => i % 2 === 0).map(plain))
        const raw = fields.toRaw()
        for (let i = 0; i < raw.length; i += 2) {
          const isAnswered = names.has(plain(raw[i] ?? ''))
          assert.equal(raw[i + 1], isAnswered ? 'service' : 'client')
        }
      }),
    )
  })
})

describe('edits of the query', () => {
  const cases: readonly (readonly [string, readonly [string, string][], string[], string])[] = [
    ['/a?b=1&c=2', [], [], '/a?b=1&c=2'],
    ['/a?', [], [], '/a?'],
    ['/a', [['b', '1']], [], '/a?b=1'],
    ['/a?b=1&b=2&c=%20', [['b', '3']], [], '/a?c=%20&b=3'],
    ['/a?b=1', [], ['b'], '/a'],
    ['/a?%62=1&b+c=2', [], ['b', 'b c'], '/a'],
    ['/a?B=1&%zz=2', [], ['b', 'zz'], '/a?B=1&%zz=2'],
    ['/a?%zz=2', [], ['%zz'], '/a'],
    ['/a?b', [['c', 'd e&f=g#']], ['b'], '/a?c=d%20e%26f%3Dg%23'],
    ['/a?b=1?c', [['d', '']], [], '/a?b=1?c&d='],
  ]
  for (const [target, set, remove, expected] of cases) {
    it(`${target} with ${JSON.stringify(set)} without ${JSON.stringify(remove)}`, () => {
      assert.equal(editQuery(target, { set, remove }), expected)
    })
  }

  it('give a target that a request line can have, and leave the path', () => {
    const word = fc.string({ unit: 'grapheme', maxLength: 20 })
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { maxLength: 4 }), fc.array(word), (set, gone) => {
        const target = editQuery('/a/b?c=1', { set, remove: gone })
        assert.match(target, /^\/a\/b(?:\?[\x21\x22\x24-\x7e]+)?$/)
        const read = new URL(target, 'http://a.test').searchParams
        for (const [key, value] of new Map(set)) assert.equal(read.getAll(key).at(-1), value)
      }),
    )
  })
})

describe('edits that cannot be carried out', () => {
  const unfit = [
    '',
    'a b',
    'a:',
    ':path',
    'host',
    'Host',
    'Content-Length',
    'Connection',
    'TE',
    'a\n',
  ]
  for (const bad of unfit) {
    it(`are those of ${JSON.stringify(bad)}, which are never made`, () => {
      assert.equal(isFit({ action: 'overwrite', name: bad, value: '1' }), false)
      const fields = Fields.fromRaw(['Host', 'a.test', 'TE', 'trailers'])
      editFields(fields, [{ action: 'remove', name: bad, value: '' }])
      assert.deepEqual(fields.toRaw(), ['Host', 'a.test', 'TE', 'trailers'])
    })
  }

  for (const bad of ['a\r\nb', 'a\0', '\u0100', '\x7f']) {
    it(`are those to ${JSON.stringify(bad)}`, () => {
      assert.equal(isFit({ action: 'add', name: 'x-a', value: bad }), false)
    })
  }
})
