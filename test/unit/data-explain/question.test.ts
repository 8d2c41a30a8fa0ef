import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { questionOf } from '../../../src/data/explain/question.ts'

describe('the question of explain', () => {
  for (const [url, expected] of [
    ['https://a.test', { scheme: 'https', host: 'a.test', port: 443, target: '/' }],
    ['HTTP://a.test:81/x?y=1#z', { scheme: 'http', port: 81, target: '/x?y=1' }],
    ['http://a.test?y', { target: '/?y' }],
    ['http://a.test/x/../%2e', { target: '/x/../%2e' }],
    ['tls://a.test', { scheme: 'tls', port: 443, address: undefined }],
    ['tcp://10.0.0.1:5432', { scheme: 'tcp', port: 5432, address: '10.0.0.1' }],
    ['udp://[::1]:53', { scheme: 'udp', host: '::1', port: 53, address: '::1' }],
    ['https://[0:0::1]:8443', { host: '0:0::1', address: '::1' }],
    ['https://[::ffff:a00:1]', { address: '10.0.0.1' }],
    ['https://A.test:8443/x', { host: 'A.test', fields: ['Host', 'A.test:8443'] }],
  ] as const) {
    it(`${url} is read`, () => {
      const question: Partial<ReturnType<typeof questionOf>> = questionOf({ url })
      for (const [key, value] of Object.entries(expected)) {
        assert.deepEqual(question[key as keyof typeof question], value, key)
      }
    })
  }

  for (const [url, message] of [
    ['ftp://a.test', /expected https/],
    ['a.test', /expected https/],
    ['https://', /expected https/],
    ['https://user@a.test/', /expected https/],
    ['https://a.test:99999', /port from 1 to 65535/],
    ['https://a.test:0', /port from 1 to 65535/],
    ['tcp://a.test', /tcp:\/\/ needs a port/],
    ['udp://a.test', /udp:\/\/ needs a port/],
  ] as const) {
    it(`${url} is wrong usage`, () => {
      assert.throws(() => questionOf({ url }), { code: 'GWP_OPTION_INVALID', message })
    })
  }

  it('headers are added, and Host replaces the authority', () => {
    const url = 'https://a.test/'
    const plain = questionOf({ url, headers: ['X-A:  1 ', 'X-B: a: b'] })
    assert.deepEqual(plain.fields, ['Host', 'a.test', 'X-A', '1', 'X-B', 'a: b'])
    const other = questionOf({ url, headers: ['hOsT: b.test'] })
    assert.deepEqual([other.host, other.fields], ['a.test', ['hOsT', 'b.test']])
    assert.throws(() => questionOf({ url, headers: ['no colon'] }), /-H no colon: expected/)
  })

  it('an address is compared in its one form', () => {
    const addressOf = (address: string) => questionOf({ url: 'https://a.test', address }).address
    assert.equal(addressOf('::FFFF:10.0.0.1'), '10.0.0.1')
    assert.equal(addressOf('2001:DB8:0:0::1'), '2001:db8::1')
    assert.equal(addressOf('[::1]'), '::1')
    for (const text of ['a.test', '10.0.0.1:80', '', 'fe80::1%eth0']) {
      assert.throws(() => addressOf(text), /--address .*: expected an IP address/)
    }
  })
})
