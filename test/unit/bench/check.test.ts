import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Baseline, baselineOf, check } from '../../bench/check.ts'
import type { RowResult } from '../../bench/result.ts'

const BASELINE: Baseline = {
  recorded: '2026-01-01T00:00:00.000Z',
  machine: 'a machine',
  rows: { 'https-1k': { rival: 'nginx', cpu: 2 } },
}

function row(ours: readonly number[], theirs: readonly number[], rival = 'nginx'): RowResult {
  return {
    name: 'https-1k',
    title: 'HTTPS',
    columns: [],
    goals: [],
    series: [
      { name: 'gwproxy', version: '1', isOurs: true, rounds: ours.map((cpu) => ({ cpu })) },
      { name: rival, version: '2', isOurs: false, rounds: theirs.map((cpu) => ({ cpu })) },
    ],
  }
}

describe('bench --check', () => {
  it('15 % dearer than the baseline is still borne, more is worse', () => {
    assert.equal(check(BASELINE, row([23, 23, 23], [10, 10, 10])).isWorse, false)
    const worse = check(BASELINE, row([23.2, 23.2, 23.2], [10, 10, 10]))
    assert.equal(worse.isWorse, true)
    assert.match(worse.text, /2\.32x nginx, baseline 2\.00x: \+16 %: WORSE/)
  })

  it('a machine that is slower in all is no regression', () => {
    assert.equal(check(BASELINE, row([200, 200, 200], [100, 100, 100])).isWorse, false)
  })

  it('a row whose rounds differ by 10 % is not judged', () => {
    const finding = check(BASELINE, row([40, 30, 41], [10, 10, 10]))
    assert.equal(finding.isWorse, false)
    assert.match(finding.text, /not judged/)
  })

  it('a row that could not be measured fails', () => {
    const { isWorse, text } = check(BASELINE, { ...row([], []), series: [], failure: '3 errors' })
    assert.equal(isWorse, true)
    assert.match(text, /3 errors/)
  })

  it('without its rival or its baseline there is nothing to compare', () => {
    assert.match(check(BASELINE, row([9], [1], 'haproxy')).text, /nginx did not take part/)
    const other = { ...row([9], [1]), name: 'new' }
    assert.match(check(BASELINE, other).text, /not in the baseline/)
    assert.equal(check(BASELINE, other).isWorse, false)
  })

  it('what has become much cheaper is told', () => {
    assert.match(check(BASELINE, row([10, 10], [10, 10])).text, /-50 %: better, record it/)
  })

  it('a baseline is made of the rows that have a rival', () => {
    const alone = { ...row([1], []), name: 'start', series: row([1], []).series.slice(0, 1) }
    const { rows } = baselineOf({
      date: '2026-01-01T00:00:00.000Z',
      machine: { cpu: 'c', cores: 2, memoryGib: 1, kernel: 'k', node: 'n', openssl: 'o' },
      command: '',
      rounds: 3,
      seconds: 2,
      rows: [row([30, 31, 32], [10, 10, 10]), alone],
    })
    assert.deepEqual(rows, { 'https-1k': { rival: 'nginx', cpu: 3.1 } })
  })
})
