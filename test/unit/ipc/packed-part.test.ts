/** Hosts are on the other side what they were on this one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../../src/base/digest.ts'
import { hostOf, isHost, packPart, unpackPart } from '../../../src/ipc/packed-part.ts'
import type { HttpMatch, HttpHostPart } from '../../../src/model/http.ts'
import type { Part } from '../../../src/model/snapshot.ts'

const value = fc.string({ unit: 'binary' })
const plain = { noNullPrototype: true } as const
const match: fc.Arbitrary<HttpMatch> = fc.record(
  {
    path: fc.record({ kind: fc.constantFrom('exact', 'prefix', 'regex'), value }, plain),
    headers: fc.array(
      fc.record({ name: value, kind: fc.constantFrom('exact', 'regex'), value }, plain),
      {
        maxLength: 2,
      },
    ),
    query: fc.constant([]),
    rule: fc.nat(3),
  },
  plain,
)
const host: fc.Arbitrary<HttpHostPart> = fc.record(
  {
    kind: fc.constant('http-host' as const),
    rules: fc.constant([]),
    matches: fc.array(match, { maxLength: 4 }),
  },
  plain,
)

describe('packed parts', () => {
  it('are what they were, whatever they say', () => {
    fc.assert(
      fc.property(host, (part) => {
        const packed = structuredClone(packPart(part))
        assert.ok(isHost(packed))
        assert.deepEqual(hostOf(packed), part)
        assert.deepEqual(unpackPart(packed), part)
        assert.equal(digestOf(unpackPart(packed)), digestOf(part))
      }),
    )
  })

  it('are hosts alone', () => {
    const part: Part = { kind: 'upstream', name: 'a', protocol: 'tcp', endpoints: [] }
    assert.equal(packPart(part), part)
    assert.equal(unpackPart(part), part)
    assert.equal(isHost(part), false)
  })
})
