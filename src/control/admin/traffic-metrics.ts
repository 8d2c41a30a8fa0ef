/** The traffic of all workers in Prometheus' terms, made at each scrape from the totals. */
import {
  Gauge,
  type MetricType,
  type MetricObjectWithValues,
  type MetricValueWithName,
  type Registry,
} from 'prom-client'
import {
  BUCKETS,
  COUNTERS,
  type CounterName,
  HISTOGRAMS,
  type HistogramName,
} from '../../observe/traffic-families.ts'
import type { Distributed } from '../../observe/traffic-meter.ts'
import type { TrafficTotals } from '../../observe/traffic-totals.ts'
import { counters } from './metric-families.ts'

export function addTraffic(register: Registry, totals: TrafficTotals): void {
  const counter = counters(register)
  for (const name of Object.keys(COUNTERS) as CounterName[]) {
    const { help, labels } = COUNTERS[name]
    counter(`gwproxy_${name}`, help, labels, (add) => {
      for (const [values, total] of totals.counter(name)) add(total, labelled(labels, values))
    })
  }
  for (const name of Object.keys(HISTOGRAMS) as HistogramName[]) {
    register.registerMetric(new TotalsHistogram(totals, name))
  }
}

// What the library has at run time is a word; its types say a number.
const HISTOGRAM = 'histogram' as unknown as MetricType

/**
 * prom-client's histogram can only observe single values; this one shows distributions made
 * elsewhere. It is a Gauge by descent alone: the class whose `get` the registry asks.
 */
class TotalsHistogram extends Gauge<string> {
  readonly #totals: TrafficTotals
  readonly #name: HistogramName

  constructor(totals: TrafficTotals, name: HistogramName) {
    const { help, labels } = HISTOGRAMS[name]
    super({ name: `gwproxy_${name}`, help, labelNames: [...labels], registers: [] })
    this.#totals = totals
    this.#name = name
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { labels } = HISTOGRAMS[this.#name]
    const shown = await super.get()
    const values = this.#totals
      .histogram(this.#name)
      .flatMap(([own, total]) => rows(`gwproxy_${this.#name}`, labelled(labels, own), total))
    return { ...shown, type: HISTOGRAM, values }
  }
}

function rows(
  name: string,
  labels: Readonly<Record<string, string>>,
  { buckets, sum }: Distributed,
): MetricValueWithName<string>[] {
  let count = 0
  const cumulative = [...BUCKETS, '+Inf'].map((le, index) => {
    count += buckets[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
  })
  return [
    ...cumulative,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}

function labelled(
  names: readonly string[],
  values: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
}
