import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digits, rowText } from '../../bench/report.ts'
import { type RowResult, type Series, verdict } from '../../bench/result.ts'
import { BEGIN, END, withTables } from '../../bench/table.ts'

function series(name: string, rate: number, cpu: number, busy: number): Series {
  return {
    name,
    version: `${name} 1`,
    isOurs: name !== 'nginx',
    rounds: [{ rate, cpu, busy }],
  }
}

const GOAL = { column: 'rate', rival: 'nginx', atLeast: 0.5, text: '>= 0.5x nginx' } as const

function row(...all: readonly Series[]): RowResult {
  return {
    name: 'https-1k',
    title: 'HTTPS 1 KiB',
    columns: [
      { key: 'rate', label: 'req/s', better: 'more', digits: 3 },
      { key: 'cpu', label: 'CPU us', better: 'less', digits: 3 },
      { key: 'busy', label: 'busy', better: 'neither', digits: 2 },
    ],
    goals: [GOAL],
    series: all,
    direct: { rate: 90_000, cpu: 0 },
  }
}

describe('bench report', () => {
  it('judges rates while both proxies had their core to the full', () => {
    const found = verdict(row(series('gwproxy', 30, 33, 1), series('nginx', 100, 10, 1)), GOAL)
    assert.deepEqual([found?.value, found?.isMet, found?.byCpu], [0.3, false, false])
  })

  it('judges CPU where the load tool was the limit, since the rate flatters', () => {
    const found = verdict(row(series('gwproxy', 80, 40, 1), series('nginx', 100, 10, 0.5)), GOAL)
    assert.deepEqual([found?.value, found?.isMet, found?.byCpu], [0.25, false, true])
  })

  it('gives no verdict without the rival', () => {
    assert.equal(verdict(row(series('gwproxy', 80, 40, 1)), GOAL), undefined)
  })

  it('a goal of the native relay is judged by the native variant only', () => {
    const native = { ...GOAL, variant: 'native' } as const
    const without = row(series('gwproxy', 90, 10, 1), series('nginx', 100, 10, 1))
    assert.equal(verdict(without, native), undefined)
    const [ours, rival] = without.series
    assert.ok(ours !== undefined && rival !== undefined)
    const withNative = row(ours, series('native', 60, 10, 1), rival)
    assert.equal(verdict(withNative, native)?.value, 0.6)
    assert.equal(verdict(without, { ...GOAL, variant: 'raw' })?.value, 0.9)
  })

  it('the text has every proxy, the ratio, the cap and the verdict', () => {
    const text = rowText(row(series('gwproxy', 30, 33, 1), series('nginx', 100, 10, 1)))
    assert.match(text, /nginx +100 +0% +0\.300x \(0\.300-0\.300\) +10\.0/)
    assert.match(text, /no proxy +90000/)
    assert.match(text, /MISSED >= 0\.5x nginx: 0\.300/)
  })

  it('says when the core was shared', () => {
    const ours = series('gwproxy', 30, 33, 0.7)
    const shared = { ...ours, rounds: ours.rounds.map((one) => ({ ...one, others: 0.3 })) }
    assert.match(rowText(row(shared)), /other processes used 30 % of the proxies' core/)
    assert.doesNotMatch(rowText(row(ours)), /other processes/)
  })

  it('the page judges no latency of a core that was shared', () => {
    const shared = [series('gwproxy', 30, 33, 0.7), series('nginx', 100, 10, 0.7)].map((one) => ({
      ...one,
      rounds: one.rounds.map((figures) => ({ ...figures, others: 0.3, p99: 5 })),
    }))
    const late = { column: 'p99', rival: 'nginx', atMost: 0.5, text: 'p99 <= 0.5x nginx' } as const
    const run = {
      date: '2026-01-02T03:04:05.000Z',
      machine: { cpu: 'C', cores: 2, memoryGib: 4, kernel: '6', node: 'v24', openssl: '3' },
      command: '',
      rounds: 1,
      seconds: 1,
      rows: [{ ...row(...shared), goals: [late] }],
    }
    const page = withTables(`${BEGIN}\n${END}`, [run])
    assert.match(page, /p99 <= 0\.5x nginx \| 1\.00x \| not judged: the core was shared/)
  })

  it('three digits, whatever the size', () => {
    assert.deepEqual(
      [0.1234, 1.234, 12.34, 1234.5].map((value) => digits(value, 3)),
      ['0.123', '1.23', '12.3', '1235'],
    )
  })

  it('the page keeps its words, and a later run of a row wins', () => {
    const run = (rate: number) => ({
      date: '2026-01-02T03:04:05.000Z',
      machine: { cpu: 'C', cores: 2, memoryGib: 4, kernel: '6', node: 'v24', openssl: '3' },
      command: '',
      rounds: 1,
      seconds: 1,
      rows: [row(series('gwproxy', rate, 33, 1), series('nginx', 100, 10, 1))],
    })
    const page = withTables(`before\n${BEGIN}\nold\n${END}\nafter\n`, [run(30), run(60)])
    assert.ok(page.startsWith('before\n') && page.endsWith('\nafter\n'))
    assert.doesNotMatch(page, /old|0\.300x/)
    assert.match(page, /\| HTTPS 1 KiB \| >= 0\.5x nginx \| 0\.600x \| met \|/)
    assert.throws(() => withTables('no marks', [run(1)]), /no place/)
  })
})
