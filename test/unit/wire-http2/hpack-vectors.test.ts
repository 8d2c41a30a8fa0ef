/** The examples of RFC 7541 appendix C, with the dynamic table that it shows behind each. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HpackDecoder } from '../../../src/wire/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../../src/wire/http2/hpack-encoder.ts'

interface Step {
  readonly hex: string
  readonly fields: readonly string[]
  /** Newest first. */
  readonly table: readonly string[]
}

interface Example {
  readonly tableSize: number
  readonly steps: readonly Step[]
}

const FIRST = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com']
const AUTHORITY = [':authority', 'www.example.com']
const NO_CACHE = ['cache-control', 'no-cache']
const CUSTOM = ['custom-key', 'custom-value']
const THIRD = [
  ...[':method', 'GET', ':scheme', 'https', ':path', '/index.html'],
  ...[...AUTHORITY, ...CUSTOM],
]

const PRIVATE = ['cache-control', 'private']
const DATE = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT']
const LATER = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT']
const LOCATION = ['location', 'https://www.example.com']
const GZIP = ['content-encoding', 'gzip']
const COOKIE = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'] as const

const REQUESTS: readonly Omit<Step, 'hex'>[] = [
  { fields: FIRST, table: AUTHORITY },
  { fields: [...FIRST, ...NO_CACHE], table: [...NO_CACHE, ...AUTHORITY] },
  { fields: THIRD, table: [...CUSTOM, ...NO_CACHE, ...AUTHORITY] },
]
const RESPONSES: readonly Omit<Step, 'hex'>[] = [
  {
    fields: [':status', '302', ...PRIVATE, ...DATE, ...LOCATION],
    table: [...LOCATION, ...DATE, ...PRIVATE, ':status', '302'],
  },
  {
    fields: [':status', '307', ...PRIVATE, ...DATE, ...LOCATION],
    table: [':status', '307', ...LOCATION, ...DATE, ...PRIVATE],
  },
  {
    fields: [':status', '200', ...PRIVATE, ...LATER, ...LOCATION, ...GZIP, ...COOKIE],
    table: [...COOKIE, ...GZIP, ...LATER],
  },
]

const EXAMPLES: Readonly<Record<string, Example>> = {
  'C.2.1, literal with indexing': one(
    '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    ['custom-key', 'custom-header'],
    ['custom-key', 'custom-header'],
  ),
  'C.2.2, literal without indexing': one(
    '040c 2f73 616d 706c 652f 7061 7468',
    [':path', '/sample/path'],
    [],
  ),
  'C.2.3, literal never indexed': one(
    '1008 7061 7373 776f 7264 0673 6563 7265 74',
    ['password', 'secret'],
    [],
  ),
  'C.2.4, indexed': one('82', [':method', 'GET'], []),
  'C.3, requests without Huffman coding': several(4096, REQUESTS, [
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  ]),
  'C.4, requests with Huffman coding': several(4096, REQUESTS, [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ]),
  'C.5, responses without Huffman coding': several(256, RESPONSES, [
    `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
     2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
     6c65 2e63 6f6d`,
    '4803 3330 37c1 c0bf',
    `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
     54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
     5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
     3d31`,
  ]),
  'C.6, responses with Huffman coding': several(256, RESPONSES, [
    `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
     2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
    '4883 640e ffc1 c0bf',
    `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
     77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
     9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
  ]),
}

describe('HPACK, RFC 7541 appendix C', () => {
  for (const [name, { tableSize, steps }] of Object.entries(EXAMPLES)) {
    it(`reads ${name}`, () => {
      const decoder = new HpackDecoder(tableSize)
      for (const { hex, fields, table } of steps) {
        assert.deepEqual(decoder.decode(bytes(hex), 10_000), fields)
        assert.deepEqual(tableOf(decoder), table)
      }
    })
  }

  it('C.1, integers of a 5-bit prefix, as table sizes', () => {
    for (const [hex, size] of [
      ['2a', 10],
      ['3f9a0a', 1337],
    ] as const) {
      assert.deepEqual(new HpackDecoder().decode(bytes(hex), 10_000), [])
      const encoder = new HpackEncoder()
      encoder.maxTableSize = size
      const out = Buffer.alloc(10)
      assert.equal(out.toString('hex', 0, encoder.encode([], out, 0)), hex)
    }
  })

  it('writes C.3, but for the path, which hardly comes twice', () => {
    const encoder = new HpackEncoder()
    const out = Buffer.alloc(200)
    const written = [FIRST, [...FIRST, ...NO_CACHE], THIRD].map((fields) =>
      out.toString('hex', 0, encoder.encode(fields, out, 0)),
    )
    const { steps } = EXAMPLES['C.3, requests without Huffman coding'] as Example
    assert.deepEqual(
      written,
      steps.map(({ hex }) => bytes(hex).toString('hex')),
    )
  })
})

function one(hex: string, fields: readonly string[], table: readonly string[]): Example {
  return { tableSize: 4096, steps: [{ hex, fields, table }] }
}

function several(
  tableSize: number,
  steps: readonly Omit<Step, 'hex'>[],
  hexes: readonly string[],
): Example {
  return { tableSize, steps: steps.map((step, at) => ({ ...step, hex: hexes[at] ?? '' })) }
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replace(/\s/g, ''), 'hex')
}

/** Reads the indices behind the static table until one is beyond. */
function tableOf(decoder: HpackDecoder): string[] {
  const entries: string[] = []
  for (let index = 62; ; index++) {
    try {
      entries.push(...(decoder.decode(Buffer.from([0x80 | index]), 10_000) ?? []))
    } catch {
      return entries
    }
  }
}
