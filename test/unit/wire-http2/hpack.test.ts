import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Http2Code, Http2Error } from '../../../src/wire/http2/frames.ts'
import { HpackDecoder } from '../../../src/wire/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../../src/wire/http2/hpack-encoder.ts'
import { indexed, literal } from '../../support/h2-frames.ts'
import { heldHeap } from '../../support/held-memory.ts'

const LIST = 100_000

describe('HPACK decoder', () => {
  const refused: Readonly<Record<string, string>> = {
    'index 0': '80',
    'an index beyond the static table, of an empty one': 'be',
    'a name beyond the table': '7e00',
    'a name beyond the table, without indexing': '0f2f00',
    'an index far beyond': 'ffffffff7f',
    'an integer that is cut': 'ff',
    'an integer that is cut behind an octet': 'ff80',
    'an integer of more octets than 4': '3f8080808000',
    'an integer that would overflow': 'ffffffffffffff0f',
    'a literal without name': '40',
    'a literal without value': '400161',
    'a name that is cut': '400261',
    'a value that is cut': '4001610261',
    'a value longer than memory': '400161ffffffff7f',
    'a Huffman string that is cut': '400161ff8001',
    'a table above what was allowed': '3fe21f',
    'a table size behind a field': '8220',
    'a table size behind a literal': '0001610162203f',
    // 0 is 5 zero bits; what follows has to be ones.
    'padding of zeros': '4001618100',
    'padding with a zero': '4001618106',
    'padding of 8 bits': '40016182' + '07ff',
    'padding alone, of 8 bits': '40016181ff',
    EOS: '40016184ffffffff',
    'EOS within a string': '40016185fffffffc07',
  }
  for (const [name, hex] of Object.entries(refused)) {
    it(`refuses ${name}`, () => {
      const decoder = new HpackDecoder()
      assert.throws(
        () => decoder.decode(Buffer.from(hex, 'hex'), LIST),
        (error) => error instanceof Http2Error && error.code === Http2Code.compressionError,
      )
    })
  }

  it('takes integers to 4 octets behind the prefix, with zeros at the end, too', () => {
    const decoder = new HpackDecoder()
    assert.deepEqual(decoder.decode(Buffer.from('3f81808000', 'hex'), LIST), [])
    assert.deepEqual(decoder.decode(Buffer.from('0f80808000' + '00', 'hex'), LIST), [
      'accept-charset',
      '',
    ])
  })

  it('takes table sizes where a block begins, one after the other', () => {
    const decoder = new HpackDecoder()
    decoder.decode(indexed('a', 'b'), LIST)
    assert.deepEqual(decoder.decode(Buffer.from('203fe11f', 'hex'), LIST), [])
    assert.throws(() => decoder.decode(Buffer.from('be', 'hex'), LIST), Http2Error)
  })

  it('a smaller table keeps the newest', () => {
    const decoder = new HpackDecoder()
    decoder.decode(Buffer.concat([indexed('a', 'b'), indexed('c', 'd')]), LIST)
    assert.deepEqual(decoder.decode(Buffer.from('3f05be', 'hex'), LIST), ['c', 'd'])
    assert.throws(() => decoder.decode(Buffer.from('bf', 'hex'), LIST), Http2Error)
  })

  it('an entry that fills the table pushes all others out; a larger one empties it', () => {
    const value = 'v'.repeat(4096 - 33)
    const decoder = new HpackDecoder()
    decoder.decode(Buffer.concat([indexed('a', 'b'), indexed('n', value)]), LIST)
    assert.deepEqual(decoder.decode(Buffer.from('be', 'hex'), LIST), ['n', value])
    decoder.decode(indexed('n', `${value}v`), LIST)
    assert.throws(() => decoder.decode(Buffer.from('be', 'hex'), LIST), Http2Error)
  })

  it('an entry may be named by what it pushes out', () => {
    const decoder = new HpackDecoder(64)
    const value = Buffer.alloc(20, 'v')
    decoder.decode(indexed('name', 'a'), LIST)
    const named = Buffer.concat([Buffer.from([0x7e, value.length]), value])
    assert.deepEqual(decoder.decode(named, LIST), ['name', String(value)])
    assert.deepEqual(decoder.decode(Buffer.from('be', 'hex'), LIST), ['name', String(value)])
  })

  it('a list above its bound is undefined, and the table is right behind it', () => {
    const fields = Buffer.concat([literal('x', 'y'), indexed('name', 'value'), literal('z', '')])
    const bytes = 34 + 41 + 33
    for (const [maxBytes, maxFields, fits] of [
      [bytes, 3, true],
      [bytes - 1, 3, false],
      [bytes, 2, false],
      [0, 0, false],
    ] as const) {
      const decoder = new HpackDecoder()
      assert.equal(decoder.decode(fields, maxBytes, maxFields) !== undefined, fits)
      assert.deepEqual(decoder.decode(Buffer.from('be', 'hex'), LIST), ['name', 'value'])
    }
  })

  it('a bomb of indices costs neither memory nor time', () => {
    const decoder = new HpackDecoder()
    decoder.decode(indexed('n', 'v'.repeat(4000)), LIST)
    const bomb = Buffer.alloc(65_536, 0xbe)
    assert.equal(decoder.decode(bomb, 65_536, 128), undefined)
    // The same string each time: a list of them is no larger than its references.
    const list = decoder.decode(bomb.subarray(0, 1000), Infinity) ?? []
    assert.equal(list.length, 2000)
    const before = process.cpuUsage().user
    for (let i = 0; i < 100; i++) decoder.decode(bomb, 65_536, 128)
    assert.ok(process.cpuUsage().user - before < 2_000_000)
  })

  it('a character is an octet, with Huffman coding or without', () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code))
    assert.deepEqual(new HpackDecoder().decode(literal('all', all), LIST), ['all', all])
  })
})

describe('HPACK encoder', () => {
  it('one octet for what comes again', () => {
    const { write } = encoding()
    const fields = ['content-type', 'application/grpc', 'te', 'trailers']
    assert.ok(write(fields).length > 10)
    assert.equal(write(fields).toString('hex'), 'bfbe')
  })

  it('takes static pairs', () => {
    const { write } = encoding()
    assert.equal(
      write([':method', 'GET', ':path', '/', ':status', '200']).toString('hex'),
      '828488',
    )
  })

  it('never indexes secrets, and says so to whoever hands them on', () => {
    const { write } = encoding()
    for (const [name, prefix] of [
      ['authorization', '1f08'],
      ['cookie', '1f11'],
      ['set-cookie', '1f28'],
      ['proxy-authorization', '1f22'],
      ['x-api-key', `10${text('x-api-key')}`],
    ] as const) {
      const once = write([name, 'secret'])
      assert.equal(once.toString('hex'), `${prefix}${text('secret')}`, name)
      assert.deepEqual(write([name, 'secret']), once)
    }
  })

  it('does not index what hardly comes twice', () => {
    const { write } = encoding()
    for (const fields of [
      [':path', '/a'],
      ['content-length', '5'],
      ['x-request-id', 'a'],
      ['traceparent', 'b'],
    ]) {
      const once = write(fields)
      assert.equal((once[0] as number) & 0xf0, 0)
      assert.deepEqual(write(fields), once)
    }
  })

  it('stops indexing a name whose values never come again, and tries it again later', () => {
    const { write } = encoding()
    const kinds = Array.from(
      { length: 80 },
      (_, at) => (write(['x-span', `${at}`])[0] as number) >> 6,
    )
    assert.deepEqual(kinds.slice(0, 6), [1, 1, 1, 1, 0, 0])
    const again = kinds.indexOf(1, 4)
    assert.ok(again > 30, 'tried again')
    assert.deepEqual(write(['x-span', `${again}`])[0], 0xbe)
    assert.equal((write(['x-span', 'other'])[0] as number) >> 6, 1)
  })

  it('neither long names nor many take the table from others, or memory', () => {
    const { write, decoder } = encoding()
    decoder.decode(write(['server', 'x']), LIST)
    const long = 'n'.repeat(100)
    for (let i = 0; i < 100; i++) {
      assert.deepEqual(decoder.decode(write([long, 'y']), LIST), [long, 'y'])
    }
    assert.equal(write(['server', 'x']).toString('hex'), 'be')
    for (let i = 0; i < 1000; i++) {
      assert.deepEqual(decoder.decode(write([`n${i}`, 'y']), LIST), [`n${i}`, 'y'])
    }
    assert.deepEqual(decoder.decode(write(['server', 'x']), LIST), ['server', 'x'])
  })

  it('holds no more than its table and some names', () => {
    const out = Buffer.alloc(8192)
    const encode = (encoder: HpackEncoder): void => {
      for (let i = 0; i < 2000; i++) {
        const name = `${i}-${'n'.repeat(i % 60)}`
        encoder.encode([name, `${i}${'v'.repeat(1900)}`], out, 0)
        encoder.encode([`${i}-${'n'.repeat(5000)}`, 'x'], out, 0)
      }
    }
    // What V8 keeps of the code that runs here for the first time.
    const encoders = [encoding().encoder, encoding().encoder] as const
    encode(encoders[0])
    const before = heldHeap()
    encode(encoders[1])
    assert.ok(heldHeap() - before < 200_000, 'of 14 MB that went through')
    for (const encoder of encoders) encoder.encode([], out, 0)
  })

  it('finds each of several values of a name', () => {
    const { write } = encoding()
    write(['vary', 'a', 'vary', 'b', 'server', 'x'])
    assert.equal(write(['vary', 'a', 'vary', 'b', 'server', 'x']).toString('hex'), 'c0bfbe')
  })

  it('names become lower case', () => {
    const { write, decoder } = encoding()
    assert.deepEqual(decoder.decode(write(['Content-Type', 'a', 'X-A', 'b']), LIST), [
      ...['content-type', 'a', 'x-a', 'b'],
    ])
  })

  const refused: Readonly<Record<string, readonly string[]>> = {
    'LF in a value': ['x', 'a\n'],
    'CR in a long value': ['x', `${'a'.repeat(100)}\r`],
    'NUL in a secret': ['cookie', '\0'],
    'NUL in a path': [':path', '/\0'],
    'DEL in a value': ['x', '\x7f'],
    'a character that is no octet': ['x', '\u{100}'],
    'a character that looks like an octet when cut': ['x', '\u0141'],
    'a long value with one': ['x', `${'a'.repeat(100)}\u0141`],
    'an empty name': ['', 'x'],
    'a lone colon': [':', 'x'],
    'a blank in a name': ['x y', 'z'],
    'a colon in a name': ['x:y', 'z'],
    'a name outside of ASCII': ['\xe9', 'z'],
    'a name that becomes ASCII': ['\u212a', 'z'],
    connection: ['connection', 'close'],
    'Transfer-Encoding': ['Transfer-Encoding', 'chunked'],
    upgrade: ['upgrade', 'h2c'],
    'keep-alive': ['keep-alive', 'timeout=5'],
    'proxy-connection': ['proxy-connection', 'close'],
    'http2-settings': ['http2-settings', ''],
    'te of more than trailers': ['te', 'trailers, gzip'],
  }
  for (const [name, fields] of Object.entries(refused)) {
    it(`refuses ${name}, as if it had not been asked`, () => {
      const used = encoding()
      const fresh = encoding()
      const before = ['a', '1', 'b', '2', 'vary', 'x', 'vary', 'y']
      used.decoder.decode(used.write(before), LIST)
      fresh.write(before)
      used.encoder.maxTableSize = 300
      fresh.encoder.maxTableSize = 300
      const many = Array.from({ length: 40 }, (_, at) => [`n${at % 9}`, `v${at}`]).flat()
      const more = [...many, 'once', '1', 'vary', 'z']
      assert.throws(() => used.write([...more, ...fields]), TypeError)
      for (let i = 0; i < 3; i++) {
        const next = [...before, 'once', '1', 'vary', 'z', `c${i}`, 'new', 'vary', `${i}`]
        const bytes = used.write(next)
        assert.deepEqual(used.decoder.decode(bytes, LIST), next)
        assert.deepEqual(bytes, fresh.write(next))
      }
    })
  }

  it('tells a table size that shrank and grew before the next block', () => {
    const { encoder, write } = encoding()
    write(['a', 'b'])
    encoder.maxTableSize = 0
    encoder.maxTableSize = 4096
    assert.equal(write(['a', 'b']).toString('hex'), `203fe11f40${text('a')}${text('b')}`)
    assert.equal(write(['a', 'b']).toString('hex'), 'be')
    encoder.maxTableSize = 65_536
    assert.equal(write(['a', 'b']).toString('hex'), 'be')
    encoder.maxTableSize = 100
    assert.equal(write(['a', 'b']).toString('hex'), '3f45be')
    encoder.maxTableSize = 10
    assert.equal(write(['a', 'b']).toString('hex'), `2a00${text('a')}${text('b')}`)
  })

  it('writes no more than its bound', () => {
    for (const length of [0, 1, 47, 48, 49, 126, 127, 128, 254, 16_510, 16_511, 2_097_300]) {
      const fields = [
        ...['x', 'v'.repeat(length), 'y'.repeat(length + 1), 'z'],
        ...['accept', 'v'.repeat(length), 'cookie', 'v'.repeat(length)],
      ]
      const { encoder, decoder } = encoding()
      encoder.maxTableSize = 0
      encoder.maxTableSize = 4096
      const out = Buffer.alloc(HpackEncoder.bound(fields) + 100, 0xcc)
      const end = encoder.encode(fields, out, 0)
      assert.ok(end <= out.length - 100)
      assert.ok(out.subarray(end).every((octet) => octet === 0xcc))
      assert.deepEqual(decoder.decode(out.subarray(0, end), Infinity), fields)
    }
    assert.ok(HpackEncoder.bound([]) >= 6)
  })
})

interface Encoding {
  readonly encoder: HpackEncoder
  /** Of the peer: not used by `write`. */
  readonly decoder: HpackDecoder
  readonly write: (fields: readonly string[]) => Buffer
}

function encoding(): Encoding {
  const encoder = new HpackEncoder()
  return {
    encoder,
    decoder: new HpackDecoder(),
    write: (fields) => {
      const out = Buffer.alloc(HpackEncoder.bound(fields))
      return out.subarray(0, encoder.encode(fields, out, 0))
    },
  }
}

/** A short string with its length. */
function text(value: string): string {
  return Buffer.from([value.length, ...Buffer.from(value)]).toString('hex')
}
