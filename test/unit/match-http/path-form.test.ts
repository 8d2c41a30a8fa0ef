import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { pathForm } from '../../../src/match/http/path-form.ts'

function formOf(raw: string): string {
  const form = pathForm(raw)
  return form.ok ? form.path : `refused: ${form.fault}`
}

describe('the view of a path', () => {
  it('decodes unreserved characters only', () => {
    assert.equal(formOf('/a%62%2Dc'), '/ab-c')
    assert.equal(formOf('/a%20b%3a'), '/a%20b%3A')
    assert.equal(formOf('/caf%c3%a9'), '/caf%C3%A9')
    assert.equal(formOf('/%252e'), '/%252e')
    assert.equal(formOf('/a//b/'), '/a//b/')
    assert.equal(formOf('/.well-known/x..y/...'), '/.well-known/x..y/...')
  })

  it('refuses what two parsers may read differently', () => {
    const dots = ['/..', '/.', '/a/../b', '/a/./b', '/%2e%2E/b', '/a/.%2e', '/..;/x', '/..%3bx']
    for (const path of dots) assert.equal(formOf(path), 'refused: dot segment', path)
    for (const path of ['/a%2fb', '/a%5Cb', '/a%00']) {
      assert.equal(formOf(path), 'refused: encoded slash, backslash or NUL', path)
    }
    for (const path of ['/%', '/%4', '/%zz', '/%u0041']) {
      assert.equal(formOf(path), 'refused: broken escape', path)
    }
    for (const path of ['/%ff', '/%c0%af', '/%c3']) assert.equal(formOf(path), 'refused: not UTF-8')
    for (const path of ['/a#b', '/a\\b', '/a b', '/a\x00', '/\u00e9', '/a?b']) {
      assert.equal(formOf(path), 'refused: character that must be encoded', path)
    }
    for (const path of ['', '*', 'a', 'http://x/']) {
      assert.equal(formOf(path), 'refused: does not start with a slash', path)
    }
  })

  it('is idempotent, and equal for every escaping of one path', () => {
    const text = fc.stringMatching(/^[a-z0-9~_.-]{1,12}$/)
    fc.assert(
      fc.property(text, fc.infiniteStream(fc.nat(2)), (name, coins) => {
        fc.pre(!/^\.{1,2}$/.test(name))
        const escaped = [...name]
          .map((c) => {
            const hex = c.charCodeAt(0).toString(16).padStart(2, '0')
            const coin: number = coins.next().value ?? 0
            return coin === 0 ? c : coin === 1 ? `%${hex}` : `%${hex.toUpperCase()}`
          })
          .join('')
        assert.equal(formOf(`/${escaped}`), `/${name}`)
        assert.equal(formOf(formOf(`/${escaped}`)), `/${name}`)
      }),
    )
  })
})
