import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  compareSpecificity,
  HostTable,
  hostnameCovers,
  hostnameMatches,
  intersectHostnames,
  normalizeHostname,
  parseHost,
} from '../../../src/match/hostname.ts'

const label = fc.constantFrom('a', 'b', 'foo', 'x-1')
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const pattern = fc.oneof(
  fc.constant(''),
  name,
  name.map((text) => `*.${text}`),
)

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

describe('normalizeHostname', () => {
  it('takes the names whose labels are all host labels', () => {
    const odd = fc.string({ unit: fc.constantFrom(...'aZ09_-. '), maxLength: 12 })
    const long = fc.integer({ min: 60, max: 66 }).map((length) => 'a'.repeat(length))
    const raw = fc.array(fc.oneof(odd, long), { maxLength: 4 }).map((parts) => parts.join('.'))
    fc.assert(
      fc.property(raw, (text) => {
        const name = text.toLowerCase().replace(/\.$/, '')
        const labels = name.split('.')
        const isName =
          name.length <= 253 &&
          labels.every((one) => LABEL.test(one)) &&
          !/^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')
        assert.equal(normalizeHostname(text), isName ? name : undefined)
      }),
      { numRuns: 2000 },
    )
  })

  const accepted: readonly (readonly [string, string])[] = [
    ['Example.COM', 'example.com'],
    ['example.com.', 'example.com'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['_acme.example', '_acme.example'],
    ['constructor', 'constructor'],
    ['__proto__', '__proto__'],
  ]
  for (const [raw, expected] of accepted) {
    it(`accepts ${raw}`, () => assert.equal(normalizeHostname(raw), expected))
  }

  const refused = [
    '',
    '.',
    '..',
    '.example.com',
    'example..com',
    'example.com..',
    '*.example.com',
    '127.0.0.1',
    '1.2.3.4.',
    '0x7f',
    'a.0x10',
    '[::1]',
    '::1',
    'a b',
    'a\r\nb',
    'a\0',
    'ÿ.example',
    '-a.example',
    'a-.example',
    `${'a'.repeat(64)}.example`,
    Array.from({ length: 64 }, () => 'abc').join('.'),
  ]
  for (const raw of refused) {
    it(`refuses ${JSON.stringify(raw).slice(0, 40)}`, () =>
      assert.equal(normalizeHostname(raw), undefined))
  }
})

describe('parseHost', () => {
  it('tells addresses from names and from neither', () => {
    assert.deepEqual(parseHost('10.0.0.1'), { kind: 'address', address: '10.0.0.1' })
    assert.deepEqual(parseHost('FE80::1'), { kind: 'address', address: 'fe80::1' })
    assert.deepEqual(parseHost('A.test.'), { kind: 'name', name: 'a.test' })
    assert.deepEqual(parseHost('10.0.0.1.'), { kind: 'invalid' })
  })
})

describe('hostname patterns', () => {
  it('a wildcard matches any number of labels, never the bare domain', () => {
    assert.ok(hostnameMatches('*.example.com', 'foo.bar.example.com'))
    assert.ok(!hostnameMatches('*.example.com', 'example.com'))
    assert.ok(!hostnameMatches('*.example.com', 'badexample.com'))
  })

  it('the intersection matches exactly what both match', () => {
    fc.assert(
      fc.property(pattern, pattern, name, (a, b, host) => {
        const both = intersectHostnames(a, b)
        const expected = hostnameMatches(a, host) && hostnameMatches(b, host)
        assert.equal(both !== undefined && hostnameMatches(both, host), expected)
      }),
    )
  })

  it('covers agrees with the specificity order', () => {
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        if (a !== b && hostnameCovers(a, b)) assert.ok(compareSpecificity(b, a) < 0)
      }),
    )
  })

  it('the table finds what a scan in specificity order finds', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { maxLength: 8 }), fc.option(name), (patterns, host) => {
        const wanted = [...patterns]
          .sort(compareSpecificity)
          .filter((p) => (host === null ? p === '' : hostnameMatches(p, host)))
        const table = new HostTable(patterns.map((p) => [p, { p }]))
        assert.deepEqual(
          [...table.matches(host ?? undefined)].map((v) => v.p),
          wanted,
        )
        assert.equal(table.lookup(host ?? undefined)?.p, wanted[0])
      }),
    )
  })
})
