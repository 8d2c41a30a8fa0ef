import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fields } from '../../../src/data/http/fields.ts'
import {
  prepareRequestFields,
  prepareResponseFields,
  prepareTrailers,
  sealRequestFields,
} from '../../../src/data/http/headers.ts'
import { normalizeHttp1 } from '../../../src/data/http/normalize.ts'
import { TrustedProxies } from '../../../src/data/trusted-proxies.ts'

function forwarded(fields: readonly string[], trusted: readonly string[] = []): Fields {
  const normalized = normalizeHttp1(
    { version: '1.1', method: 'GET', target: '/', rawFields: ['Host', 'a.test', ...fields] },
    'https',
  )
  assert.ok(normalized.ok)
  prepareRequestFields(normalized.head, {
    peerAddress: '10.0.0.9',
    localPort: 443,
    trusted: new TrustedProxies(trusted),
  })
  return normalized.head.fields
}

describe('fields', () => {
  it('keep order, case and repetition', () => {
    const raw = ['B', '1', 'a', '2', 'b', '3']
    const fields = Fields.fromRaw(raw)
    assert.deepEqual(fields.toRaw(), raw)
    assert.equal(fields.get('b'), '1, 3')
    fields.append('A', 'x')
    assert.equal(fields.get('a'), '2,x')
    fields.set('b', 'y')
    assert.deepEqual(fields.toRaw(), ['B', 'y', 'a', '2,x'])
  })

  it('are one line in the first place once they are set, however many there were', () => {
    const fields = Fields.fromRaw(['A', '1', 'B', '2', 'a', '3', 'C', '4', 'A', '5'])
    fields.set('a', 'new')
    assert.deepEqual(fields.toRaw(), ['A', 'new', 'B', '2', 'C', '4'])
    fields.set('D', 'last')
    assert.deepEqual(fields.toRaw(), ['A', 'new', 'B', '2', 'C', '4', 'D', 'last'])
  })
})

describe('request fields', () => {
  it('lose everything hop-by-hop, and what Connection nominates', () => {
    const fields = forwarded([
      ...[
        'Connection',
        'close, X-Hop',
        'X-Hop',
        '1',
        'Keep-Alive',
        'x',
        'Proxy-Authorization',
        'x',
      ],
      ...['Upgrade', 'h2c', 'HTTP2-Settings', 'x', 'Trailer', 'x', 'TE', 'gzip', 'X-End', '2'],
    ])
    const { raw } = sealRequestFields(fields)
    const own = raw
      .filter((_, i) => i % 2 === 0)
      .filter((name) => !/^x-(?:f|real|request)/i.test(name))
    assert.deepEqual(own, ['X-End'])
  })

  it('cannot be nominated away when they mean something to the upstream', () => {
    const names = [
      'Authorization',
      'Cookie',
      'Content-Type',
      'X-Forwarded-For',
      'X-Real-IP',
      'Host',
    ]
    const fields = forwarded([
      ...['Connection', names.join(', ')],
      ...['Authorization', 'k', 'Cookie', 'c=1', 'Content-Type', 't'],
    ])
    for (const name of names) assert.ok(fields.has(name.toLowerCase()), name)
    assert.equal(fields.get('x-forwarded-for'), '10.0.0.9')
  })

  it('keep TE only as trailers', () => {
    assert.equal(forwarded(['TE', 'trailers']).get('te'), 'trailers')
    assert.equal(forwarded(['TE', 'trailers, gzip']).get('te'), undefined)
  })

  it('are sealed whatever a filter did', () => {
    const fields = forwarded([])
    fields.set('Transfer-Encoding', 'chunked')
    fields.set('Content-Length', '7')
    fields.set('Connection', 'x')
    fields.set('Host', 'inner')
    const { host, raw } = sealRequestFields(fields)
    assert.equal(host, 'inner')
    assert.doesNotMatch(raw.join(), /chunked|Content-Length|Connection|inner/)
  })
})

describe('the client behind trusted proxies', () => {
  const trusted = new TrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.0.2.1'])

  it('is the nearest address that is not trusted', () => {
    assert.equal(trusted.clientOf('10.0.0.9', '1.1.1.1, 2.2.2.2, 10.1.1.1'), '2.2.2.2')
    assert.equal(trusted.clientOf('10.0.0.9', '10.1.1.1'), '10.1.1.1')
    assert.equal(trusted.clientOf('10.0.0.9', '1.1.1.1, unknown, 10.1.1.1'), '10.1.1.1')
    assert.equal(trusted.clientOf('fd00::1', '2001:db8::1'), '2001:db8::1')
  })

  it('is the peer itself when that is not trusted', () => {
    assert.equal(trusted.clientOf('3.3.3.3', '1.1.1.1'), '3.3.3.3')
    assert.equal(new TrustedProxies([]).clientOf('10.0.0.9', '1.1.1.1'), '10.0.0.9')
  })

  it('is the entry at the depth, whatever the addresses between', () => {
    const two = new TrustedProxies(['10.0.0.0/8'], 2)
    assert.equal(two.clientOf('10.0.0.9', '6.6.6.6, 1.1.1.1, 198.51.100.7'), '1.1.1.1')
    assert.equal(two.clientOf('10.0.0.9', '10.6.6.6, 10.1.1.1'), '10.6.6.6')
    // The list is shorter than it must be, or holds no address there: nothing in it is believed.
    assert.equal(two.clientOf('10.0.0.9', '1.1.1.1'), '10.0.0.9')
    assert.equal(two.clientOf('10.0.0.9', 'unknown, 1.1.1.1'), '10.0.0.9')
    assert.equal(two.clientOf('3.3.3.3', '2.2.2.2, 1.1.1.1'), '3.3.3.3')
  })
})

describe('response fields', () => {
  it('give their length once, or none', () => {
    const length = (...raw: string[]) => prepareResponseFields(Fields.fromRaw(raw))
    assert.equal(length('Content-Length', '3'), 3)
    assert.equal(length('Content-Length', '3', 'Transfer-Encoding', 'chunked'), undefined)
    assert.equal(length('Content-Length', '3', 'content-length', '4'), undefined)
    assert.equal(length('Content-Length', '+3'), undefined)
  })

  it('of trailers hold no framing, routing or authentication', () => {
    const trailers = prepareTrailers([
      ...['grpc-status', '0', 'Content-Length', '9', 'Host', 'x', 'Set-Cookie', 'x'],
      ...['Transfer-Encoding', 'x', 'X-Forwarded-For', 'x'],
    ])
    assert.deepEqual(trailers?.toRaw(), ['grpc-status', '0'])
    assert.equal(prepareTrailers([]), undefined)
  })
})

describe('a client certificate', () => {
  const shown = { subject: 'CN=a \\"b\\",O=C', fingerprint: 'ab12', verified: true }
  const forwardedCert = (clientCertificate: typeof shown | undefined, trusted: string[] = []) => {
    const rawFields = [
      'Host',
      'a.test',
      'X-Forwarded-Client-Cert',
      'Hash=0',
      'x_forwarded_client_cert',
      '1',
    ]
    const head = { version: '1.1', method: 'GET', target: '/', rawFields }
    const normalized = normalizeHttp1(head, 'https')
    assert.ok(normalized.ok)
    const facts = { peerAddress: '10.0.0.9', localPort: 443, trusted: new TrustedProxies(trusted) }
    prepareRequestFields(normalized.head, { ...facts, clientCertificate })
    return normalized.head.fields.values('x-forwarded-client-cert')
  }

  it('is told in the format of Envoy, once it is verified, and replaces what was sent', () => {
    const told = ['Hash=ab12;Subject="CN=a \\"b\\",O=C"']
    assert.deepEqual(forwardedCert(shown), told)
    assert.deepEqual(forwardedCert(shown, ['10.0.0.0/8']), told)
  })

  it('is not told otherwise, unless a trusted proxy tells of one', () => {
    for (const none of [undefined, { ...shown, verified: false }]) {
      assert.deepEqual(forwardedCert(none), [])
      assert.deepEqual(forwardedCert(none, ['10.0.0.0/8']), ['Hash=0'])
    }
  })
})
