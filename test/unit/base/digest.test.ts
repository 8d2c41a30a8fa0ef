import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, digestOf } from '../../../src/base/digest.ts'

/** Objects with their members in the reverse order, at every level. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, member]) => [key, reversed(member)] as const)
      .reverse(),
  )
}

describe('canonical JSON', () => {
  it('is JSON of the same value, whatever the order of the members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value)
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
        assert.equal(canonicalJson(reversed(value)), text)
      }),
    )
  })

  it('has no absent members, and a null for an absent element', () => {
    assert.equal(canonicalJson({ b: undefined, a: [undefined, 1] }), '{"a":[null,1]}')
    assert.equal(canonicalJson(undefined), 'null')
  })

  it('takes a hostile key for plain data', () => {
    assert.equal(canonicalJson(JSON.parse('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}')
  })
})

describe('a digest', () => {
  it('differs when a value does', () => {
    assert.notEqual(digestOf({ a: [1, 2] }), digestOf({ a: [2, 1] }))
    assert.notEqual(digestOf({ a: '1' }), digestOf({ a: 1 }))
    assert.equal(digestOf({ a: 1, b: 2 }), digestOf({ b: 2, a: 1 }))
  })
})
