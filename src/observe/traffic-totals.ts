/**
 * The totals of all workers since the daemon started: the sum of their deltas. Bounded in series:
 * what comes after the bound is counted in one series whose labels are all `_other`.
 */
import {
  BUCKETS,
  COUNTERS,
  type CounterName,
  HISTOGRAMS,
  type HistogramName,
  SEPARATOR,
} from './traffic-families.ts'
import type { Distributed, TrafficDelta } from './traffic-meter.ts'

export const OTHER = '_other'

export interface SeriesBounds {
  readonly counters: number
  readonly histograms: number
}

const BOUNDS: SeriesBounds = { counters: 20_000, histograms: 5_000 }

export class TrafficTotals {
  readonly #bounds: SeriesBounds
  readonly #counters = new Map<CounterName, Map<string, number>>()
  readonly #histograms = new Map<HistogramName, Map<string, Distributed>>()

  /** `bounds`: series of a family. */
  constructor(bounds: SeriesBounds = BOUNDS) {
    this.#bounds = bounds
  }

  add(delta: TrafficDelta): void {
    for (const name of Object.keys(delta.counters) as CounterName[]) {
      const series = seriesOf(this.#counters, name)
      for (const [key, value] of delta.counters[name] ?? []) {
        const own = bounded(series, key, this.#bounds.counters, COUNTERS[name].labels.length)
        series.set(own, (series.get(own) ?? 0) + value)
      }
    }
    for (const name of Object.keys(delta.histograms) as HistogramName[]) {
      const series = seriesOf(this.#histograms, name)
      for (const [key, value] of delta.histograms[name] ?? []) {
        const own = bounded(series, key, this.#bounds.histograms, HISTOGRAMS[name].labels.length)
        series.set(own, sumOf(series.get(own), value))
      }
    }
  }

  /** Each series with its label values, in the family's order. */
  counter(name: CounterName): readonly (readonly [values: readonly string[], total: number])[] {
    return entries(this.#counters.get(name))
  }

  histogram(
    name: HistogramName,
  ): readonly (readonly [values: readonly string[], total: Distributed])[] {
    return entries(this.#histograms.get(name))
  }
}

function seriesOf<Name, Value>(
  families: Map<Name, Map<string, Value>>,
  name: Name,
): Map<string, Value> {
  const known = families.get(name)
  if (known !== undefined) return known
  const series = new Map<string, Value>()
  families.set(name, series)
  return series
}

function bounded(series: Map<string, unknown>, key: string, max: number, labels: number): string {
  if (series.size < max || series.has(key)) return key
  return new Array<string>(labels).fill(OTHER).join(SEPARATOR)
}

function sumOf(total: Distributed | undefined, more: Distributed): Distributed {
  if (total === undefined) return more
  const buckets = BUCKETS.map((_, index) => at(total, index) + at(more, index))
  buckets.push(at(total, BUCKETS.length) + at(more, BUCKETS.length))
  return { buckets, sum: total.sum + more.sum }
}

function at({ buckets }: Distributed, index: number): number {
  return buckets[index] ?? 0
}

function entries<Value>(
  series: Map<string, Value> | undefined,
): readonly (readonly [readonly string[], Value])[] {
  return [...(series ?? [])].map(([key, value]) => [key.split(SEPARATOR), value])
}
