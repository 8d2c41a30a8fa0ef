/** Which chain a connection gets: local address first, then SNI, most specific pattern first. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { plainAddress } from '../../../src/match/address.ts'
import { SniTable } from '../../../src/match/sni.ts'

const table = new SniTable<string>([
  {
    localAddresses: ['192.0.2.1', '2001:db8::1'],
    entries: [
      ['a.test', 'own exact'],
      ['*.test', 'own wildcard'],
    ],
  },
  {
    localAddresses: ['*'],
    entries: [
      ['a.test', 'exact'],
      ['*.a.test', 'deep'],
      ['*.test', 'wildcard'],
      ['', 'any'],
    ],
  },
])

function choose(address: string, sni: string | undefined): string {
  const choice = table.choose(address, sni)
  return choice.kind === 'found' ? choice.value : choice.kind
}

describe('SNI table', () => {
  it('takes the most specific pattern, whatever the spelling', () => {
    const expected = {
      'a.test': 'exact',
      'A.Test.': 'exact',
      'x.a.test': 'deep',
      'y.x.a.test': 'deep',
      'b.test': 'wildcard',
      test: 'any',
      'a.example': 'any',
    }
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(choose('198.51.100.1', name), value, name)
    }
  })

  it('lets no name and an address match only the pattern without a name', () => {
    for (const sni of [undefined, '192.0.2.9', '::1', '2001:db8::9']) {
      assert.equal(choose('198.51.100.1', sni), 'any')
      assert.equal(choose('192.0.2.1', sni), 'none')
    }
  })

  it('routes no name that is none, not even to the default', () => {
    for (const sni of [
      '',
      '.',
      'a..test',
      '*.test',
      'a test',
      'a.test\0',
      '1.2.3',
      'x'.repeat(300),
    ]) {
      assert.equal(choose('198.51.100.1', sni), 'invalid', JSON.stringify(sni))
    }
  })

  it('has prototype names as plain names', () => {
    for (const sni of ['__proto__', 'constructor', 'toString']) {
      assert.equal(choose('198.51.100.1', sni), 'any')
    }
    assert.equal(choose('constructor', 'b.test'), 'wildcard')
  })

  it('keeps the tables of addresses apart', () => {
    assert.equal(choose('192.0.2.1', 'a.test'), 'own exact')
    assert.equal(choose('2001:db8::1', 'b.test'), 'own wildcard')
    assert.equal(choose('192.0.2.1', 'a.example'), 'none')
    assert.equal(choose('192.0.2.2', 'a.example'), 'any')
  })

  it('gives the name that was matched, normalised', () => {
    const choice = table.choose('192.0.2.1', 'A.TEST.')
    assert.deepEqual(choice, { kind: 'found', value: 'own exact', name: 'a.test' })
    assert.deepEqual(table.choose('192.0.2.1', 'A.Example'), { kind: 'none', name: 'a.example' })
  })
})

describe('plain address', () => {
  it('takes the IPv6 clothes off an IPv4 address and nothing else', () => {
    const cases = {
      '::ffff:192.0.2.1': '192.0.2.1',
      '::FFFF:192.0.2.1': '192.0.2.1',
      '192.0.2.1': '192.0.2.1',
      '::1': '::1',
      '::': '::',
      '2001:db8::ffff:192.0.2.1': '2001:db8::ffff:192.0.2.1',
      '::ffff:c000:201': '::ffff:c000:201',
      'fe80::1%eth0': 'fe80::1%eth0',
      '': '',
    }
    for (const [address, plain] of Object.entries(cases)) assert.equal(plainAddress(address), plain)
  })
})
