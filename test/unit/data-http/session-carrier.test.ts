/** How tokens travel: reading cookies as RFC 6265 has them, within bounds, and writing them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Fields } from '../../../src/data/http/fields.ts'
import { candidates, give } from '../../../src/data/http/session-carrier.ts'

const COOKIE = { kind: 'cookie', name: 'sid', permanent: false } as const
const HEADER = { kind: 'header', name: 'x-session' } as const

function cookies(...lines: readonly string[]): Fields {
  return Fields.fromRaw(lines.flatMap((line) => ['Cookie', line]))
}

describe('what may be a token', () => {
  const names = fc.constantFrom('sid', 'SID', 'xsid', 'sidx', 'a', '')
  const values = fc.stringMatching(/^[ -:<-~]{0,8}$/)
  const pairs = fc.tuple(names, fc.constantFrom('=', '', ' =', '=='), values)
  const separators = fc.constantFrom('; ', ';', ';;', ' ;  ')

  it('is every value of the cookie, as far as four, whatever stands beside it', () => {
    fc.assert(
      fc.property(fc.array(pairs, { maxLength: 12 }), separators, (list, separator) => {
        const header = list.map((pair) => pair.join('')).join(separator)
        const expected = header
          .split(';')
          .map((pair) => pair.replace(/^ +/, ''))
          .filter((pair) => pair.startsWith('sid='))
          .map((pair) => pair.slice(4).trimEnd())
        assert.deepEqual(candidates(COOKIE, cookies(header)), expected.slice(0, 4))
      }),
    )
  })

  it('is found in several fields, as HTTP/2 clients send cookies', () => {
    assert.deepEqual(candidates(COOKIE, cookies('a=1', 'sid=x', 'b=2', 'sid=y; sid=z')), [
      ...['x', 'y', 'z'],
    ])
    assert.deepEqual(candidates(COOKIE, cookies()), [])
  })

  it('is a whole header', () => {
    const fields = Fields.fromRaw(Array.from({ length: 6 }, (_, n) => ['X-Session', `${n}`]).flat())
    assert.deepEqual(candidates(HEADER, fields), ['0', '1', '2', '3'])
    assert.deepEqual(candidates(HEADER, cookies('x-session=1')), [])
  })
})

describe('a token given', () => {
  const given = { token: 'T', lifeMs: 1500, isSecure: false }

  it('is a cookie of its own beside those of the backend', () => {
    const fields = Fields.fromRaw(['set-cookie', 'own=1'])
    give(COOKIE, given, fields)
    give({ ...COOKIE, permanent: true }, { ...given, isSecure: true }, fields)
    assert.deepEqual(fields.values('set-cookie'), [
      'own=1',
      'sid=T; Path=/; HttpOnly; SameSite=Lax',
      'sid=T; Path=/; Max-Age=2; HttpOnly; Secure; SameSite=Lax',
    ])
  })

  it('takes the place of the backend’s header of that name', () => {
    const fields = Fields.fromRaw(['X-Session', 'theirs', 'X-Session', 'too'])
    give(HEADER, given, fields)
    assert.deepEqual(fields.values('x-session'), ['T'])
  })
})
