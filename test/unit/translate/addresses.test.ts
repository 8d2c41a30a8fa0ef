import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  assignFromPool,
  bindAddress,
  parsePool,
  sharesSocket,
  socketAddress,
} from '../../../src/translate/addresses.ts'

describe('bind addresses', () => {
  it('have one canonical form', () => {
    assert.equal(bindAddress('::FFFF:127.0.0.1'), '127.0.0.1')
    assert.equal(bindAddress('2001:DB8:0:0:0:0:0:1'), '2001:db8::1')
    assert.equal(bindAddress('0:0::0'), '::')
    assert.equal(bindAddress('fe80::1%eth0'), undefined)
    assert.equal(bindAddress('localhost'), undefined)
  })

  it('share a socket with the wildcard that covers them', () => {
    assert.ok(sharesSocket('::', '127.0.0.1') && sharesSocket('127.0.0.1', '::'))
    assert.ok(sharesSocket('0.0.0.0', '127.0.0.1'))
    assert.ok(!sharesSocket('0.0.0.0', '::1'))
    assert.ok(!sharesSocket('127.0.0.1', '127.0.0.2'))
  })

  it('are served by the widest socket of the port', () => {
    assert.equal(socketAddress('127.0.0.1', new Set(['127.0.0.1', '::'])), '::')
    assert.equal(socketAddress('127.0.0.1', new Set(['127.0.0.1', '0.0.0.0'])), '0.0.0.0')
    assert.equal(socketAddress('::1', new Set(['::1', '0.0.0.0'])), '::1')
    assert.equal(socketAddress('127.0.0.1', new Set(['127.0.0.1', '127.0.0.2'])), '127.0.0.1')
  })
})

describe('address pool', () => {
  it('refuses what is no CIDR block', () => {
    for (const text of [
      '',
      '10.0.0.0',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      'x/8',
      '::/129',
      '10.0.0.0/',
    ]) {
      assert.throws(() => parsePool(text), { code: 'GWP_OPTION_INVALID' })
    }
  })

  it('leaves out the network and broadcast addresses, but not of the smallest blocks', () => {
    assert.deepEqual(all('192.0.2.9/30'), ['192.0.2.10', '192.0.2.9'])
    assert.deepEqual(all('192.0.2.8/31'), ['192.0.2.8', '192.0.2.9'])
    assert.deepEqual(all('192.0.2.8/32'), ['192.0.2.8'])
    assert.deepEqual(all('2001:db8::/127'), ['2001:db8::', '2001:db8::1'])
  })

  it('gives every name an own address of the block', () => {
    const cidr = fc.constantFrom('127.10.0.0/16', '10.1.2.0/24', '2001:db8::/64', 'fd00::100/120')
    const names = fc.uniqueArray(fc.string(), { maxLength: 20 })
    fc.assert(
      fc.property(cidr, names, (block, list) => {
        const taken = new Set<string>()
        for (const name of list) {
          const address = assignFromPool(parsePool(block), name, taken)
          assert.ok(address !== undefined && !taken.has(address) && inside(block, address))
          assert.equal(bindAddress(address), address)
          taken.add(address)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('keeps a name at its address when others come and go', () => {
    const pool = parsePool('127.10.0.0/16')
    const alone = assignFromPool(pool, 'default/gw', new Set())
    const crowd = new Set(
      Array.from({ length: 50 }, (_, index) => assignFromPool(pool, `default/${index}`, new Set())),
    )
    crowd.delete(alone)
    const address = assignFromPool(pool, 'default/gw', crowd as Set<string>)
    assert.equal(address, alone)
  })
})

function all(cidr: string): readonly string[] {
  const taken = new Set<string>()
  for (;;) {
    const address = assignFromPool(parsePool(cidr), 'default/gw', taken)
    if (address === undefined) return [...taken].sort()
    taken.add(address)
  }
}

function inside(cidr: string, address: string): boolean {
  const [network = '', prefix = ''] = cidr.split('/')
  const list = new BlockList()
  const family = isIP(network) === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(network, Number(prefix), family)
  return list.check(address, family)
}
