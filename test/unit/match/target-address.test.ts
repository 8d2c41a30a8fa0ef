import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canonicalAddress, deniedTarget, isLoopback } from '../../../src/match/target-address.ts'

describe('canonicalAddress', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::1', '::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['0:0:0:0:0:ffff:a00:1', '10.0.0.1'],
    ['example.com', undefined],
    ['010.0.0.1', undefined],
    ['2130706433', undefined],
    ['', undefined],
  ]
  for (const [text, expected] of table) {
    it(`reads ${JSON.stringify(text)} as ${expected}`, () => {
      assert.equal(canonicalAddress(text), expected)
    })
  }
})

describe('deniedTarget', () => {
  const denied = [
    '169.254.169.254',
    '169.254.0.1',
    '100.100.100.200',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '168.63.129.16',
    'fd20:ce::254',
    '0.0.0.0',
    '::',
    '::ffff:0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
  ]
  for (const address of denied) {
    it(`denies ${address}`, () => assert.ok(deniedTarget(address)))
  }

  const allowed = [
    '127.0.0.1',
    '::1',
    '10.1.2.3',
    '192.168.0.1',
    '100.100.100.201',
    'fd00:ec2::253',
  ]
  for (const address of allowed) {
    it(`allows ${address}`, () => assert.equal(deniedTarget(address), undefined))
  }
})

describe('isLoopback', () => {
  it('knows both families and mapped forms', () => {
    assert.deepEqual(
      ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '10.0.0.1', '::2', 'localhost'].map(
        isLoopback,
      ),
      [true, true, true, true, false, false, false],
    )
  })
})
