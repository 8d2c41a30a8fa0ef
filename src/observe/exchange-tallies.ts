/**
 * Exchanges as a worker counts them between two heartbeats: by where they came from and went to, and
 * how they ended. Labels are made when the counts are collected, not for each exchange.
 */
import type { RouteRef } from '../model/identity.ts'
import type { Reason } from '../model/outcome.ts'
import type { ExchangeRecord } from './access-log.ts'
import { Distribution } from './distribution.ts'

/** Exchanges that came by one listener and route and went to one upstream. */
export class ExchangeTally {
  readonly listener: string
  readonly route: RouteRef | undefined
  readonly upstream: string | undefined
  readonly ends: ExchangeEnds[] = []
  received = 0
  sent = 0
  /** Attempts beyond the first. */
  retries = 0

  constructor({ listener, route, upstream }: ExchangeRecord) {
    this.listener = listener
    this.route = route
    this.upstream = upstream
  }

  add(record: ExchangeRecord): void {
    this.received += record.bytesReceived
    this.sent += record.bytesSent
    if (record.attempts > 1) this.retries += record.attempts - 1
    const { status, reason } = record
    let ends = this.ends.find((each) => each.status === status && each.reason === reason)
    if (ends === undefined) {
      ends = { status, reason, count: 0, durations: new Distribution() }
      this.ends.push(ends)
    }
    ends.count += 1
    ends.durations.add(record.durationMs)
  }
}

/** Those of them that ended the same way: a few, of which upstreams choose the status. */
export interface ExchangeEnds {
  readonly status: number
  readonly reason: Reason
  count: number
  readonly durations: Distribution
}

/** Found by identity: two of them may have equal names. */
type Tallies = Map<RouteRef | undefined, ExchangeTally[]>

export class ExchangeTallies {
  #tallies: Tallies = new Map()

  add(record: ExchangeRecord): void {
    let ofRoute = this.#tallies.get(record.route)
    if (ofRoute === undefined) {
      ofRoute = []
      this.#tallies.set(record.route, ofRoute)
    }
    const { listener, upstream } = record
    let tally = ofRoute.find((each) => each.upstream === upstream && each.listener === listener)
    if (tally === undefined) {
      tally = new ExchangeTally(record)
      ofRoute.push(tally)
    }
    tally.add(record)
  }

  /** What was counted since the last call. Rules that left the configuration are not kept. */
  take(): readonly ExchangeTally[] {
    const all = [...this.#tallies.values()].flat()
    this.#tallies = new Map()
    return all
  }
}
