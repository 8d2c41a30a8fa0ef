/** What a run found, as it goes into the JSON file; and the sums made of it. Pure. */
import type { Column, Figures, Goal } from './rows/row.ts'
import { median, pairedRatio, type Ratio, spread } from './stats.ts'

/** Of one proxy in one row, a figure per round. */
export interface Series {
  readonly name: string
  readonly version: string
  /** gwproxy, in whatever variant. */
  readonly isOurs: boolean
  readonly rounds: readonly Figures[]
}

export interface RowResult {
  readonly name: string
  readonly title: string
  readonly columns: readonly Column[]
  readonly goals: readonly Goal[]
  /** The first is gwproxy itself. */
  readonly series: readonly Series[]
  /** The load without a proxy. */
  readonly direct?: Figures
  /** Instead of series: why there are none. */
  readonly failure?: string
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly kernel: string
  readonly node: string
  readonly openssl: string
}

export interface RunResult {
  readonly date: string
  readonly machine: Machine
  readonly command: string
  readonly rounds: number
  readonly seconds: number
  readonly rows: readonly RowResult[]
}

export interface Summary {
  readonly median: number
  readonly spread: number
}

export function summary({ rounds }: Series, key: string): Summary | undefined {
  const values = rounds.flatMap((figures) => figures[key] ?? [])
  return values.length === 0 ? undefined : { median: median(values), spread: spread(values) }
}

/** Ours divided by theirs, round by round. */
export function ratio(ours: Series, theirs: Series, key: string): Ratio | undefined {
  const pick = (series: Series): number[] => series.rounds.map((figures) => figures[key] ?? 0)
  const [own, other] = [pick(ours), pick(theirs)]
  return other.some((value) => value > 0) ? pairedRatio(own, other) : undefined
}

/** Below this the load tool, the backend or somebody else was the limit: the rate says nothing of the proxy. */
export const BUSY_ENOUGH = 0.9

/** Above this the proxies' core was not theirs alone, and only CPU per operation says something. */
export const OTHERS_TOO_MUCH = 0.05

/** The largest median share of the proxies' core that somebody else used. */
export function disturbance({ series }: RowResult): number {
  return Math.max(0, ...series.map((one) => summary(one, 'others')?.median ?? 0))
}

export interface Verdict {
  readonly goal: Goal
  readonly value: number
  readonly isMet: boolean
  /** A rate was not the proxy's limit: the CPU per operation was compared instead. */
  readonly byCpu: boolean
}

/** undefined: the rival did not take part. */
export function verdict(row: RowResult, goal: Goal): Verdict | undefined {
  const ours = oursFor(row, goal)
  if (ours === undefined) return undefined
  const rival = row.series.find(({ name }) => name === goal.rival)
  if (goal.rival !== undefined && rival === undefined) return undefined
  const isBound =
    goal.column === 'rate' &&
    [ours, rival].some((one) => one && (summary(one, 'busy')?.median ?? 1) < BUSY_ENOUGH)
  const value = isBound ? cpuAdvantage(ours, rival) : compared(ours, rival, goal.column)
  if (value === undefined) return undefined
  const isMet =
    (goal.atLeast === undefined || value >= goal.atLeast) &&
    (goal.atMost === undefined || value <= goal.atMost)
  return { goal, value, isMet, byCpu: isBound }
}

/** The variant that the goal is for; of one for pure TypeScript, else gwproxy as it is. */
function oursFor({ series }: RowResult, { variant }: Goal): Series | undefined {
  const named = series.find(({ name }) => name === variant)
  return variant === undefined || variant === 'raw' ? (named ?? series[0]) : named
}

function compared(ours: Series, rival: Series | undefined, key: string): number | undefined {
  return rival === undefined ? summary(ours, key)?.median : ratio(ours, rival, key)?.median
}

function cpuAdvantage(ours: Series, rival: Series | undefined): number | undefined {
  const cost = rival && ratio(ours, rival, 'cpu')?.median
  return cost === undefined ? undefined : 1 / cost
}
