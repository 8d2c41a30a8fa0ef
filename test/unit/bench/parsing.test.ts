import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseGenerator, parseH2load, parseWrk } from '../../bench/loads.ts'
import { parseOptions, parseVariant } from '../../bench/options.ts'
import { parseCore, parseStat } from '../../bench/process.ts'

const H2LOAD = `starting benchmark...
finished in 2.00s, 1417.00 req/s, 1.42MB/s
requests: 1417 total, 1421 started, 1417 done, 1410 succeeded, 3 failed, 2 errored, 1 timeout
status codes: 1418 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.42MB (1490896) total, 13.98KB (14318) headers (space savings 95.41%), 1.38MB (1451008) data
                     min         max         mean         sd        +/- sd
time for request:      276us     42.26ms      2.79ms      5.24ms    92.10%
`

describe('bench parsing', () => {
  it("h2load's text gives what succeeded, and every other end is an error", () => {
    const load = parseH2load(H2LOAD)
    assert.ok(typeof load !== 'string')
    const { ops, bytes, errors, seconds, maxUs } = load
    assert.deepEqual(
      { ops, bytes, errors, seconds },
      { ops: 1410, bytes: 1451008, errors: 6, seconds: 2 },
    )
    assert.ok(Math.abs(maxUs - 42_260) < 1e-6)
  })

  it('text without a result is given back', () => {
    for (const parse of [parseH2load, parseWrk, parseGenerator]) {
      assert.equal(parse('connection refused\n'), 'connection refused\n')
    }
  })

  it('wrk and the generator say theirs in a line of JSON', () => {
    const fields = '"ops":5,"bytes":6,"errors":0,"seconds":1.5,"p50Us":1,"p99Us":2,"maxUs":3'
    const expected = { ops: 5, bytes: 6, errors: 0, seconds: 1.5, p50Us: 1, p99Us: 2, maxUs: 3 }
    assert.deepEqual(parseWrk(`Running 1s test\n\nresult {${fields}}\n`), expected)
    assert.deepEqual(parseGenerator(`{${fields}}\n`), expected)
  })

  it('CPU time of a process whose name has blanks and parentheses', () => {
    const stat = '42 (a ) b) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7'
    assert.deepEqual(parseStat(stat), { parent: 7, ticks: 127 })
    assert.deepEqual(parseStat(''), { parent: 0, ticks: 0 })
  })

  it('what a core spent, without idling', () => {
    const stat =
      'cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 4 1000 2000 8 16 32 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\n'
    assert.equal(parseCore(stat, 0), 63)
    assert.equal(parseCore(stat, 7), 0)
  })

  it('a variant is flags and environment of this checkout', () => {
    assert.deepEqual(parseVariant('raw=GWPROXY_IO=raw --workers 1', '/root'), {
      name: 'raw',
      root: '/root',
      flags: ['--workers', '1'],
      env: { GWPROXY_IO: 'raw' },
    })
    assert.throws(() => parseVariant('--workers 1', '/root'), /NAME=FLAGS/)
  })

  it('gwproxy itself comes first, other checkouts last', () => {
    const { variants, rivals } = parseOptions(
      ['--io', 'raw', '--against', '/other', '--rival', 'none'],
      '/root',
    )
    assert.deepEqual(
      variants.map(({ name, root }) => [name, root]),
      [
        ['gwproxy', '/root'],
        ['raw', '/root'],
        ['against:other', '/other'],
      ],
    )
    assert.deepEqual(rivals, [])
  })

  it('numbers that are none are refused', () => {
    for (const text of ['0', 'x', '']) {
      assert.throws(() => parseOptions(['--rounds', text], '/root'), /above 0/)
    }
  })
})
