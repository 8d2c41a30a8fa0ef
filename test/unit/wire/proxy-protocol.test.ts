/** PROXY protocol headers as bytes: what is read, what is refused and why (doc/proxy-protocol.txt). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32c } from '../../../src/wire/crc32c.ts'
import {
  MAX_V2_BYTES,
  type ProxyVerdict,
  readProxyHeader,
} from '../../../src/wire/proxy-protocol.ts'
import { proxyHeader } from '../../../src/wire/proxy-protocol-writer.ts'
import { crcTlv, headerV2, tcp4, tlv } from '../../support/proxy-header.ts'

const V4 = {
  source: { address: '192.0.2.7', port: 50_000 },
  destination: { address: '198.51.100.1', port: 443 },
}
const V6 = {
  source: { address: '2001:db8::7', port: 1 },
  destination: { address: '::1', port: 65_535 },
}
const BEYOND = Buffer.from('GET / HTTP/1.1\r\n')

function read(header: Buffer | string): ProxyVerdict {
  return readProxyHeader(Buffer.concat([Buffer.from(header), BEYOND]))
}

describe('PROXY protocol: complete headers', () => {
  const cases: readonly [string, Buffer | string, unknown][] = [
    ['v1 TCP4', 'PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n', V4],
    ['v1 TCP6', 'PROXY TCP6 2001:0db8:0:0:0:0:0:7 ::1 1 65535\r\n', V6],
    ['v1 UNKNOWN', 'PROXY UNKNOWN\r\n', undefined],
    ['v1 UNKNOWN with more', 'PROXY UNKNOWN ffff:f..f what ever\r\n', undefined],
    ['v1 mapped', 'PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 50000 443\r\n', V4],
    ['v2 TCP4', '0d0a0d0a000d0a515549540a2111000cc0000207c6336401c35001bb', V4],
    [
      'v2 TCP6',
      '0d0a0d0a000d0a515549540a2121002420010db80000000000000000000000070000000000000000000000000000000100 01ffff',
      V6,
    ],
    [
      'v2 mapped',
      '0d0a0d0a000d0a515549540a2121002400000000000000000000ffffc000020700000000000000000000ffffc6336401c35001bb',
      V4,
    ],
    ['v2 LOCAL', '0d0a0d0a000d0a515549540a20000000', undefined],
    ['v2 LOCAL of a family to come', '0d0a0d0a000d0a515549540a20990003ffffff', undefined],
    ['v2 UNSPEC', '0d0a0d0a000d0a515549540a21000000', undefined],
    ['v2 unix', headerV2(0x21, 0x31, Buffer.alloc(216)), undefined],
    ['v2 with TLVs', headerV2(0x21, 0x11, tcp4, tlv(0x02, 'a.test'), tlv(0x04, '\0\0')), V4],
    ['v2 with its checksum', crcTlv(headerV2(0x21, 0x11, tcp4, tlv(0x03, '\0\0\0\0'))), V4],
  ]
  for (const [name, given, ends] of cases) {
    it(name, () => {
      const header = Buffer.isBuffer(given)
        ? given
        : given.startsWith('PROXY')
          ? Buffer.from(given)
          : Buffer.from(given.replaceAll(' ', ''), 'hex')
      assert.deepEqual(read(header), { kind: 'complete', length: header.length, ends })
      for (let end = 0; end < header.length; end++) {
        assert.deepEqual(
          readProxyHeader(header.subarray(0, end)),
          { kind: 'more' },
          `cut at ${end}`,
        )
      }
    })
  }
})

describe('PROXY protocol: malformed headers', () => {
  const long = 'x'.repeat(200)
  const cases: readonly [string, Buffer | string, RegExp][] = [
    ['a line too long', `PROXY UNKNOWN ${long}\r\n`, /over 107 bytes/],
    ['LF alone', 'PROXY UNKNOWN\n', /no CR/],
    ['another protocol', 'PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n', /neither TCP4/],
    ['IPv6 as TCP4', 'PROXY TCP4 ::1 198.51.100.1 1 2\r\n', /of TCP4/],
    ['IPv4 as TCP6', 'PROXY TCP6 192.0.2.7 ::1 1 2\r\n', /of TCP6/],
    ['a zone', 'PROXY TCP6 fe80::1%lo ::1 1 2\r\n', /of TCP6/],
    ['a port too high', 'PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n', /of TCP4/],
    ['a port of another base', 'PROXY TCP4 192.0.2.7 198.51.100.1 0x1 2\r\n', /of TCP4/],
    ['a leading zero', 'PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n', /of TCP4/],
    ['a field too many', 'PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n', /of TCP4/],
    ['two spaces', 'PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n', /of TCP4/],
    ['a field too few', 'PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n', /of TCP4/],
    ['version 3', headerV2(0x31, 0x11, tcp4), /neither version 1/],
    ['an unknown command', headerV2(0x22, 0x11, tcp4), /unknown command/],
    ['an unknown family', headerV2(0x21, 0x41, tcp4), /neither TCP/],
    ['datagrams', headerV2(0x21, 0x12, tcp4), /neither TCP/],
    ['addresses cut off', headerV2(0x21, 0x21, tcp4), /cut off in the addresses/],
    ['a TLV cut off', headerV2(0x21, 0x11, tcp4, Buffer.from([4, 0])), /cut off in a TLV/],
    ['a TLV beyond', headerV2(0x21, 0x11, tcp4, Buffer.from([4, 0, 9, 1])), /beyond the end/],
    ['a header too long', headerV2(0x21, 0x11, Buffer.alloc(MAX_V2_BYTES)), /over 536 bytes/],
    ['a wrong checksum', headerV2(0x21, 0x11, tcp4, tlv(0x03, '\0\0\0\0')), /wrong checksum/],
    ['a short checksum', headerV2(0x21, 0x11, tcp4, tlv(0x03, '\0')), /not one checksum/],
    [
      'two checksums',
      crcTlv(headerV2(0x21, 0x11, tcp4, tlv(0x03, '\0\0\0\0'), tlv(0x03, '\0\0\0\0'))),
      /not one checksum/,
    ],
  ]
  for (const [name, header, detail] of cases) {
    it(name, () => {
      const verdict = read(header)
      assert.equal(verdict.kind, 'malformed')
      assert.match(verdict.kind === 'malformed' ? verdict.detail : '', detail)
    })
  }

  it('a length that is too long is refused before it has come', () => {
    const header = headerV2(0x21, 0x11, Buffer.alloc(MAX_V2_BYTES))
    assert.equal(readProxyHeader(header.subarray(0, 16)).kind, 'malformed')
  })

  it('other bytes are no header', () => {
    for (const text of ['GET / HTTP/1.1', 'POST', 'PROXYING', '\r\n\r\n\r', '\x16\x03\x01']) {
      assert.deepEqual(readProxyHeader(Buffer.from(text, 'latin1')), { kind: 'absent' }, text)
    }
  })
})

describe('PROXY protocol: written', () => {
  it('v1', () => {
    const written = (ends: typeof V4 | undefined) => proxyHeader('v1', { ends }).toString('latin1')
    assert.equal(written(V4), 'PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n')
    assert.equal(written(V6), 'PROXY TCP6 2001:db8::7 ::1 1 65535\r\n')
    assert.equal(
      written({ source: V4.source, destination: V6.destination }),
      'PROXY TCP6 ::ffff:192.0.2.7 ::1 50000 65535\r\n',
    )
    assert.equal(written(undefined), 'PROXY UNKNOWN\r\n')
    const lost = { source: { address: '', port: 0 }, destination: V4.destination }
    assert.equal(written(lost), 'PROXY UNKNOWN\r\n')
  })

  it('v2, with server name and protocol', () => {
    const facts = { ends: V4, authority: 'a.test', alpn: 'h2' }
    assert.equal(
      proxyHeader('v2', facts).toString('hex'),
      [
        ...['0d0a0d0a000d0a515549540a', '2111', '001a', 'c0000207', 'c6336401', 'c350', '01bb'],
        ...['010002', Buffer.from('h2').toString('hex')],
        ...['020006', Buffer.from('a.test').toString('hex')],
      ].join(''),
    )
    assert.equal(
      proxyHeader('v2', { ends: undefined }).toString('hex'),
      '0d0a0d0a000d0a515549540a20000000',
    )
  })
})

it('crc32c gives the check value of the catalogue', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(Buffer.from('6789'), crc32c(Buffer.from('12345'))), 0xe3069283)
})
