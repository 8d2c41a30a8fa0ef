/** ClientHello: what is routed, and what must never be (security.md section 2.1). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClientHello, HelloVerdict } from '../../../src/wire/client-hello.ts'
import {
  alpn,
  helloMessage,
  hostEntry,
  readInSteps,
  readWhole,
  realHello,
  record,
  records,
  serverName,
  supportedVersions,
  uint16,
  vector,
} from '../../support/client-hello.ts'

const HELLO = helloMessage({
  extensions: [
    [0x0a0a, Buffer.alloc(0)],
    serverName('WWW.Example.com.'),
    alpn('h2', 'http/1.1'),
    supportedVersions(0x2a2a, 0x0304, 0x0303),
    [10, vector(2, uint16(0x2a2a, 0x11ec, 0x001d))],
    [51, vector(2, Buffer.concat([uint16(0x11ec), vector(2, Buffer.alloc(1216, 5))]))],
    [0xfe0d, Buffer.alloc(100)],
    [42, Buffer.alloc(0)],
  ],
})

function hello(verdict: HelloVerdict): ClientHello {
  assert.equal(verdict.kind, 'complete', JSON.stringify(verdict))
  return verdict.kind === 'complete' ? verdict.hello : assert.fail()
}

function refused(bytes: Buffer): string {
  const verdict = readWhole(bytes)
  return verdict.kind === 'malformed' ? verdict.detail : verdict.kind
}

describe('a well-formed ClientHello', () => {
  it('gives the name as sent, ALPN, versions and groups with GREASE, ECH and early data', () => {
    const bytes = records(HELLO)
    assert.deepEqual(hello(readWhole(bytes)), {
      sni: 'WWW.Example.com.',
      alpn: ['h2', 'http/1.1'],
      versions: [0x2a2a, 0x0304, 0x0303],
      groups: [0x2a2a, 0x11ec, 0x001d],
      keyShares: [0x11ec],
      hasEch: true,
      hasEarlyData: true,
      length: bytes.length,
    })
  })

  it('may lack SNI, all extensions, or the extensions block', () => {
    assert.equal(hello(readWhole(records(helloMessage()))).sni, undefined)
    const bare = hello(readWhole(records(helloMessage({ bare: true, legacyVersion: 0x0301 }))))
    assert.deepEqual([bare.sni, bare.alpn, bare.versions], [undefined, [], [0x0301]])
  })

  it('leaves groups that cannot be read to the TLS stack', () => {
    for (const type of [10, 51]) {
      for (const data of [Buffer.alloc(0), uint16(9), vector(2, Buffer.from([1, 2, 3]))]) {
        const read = hello(readWhole(records(helloMessage({ extensions: [[type, data]] }))))
        assert.deepEqual([read.groups, read.keyShares], [[], []])
      }
    }
  })

  it('is the same split into two segments at every offset', () => {
    const bytes = records(HELLO)
    const whole = readWhole(bytes)
    for (let at = 1; at < bytes.length; at++) assert.deepEqual(readInSteps(bytes, [at]), whole)
  })

  it('is the same in records of every size, and after empty records', () => {
    const whole = hello(readWhole(records(HELLO)))
    for (let size = 1; size < HELLO.length; size++) {
      const bytes = Buffer.concat([record(Buffer.alloc(0)), records(HELLO, size)])
      assert.deepEqual(hello(readWhole(bytes)), { ...whole, length: bytes.length })
    }
  })

  it('ends with its record: what follows is not looked at', () => {
    const bytes = records(HELLO)
    const early = Buffer.concat([bytes, record(Buffer.alloc(10), 20), Buffer.from('garbage')])
    assert.equal(hello(readWhole(early)).length, bytes.length)
  })

  it("is read from this Node's client, post-quantum key share included", async () => {
    const bytes = await realHello({ servername: 'real.test', ALPNProtocols: ['h2'] })
    assert.ok(bytes.length > 1460, `${bytes.length} bytes exceed one segment`)
    const real = hello(readWhole(bytes))
    assert.deepEqual([real.sni, real.alpn], ['real.test', ['h2']])
    assert.ok(real.versions.includes(0x0304))
    const old = hello(readWhole(await realHello({ servername: 'old.test', maxVersion: 'TLSv1.2' })))
    assert.deepEqual([old.sni, old.versions], ['old.test', [0x0303]])
    assert.equal(hello(readWhole(await realHello({}))).sni, undefined)
  })
})

describe('bytes that are no ClientHello', () => {
  const cases: readonly (readonly [what: string, bytes: Buffer, protocol: string])[] = [
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'http'],
    ['the HTTP/2 preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'http2'],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.9\r\n'), 'ssh'],
    ['PROXY v1', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'), 'proxy'],
    ['PROXY v2', Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c', 'latin1'), 'proxy'],
    ['SSLv2', Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 0x15]), 'sslv2'],
    ['a PostgreSQL SSLRequest', Buffer.from('0000000804d2162f', 'hex'), 'postgres'],
    ['a record of another major version', Buffer.from([22, 2, 0, 0, 10]), 'unknown'],
    ['an alert first', Buffer.from([21, 3, 1, 0, 2, 1, 0]), 'unknown'],
    ['a zero byte', Buffer.from([0]), 'unknown'],
  ]
  for (const [what, bytes, protocol] of cases) {
    it(`${what} is not TLS`, () => {
      assert.deepEqual(readWhole(bytes), { kind: 'not-tls', protocol })
    })
  }
})

describe('a ClientHello that stacks could read in two ways', () => {
  const withExtension = (type: number, data: Buffer): Buffer =>
    records(helloMessage({ extensions: [[type, data]] }))
  const body = HELLO.subarray(4)
  const lying = (length: number): Buffer => {
    const header = Buffer.from([1, 0, 0, 0])
    header.writeUIntBE(length, 1, 3)
    return record(Buffer.concat([header, body]))
  }
  const cases: readonly (readonly [what: string, bytes: Buffer, verdict: string])[] = [
    ['a record over 2^14', Buffer.from([22, 3, 1, 0x40, 0x01]), 'record too long'],
    ['a record over 2^14 + 256', Buffer.from([22, 3, 1, 0x41, 0x01]), 'record too long'],
    ['another handshake type', record(Buffer.from([2, 0, 0, 0])), 'not a ClientHello'],
    ['a length that is too short', lying(body.length - 1), 'bytes after the hello in its record'],
    ['a length that is too long', lying(body.length + 1), 'more'],
    ['a length over the limit', lying(70_000), 'too-large'],
    [
      'a second message in its record',
      record(Buffer.concat([HELLO, HELLO])),
      'bytes after the hello in its record',
    ],
    [
      'another record inside it',
      Buffer.concat([record(HELLO.subarray(0, 20)), record(Buffer.from([1]), 20)]),
      'another record type inside the hello',
    ],
    [
      'another version inside it',
      Buffer.concat([record(HELLO.subarray(0, 20)), record(HELLO.subarray(20), 22, 0x0201)]),
      'record version',
    ],
    ['two server_name extensions', twice(serverName('a.test')), 'duplicate extension'],
    ['two equal extensions', twice([0x1234, Buffer.alloc(0)]), 'duplicate extension'],
    [
      'two names',
      withExtension(0, vector(2, Buffer.concat([hostEntry('a.test'), hostEntry('b.test')]))),
      'server_name',
    ],
    [
      'a name of another type',
      records(helloMessage({ extensions: [serverName('a', 1)] })),
      'server_name',
    ],
    ['an empty name', records(helloMessage({ extensions: [serverName('')] })), 'server_name'],
    ['an empty name list', withExtension(0, uint16(0)), 'server_name'],
    ['an empty server_name', withExtension(0, Buffer.alloc(0)), 'server_name'],
    [
      'bytes behind the name list',
      withExtension(0, Buffer.concat([vector(2, hostEntry('a.test')), Buffer.from([0])])),
      'server_name',
    ],
    [
      'an empty ALPN name',
      withExtension(16, vector(2, Buffer.from([0]))),
      'application_layer_protocol_negotiation',
    ],
    ['half a version', withExtension(43, vector(1, Buffer.from([3]))), 'supported_versions'],
    [
      'pre_shared_key before another extension',
      records(helloMessage({ extensions: [[41, Buffer.alloc(4)], serverName('a.test')] })),
      'pre_shared_key is not last',
    ],
    [
      'a long session id',
      records(helloMessage({ sessionId: Buffer.alloc(33) })),
      'session id too long',
    ],
    [
      'odd cipher suites',
      records(helloMessage({ cipherSuites: Buffer.alloc(3) })),
      'cipher suites',
    ],
    [
      'no compression method',
      records(helloMessage({ compression: Buffer.alloc(0) })),
      'compression methods',
    ],
    ['SSLv2 in its version', records(helloMessage({ legacyVersion: 0x0200 })), 'hello version'],
  ]
  for (const [what, bytes, verdict] of cases) {
    it(`${what}: ${verdict}`, () => assert.equal(refused(bytes), verdict))
  }

  it('extension and vector lengths that lie are refused at every place', () => {
    const bytes = records(helloMessage({ extensions: [serverName('a.test'), alpn('h2')] }))
    // Every 16-bit length of the hello, one more and one less than the truth.
    for (const at of [3, 76, 84, 88, 90, 93, 103, 105]) {
      for (const change of [-1, 1]) {
        const changed = Buffer.from(bytes)
        changed.writeUInt16BE(changed.readUInt16BE(at) + change, at)
        assert.notEqual(readWhole(changed).kind, 'complete', `offset ${at} by ${change}`)
      }
    }
  })

  function twice(extension: readonly [number, Buffer]): Buffer {
    return records(helloMessage({ extensions: [extension, extension] }))
  }
})

describe('limits', () => {
  const large = (size: number): Buffer =>
    records(helloMessage({ extensions: [serverName('big.test'), [21, Buffer.alloc(size)]] }))

  it('routes up to 64 KiB and no further', () => {
    assert.equal(hello(readWhole(large(60_000))).sni, 'big.test')
    assert.equal(readWhole(large(65_450)).kind, 'too-large')
  })

  it('says too large as soon as the length tells', () => {
    const header = Buffer.from([1, 1, 0, 0])
    assert.equal(readWhole(record(header)).kind, 'too-large')
  })

  it('stops at the limit when records never complete the hello', () => {
    const empty = Buffer.concat(Array.from({ length: 13_200 }, () => record(Buffer.alloc(0))))
    assert.equal(readWhole(empty).kind, 'too-large')
  })

  it('reads 64 KiB in one-byte segments of one-byte records in bounded time', () => {
    const message = helloMessage({
      extensions: [[21, Buffer.alloc(10_000)], serverName('slow.test')],
    })
    const bytes = records(message, 1)
    const started = performance.now()
    const verdict = readInSteps(bytes, Array.from(bytes.keys()))
    assert.equal(hello(verdict).sni, 'slow.test')
    // Quadratic work would take minutes.
    assert.ok(performance.now() - started < 2000)
  })
})
