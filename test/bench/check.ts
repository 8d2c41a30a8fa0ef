/**
 * `--check`: whether gwproxy has become dearer than it was. What is compared is CPU per operation
 * relative to the row's rival in the same run, so that a baseline means something on another machine.
 * Pure.
 */
import { ratio, type RowResult, type RunResult } from './result.ts'

/** How much dearer it may be, and how far apart the rounds of a row may lie to be judged. */
export const TOLERANCE = 0.15
export const STEADY = 0.1

export interface Baseline {
  readonly recorded: string
  readonly machine: string
  /** By row: gwproxy's CPU per operation divided by the rival's. */
  readonly rows: Readonly<Record<string, { readonly rival: string; readonly cpu: number }>>
}

export interface Finding {
  readonly row: string
  readonly isWorse: boolean
  readonly text: string
}

export function check(baseline: Baseline, row: RowResult): Finding {
  const finding = (isWorse: boolean, text: string): Finding => ({ row: row.name, isWorse, text })
  if (row.failure !== undefined) return finding(true, `not measured: ${row.failure}`)
  const known = baseline.rows[row.name]
  if (known === undefined) return finding(false, 'not in the baseline')
  const now = cpuRatio(row, known.rival)
  if (now === undefined) return finding(false, `${known.rival} did not take part`)
  const width = (now.high - now.low) / now.median
  const change = now.median / known.cpu - 1
  const figures = `${now.median.toFixed(2)}x ${known.rival}, baseline ${known.cpu.toFixed(2)}x: ${signed(change)}`
  if (width >= STEADY)
    return finding(false, `${figures}, not judged: rounds differ by ${percent(width)}`)
  if (change > TOLERANCE) return finding(true, `${figures}: WORSE`)
  return finding(false, change < -TOLERANCE ? `${figures}: better, record it` : figures)
}

/** Of the rows that have a rival and a CPU per operation, and were steady. */
export function baselineOf(run: RunResult): Baseline {
  const rows = run.rows.flatMap((row) => {
    const rival = row.series.find(({ isOurs }) => !isOurs)?.name
    const now = rival === undefined ? undefined : cpuRatio(row, rival)
    if (rival === undefined || now === undefined) return []
    return [[row.name, { rival, cpu: Number(now.median.toFixed(3)) }] as const]
  })
  const { cpu, kernel } = run.machine
  return { recorded: run.date, machine: `${cpu}, Linux ${kernel}`, rows: Object.fromEntries(rows) }
}

function cpuRatio({ series }: RowResult, rival: string) {
  const [ours] = series
  const theirs = series.find(({ name }) => name === rival)
  return ours === undefined || theirs === undefined ? undefined : ratio(ours, theirs, 'cpu')
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function signed(share: number): string {
  return `${share < 0 ? '' : '+'}${percent(share)}`
}
