/** Metrics that are computed anew at each scrape, so that labels of what is gone go as well. */
import { Counter, Gauge, type Registry } from 'prom-client'

export type SetValue = (value: number, labels?: Readonly<Record<string, string>>) => void

export type AddGauge = (
  name: string,
  help: string,
  labelNames: readonly string[],
  collect: (set: SetValue) => void,
) => void

/** As for gauges; `collect` names the totals so far. */
export type AddCounter = AddGauge

export function gauges(register: Registry): AddGauge {
  return (name, help, labelNames, collect) => {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [register],
      collect() {
        this.reset()
        collect((value, labels = {}) => this.set(labels, value))
      },
    })
  }
}

export function counters(register: Registry): AddCounter {
  return (name, help, labelNames, collect) => {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [register],
      collect() {
        this.reset()
        collect((value, labels = {}) => this.inc(labels, value))
      },
    })
  }
}
