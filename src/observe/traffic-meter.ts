/**
 * Counts traffic in a worker, from the same records that the access log is written from: a line
 * and a count never disagree. What was counted since the last time travels to control with the
 * heartbeat, so that a worker's end loses a second of counts and never a total.
 */
import { outcomeRow, type Reason } from '../model/outcome.ts'
import type { RouteRef } from '../model/identity.ts'
import type { AccessLog, ConnectionRecord, ExchangeRecord } from './access-log.ts'
import { ConnectionTallies, type ConnectionTally } from './connection-tallies.ts'
import { Distribution } from './distribution.ts'
import { type ExchangeTally, ExchangeTallies } from './exchange-tallies.ts'
import {
  COUNTERS,
  type CounterName,
  HISTOGRAMS,
  type HistogramName,
  SEPARATOR,
} from './traffic-families.ts'

/** As it travels: buckets (one more than BUCKETS), not cumulative, and the sum in seconds. */
export type Distributed = Pick<Distribution, 'buckets' | 'sum'>

/** What was counted since the last one. Keys are label values in their family's order. */
export interface TrafficDelta {
  readonly counters: Readonly<Partial<Record<CounterName, readonly (readonly [string, number])[]>>>
  readonly histograms: Readonly<
    Partial<Record<HistogramName, readonly (readonly [string, Distributed])[]>>
  >
}

const RESUMED = { true: 'true', false: 'false' } as const

export class TrafficMeter implements AccessLog {
  readonly #counters = mapsFor<CounterName, number>(COUNTERS)
  readonly #histograms = mapsFor<HistogramName, Distribution>(HISTOGRAMS)
  readonly #connections = new ConnectionTallies()
  readonly #exchanges = new ExchangeTallies()
  #isEmpty = true

  connection(record: ConnectionRecord): void {
    this.#connections.add(record)
    this.#handshake(record)
    this.#isEmpty = false
  }

  exchange(record: ExchangeRecord): void {
    this.#exchanges.add(record)
    this.#isEmpty = false
  }

  /** `labels`: values in the family's order; those of a gateway and its listener may be joined. */
  count(name: CounterName, labels: readonly string[], by = 1): void {
    if (by === 0) return
    const key = labels.join(SEPARATOR)
    const series = this.#counters[name]
    series.set(key, (series.get(key) ?? 0) + by)
    this.#isEmpty = false
  }

  /** As `count`, for a duration in milliseconds. */
  observe(name: HistogramName, labels: readonly string[], ms: number): void {
    this.#distribution(name, labels).add(ms)
    this.#isEmpty = false
  }

  /** What was counted since the last call; undefined: nothing. */
  take(): TrafficDelta | undefined {
    if (this.#isEmpty) return undefined
    for (const tally of this.#connections.take()) this.#countConnections(tally)
    for (const tally of this.#exchanges.take()) this.#countExchanges(tally)
    this.#isEmpty = true
    return { counters: emptied(this.#counters), histograms: emptied(this.#histograms) }
  }

  #countConnections(tally: ConnectionTally): void {
    const { bind, action = '', route, upstream, reason, count, connects } = tally
    const from = listenerLabels(tally.listener)
    this.count('connections_total', [bind, from, action, reason], count)
    if (reason === 'no-chain') this.count('sni_unmatched_total', [bind], count)
    if (connects !== undefined && upstream !== undefined) {
      this.#distribution('upstream_connect_seconds', [upstream]).addAll(connects)
    }
    if (route === undefined) return
    const labels = [from, routeLabel(route), upstream ?? '']
    this.count('received_bytes_total', labels, tally.received)
    this.count('sent_bytes_total', labels, tally.sent)
  }

  #countExchanges(tally: ExchangeTally): void {
    const from = listenerLabels(tally.listener)
    const route = routeLabel(tally.route)
    const backend = tally.upstream ?? ''
    for (const { status, reason, count, durations } of tally.ends) {
      this.count('http_requests_total', [from, route, backend, String(status), reason], count)
      const code = status === 0 ? 'none' : `${Math.floor(status / 100)}xx`
      const labels = [from, route, backend, code]
      this.#distribution('http_request_duration_seconds', labels).addAll(durations)
    }
    this.count('http_retries_total', [route, backend], tally.retries)
    this.count('received_bytes_total', [from, route, backend], tally.received)
    this.count('sent_bytes_total', [from, route, backend], tally.sent)
  }

  #handshake(record: ConnectionRecord): void {
    const { tls, handshakeMs, action, listener } = record
    if (tls !== undefined) {
      const from = listenerLabels(listener)
      const resumed = RESUMED[`${tls.resumed}`]
      const { version, group = '' } = tls
      this.count('tls_handshakes_total', [from, 'ok', version, group, resumed])
      if (handshakeMs !== undefined) {
        this.observe('tls_handshake_seconds', [from, resumed], handshakeMs)
      }
    } else if (action === 'tls-terminate' && failsHandshake(record.reason)) {
      const labels = [listenerLabels(listener), record.reason, '', '', '']
      this.count('tls_handshakes_total', labels)
    }
  }

  #distribution(name: HistogramName, labels: readonly string[]): Distribution {
    const key = labels.join(SEPARATOR)
    const series = this.#histograms[name]
    const known = series.get(key)
    if (known !== undefined) return known
    const made = new Distribution()
    series.set(key, made)
    return made
  }
}

/** Each record to all of them, in order. */
export function tee(...logs: readonly AccessLog[]): AccessLog {
  return {
    connection: (record) => {
      for (const log of logs) log.connection(record)
    },
    exchange: (record) => {
      for (const log of logs) log.exchange(record)
    },
  }
}

function failsHandshake(reason: Reason): boolean {
  return outcomeRow(reason).side === 'downstream' || reason === 'no-certificate'
}

/** `Gateway/default/edge/https` as the values of gateway and listener; a ListenerSet is named as one. */
function listenerLabels(key: string | undefined): string {
  if (key === undefined || key === '') return SEPARATOR
  const cut = key.lastIndexOf('/')
  const parent = key.slice(0, cut)
  const gateway = parent.startsWith('Gateway/') ? parent.slice('Gateway/'.length) : parent
  return gateway + SEPARATOR + key.slice(cut + 1)
}

function routeLabel(route: RouteRef | undefined): string {
  return route === undefined ? '' : `${route.kind}/${route.namespace}/${route.name}`
}

function mapsFor<Name extends string, Value>(
  families: Record<Name, unknown>,
): Record<Name, Map<string, Value>> {
  const names = Object.keys(families) as Name[]
  return Object.fromEntries(names.map((name) => [name, new Map()])) as Record<
    Name,
    Map<string, Value>
  >
}

function emptied<Name extends string, Value>(
  maps: Record<Name, Map<string, Value>>,
): Partial<Record<Name, (readonly [string, Value])[]>> {
  const taken: Partial<Record<Name, (readonly [string, Value])[]>> = {}
  for (const name of Object.keys(maps) as Name[]) {
    if (maps[name].size === 0) continue
    taken[name] = [...maps[name]]
    maps[name].clear()
  }
  return taken
}
