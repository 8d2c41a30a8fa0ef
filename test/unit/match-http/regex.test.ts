import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compileRegex, MAX_PATTERN_LENGTH, MAX_VALUE_LENGTH } from '../../../src/match/regex.ts'

function matches(pattern: string, value: string): boolean {
  const compiled = compileRegex(pattern)
  if (!compiled.ok) assert.fail(compiled.error)
  return compiled.matcher.matches(value)
}

function errorOf(pattern: string): string {
  const compiled = compileRegex(pattern)
  return compiled.ok ? '' : compiled.error
}

describe('regular expressions of routes', () => {
  it('match the whole value', () => {
    assert.equal(matches('/a|/b', '/a'), true)
    assert.equal(matches('/a|/b', '/a/b'), false)
    assert.equal(matches('/v[0-9]+/.*', '/v12/users'), true)
    assert.equal(matches('v[0-9]+', '/v12'), false)
    assert.equal(matches('a', 'a\n'), false)
    assert.equal(matches('(?i)abc', 'ABC'), true)
  })

  it('are of the RE2 dialect', () => {
    for (const pattern of [
      '(?=a)',
      '(?!a)',
      '(?<=a)b',
      '(a)\\1',
      '(',
      '[z-a]',
      '*',
      '(a{1000}){1000}',
    ]) {
      assert.match(errorOf(pattern), /RE2 dialect/, pattern)
    }
  })

  it('are bounded in length and in compiled size', () => {
    assert.match(errorOf('a'.repeat(MAX_PATTERN_LENGTH + 1)), /longer than 1024/)
    assert.equal(errorOf('a'.repeat(800)), '')
    assert.match(errorOf('(a{1,1000}){1,1}'.repeat(20)), /more than 1000 steps/)
  })

  it('take linear time on patterns that explode elsewhere', () => {
    const value = `${'a'.repeat(MAX_VALUE_LENGTH - 1)}!`
    for (const pattern of ['^(a+)+$', '(a|a)*b', '(a*)*c', '(.*)(.*)(.*)(.*)(.*)d']) {
      const start = performance.now()
      assert.equal(matches(pattern, value), false)
      assert.ok(performance.now() - start < 1000, pattern)
    }
  })

  it('never match a value above the bound', () => {
    assert.equal(matches('a*', 'a'.repeat(MAX_VALUE_LENGTH)), true)
    assert.equal(matches('a*', 'a'.repeat(MAX_VALUE_LENGTH + 1)), false)
  })
})
