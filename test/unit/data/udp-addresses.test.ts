/** What a wildcard stands for. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { localAddressesOf, withoutZone } from '../../../src/data/udp/interface-addresses.ts'

const common = { netmask: '', mac: '', internal: false, cidr: null }
const INTERFACES = {
  lo: [
    { ...common, family: 'IPv4' as const, address: '127.0.0.1' },
    { ...common, family: 'IPv6' as const, address: '::1', scopeid: 0 },
  ],
  eth0: [
    { ...common, family: 'IPv4' as const, address: '192.0.2.7' },
    { ...common, family: 'IPv6' as const, address: 'fe80::1', scopeid: 2 },
  ],
}

const list = () => INTERFACES
const fail = (): never => {
  throw new Error('EMFILE')
}

describe('the addresses behind a bind', () => {
  it('of a wildcard are not known while they cannot be listed', () => {
    assert.equal(localAddressesOf('::', fail), undefined)
  })

  it('of the IPv4 wildcard are those of IPv4', () => {
    assert.deepEqual(localAddressesOf('0.0.0.0', list), ['127.0.0.1', '192.0.2.7'])
  })

  it('of the dual-stack wildcard are all, link-local ones with their zone', () => {
    assert.deepEqual(localAddressesOf('::', list), [
      '127.0.0.1',
      '::1',
      '192.0.2.7',
      'fe80::1%eth0',
    ])
  })

  it('of a literal address is itself', () => {
    assert.deepEqual(localAddressesOf('192.0.2.99', fail), ['192.0.2.99'])
  })

  it('are looked up in tables without their zone', () => {
    assert.deepEqual(['fe80::1%eth0', '192.0.2.7'].map(withoutZone), ['fe80::1', '192.0.2.7'])
  })
})
