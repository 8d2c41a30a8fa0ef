/**
 * Connections as a worker counts them between two heartbeats: by where they came in, where they went
 * and how they ended. Labels are made when the counts are collected, not for each connection.
 */
import type { RouteRef } from '../model/identity.ts'
import type { Reason } from '../model/outcome.ts'
import type { ConnectionRecord } from './access-log.ts'
import { Distribution } from './distribution.ts'

/** Connections that went one way and ended the same way. */
export class ConnectionTally {
  readonly bind: string
  readonly listener: string | undefined
  readonly action: string | undefined
  readonly route: RouteRef | undefined
  readonly upstream: string | undefined
  readonly reason: Reason
  count = 0
  /** Of those without exchanges: the bytes of HTTP are counted by exchange. */
  received = 0
  sent = 0
  /** Of those that had one. */
  connects: Distribution | undefined

  constructor({ bind, listener, action, route, upstream, reason }: ConnectionRecord) {
    this.bind = bind
    this.listener = listener
    this.action = action
    this.route = route
    this.upstream = upstream
    this.reason = reason
  }

  fits({ bind, action, upstream, reason }: ConnectionRecord): boolean {
    return (
      this.reason === reason &&
      this.upstream === upstream &&
      this.bind === bind &&
      this.action === action
    )
  }

  add({ connectMs, exchanges, bytesReceived, bytesSent }: ConnectionRecord): void {
    this.count += 1
    if (exchanges === undefined) {
      this.received += bytesReceived
      this.sent += bytesSent
    }
    if (connectMs === undefined) return
    this.connects ??= new Distribution()
    this.connects.add(connectMs)
  }
}

/** By listener, then by route: each may have thousands, of what is left there are a few. */
type Tallies = Map<string | undefined, Map<RouteRef | undefined, ConnectionTally[]>>

export class ConnectionTallies {
  #tallies: Tallies = new Map()

  add(record: ConnectionRecord): void {
    const tallies = this.#of(record)
    let tally = tallies.find((each) => each.fits(record))
    if (tally === undefined) {
      tally = new ConnectionTally(record)
      tallies.push(tally)
    }
    tally.add(record)
  }

  /** What was counted since the last call. What left the configuration is not kept. */
  take(): readonly ConnectionTally[] {
    const all = [...this.#tallies.values()].flatMap((routes) => [...routes.values()].flat())
    this.#tallies = new Map()
    return all
  }

  #of({ listener, route }: ConnectionRecord): ConnectionTally[] {
    let routes = this.#tallies.get(listener)
    if (routes === undefined) {
      routes = new Map()
      this.#tallies.set(listener, routes)
    }
    let tallies = routes.get(route)
    if (tallies === undefined) {
      tallies = []
      routes.set(route, tallies)
    }
    return tallies
  }
}
