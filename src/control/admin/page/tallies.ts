/** The traffic totals by what the status page has rows for. */
import { OUTCOMES, type OutcomeRow, type Reason } from '../../../model/outcome.ts'
import type { TrafficTotals } from '../../../observe/traffic-totals.ts'
import type { FailureRow, Tally } from './contract.ts'

export interface Tallies {
  readonly all: Tally
  listener(gateway: string, name: string): Tally
  /** `HTTPRoute/namespace/name`. */
  route(name: string): Tally
  endpoint(address: string): { readonly connects: number; readonly failedConnects: number }
  /** In the order of the outcome table, those that happened. */
  readonly failures: readonly FailureRow[]
}

type Field = keyof Tally

const NONE: Tally = { connections: 0, requests: 0, failures: 0, receivedBytes: 0, sentBytes: 0 }

/** `gateway` and `listener` are the labels of the metrics: a ListenerSet is `ListenerSet/ns/name`. */
export function tally(totals: Pick<TrafficTotals, 'counter'>): Tallies {
  const all = { ...NONE }
  const listeners = new Cells()
  const routes = new Cells()
  const reasons = new Map<string, { connections: number; requests: number }>()
  const ended = (reason: string, field: 'connections' | 'requests', by: number): void => {
    const cell = reasons.get(reason) ?? { connections: 0, requests: 0 }
    cell[field] += by
    reasons.set(reason, cell)
  }
  const add = (field: Field, gateway: string, listener: string, route: string, by: number) => {
    all[field] += by
    listeners.of(listenerKey(gateway, listener))[field] += by
    routes.of(route)[field] += by
  }
  for (const [[, gateway = '', listener = '', , reason = ''], by] of totals.counter(
    'connections_total',
  )) {
    add('connections', gateway, listener, '', by)
    if (isFailure(reason)) add('failures', gateway, listener, '', by)
    ended(reason, 'connections', by)
  }
  for (const [labels, by] of totals.counter('http_requests_total')) {
    const [gateway = '', listener = '', route = '', , code = '', reason = ''] = labels
    add('requests', gateway, listener, route, by)
    if (Number(code) >= 500 || isFailure(reason)) add('failures', gateway, listener, route, by)
    ended(reason, 'requests', by)
  }
  for (const [[gateway = '', listener = '', route = ''], by] of totals.counter(
    'received_bytes_total',
  )) {
    add('receivedBytes', gateway, listener, route, by)
  }
  for (const [[gateway = '', listener = '', route = ''], by] of totals.counter(
    'sent_bytes_total',
  )) {
    add('sentBytes', gateway, listener, route, by)
  }
  const connects = connectsOf(totals)
  return {
    all,
    listener: (gateway, name) => listeners.get(listenerKey(gateway, name)),
    route: (name) => routes.get(name),
    endpoint: (address) => connects.get(address) ?? { connects: 0, failedConnects: 0 },
    failures: Object.entries<OutcomeRow>(OUTCOMES).flatMap(([reason, { side }]) => {
      const cell = reasons.get(reason)
      return side === 'none' || cell === undefined ? [] : [{ reason, side, ...cell }]
    }),
  }
}

class Cells {
  readonly #cells = new Map<string, Record<Field, number>>()

  of(key: string): Record<Field, number> {
    const known = this.#cells.get(key)
    if (known !== undefined) return known
    const cell = { ...NONE }
    this.#cells.set(key, cell)
    return cell
  }

  get(key: string): Tally {
    return this.#cells.get(key) ?? NONE
  }
}

function connectsOf(
  totals: Pick<TrafficTotals, 'counter'>,
): ReadonlyMap<string, { connects: number; failedConnects: number }> {
  const connects = new Map<string, { connects: number; failedConnects: number }>()
  for (const [[endpoint = '', result], by] of totals.counter('upstream_connects_total')) {
    const cell = connects.get(endpoint) ?? { connects: 0, failedConnects: 0 }
    cell[result === 'ok' ? 'connects' : 'failedConnects'] += by
    connects.set(endpoint, cell)
  }
  return connects
}

function listenerKey(gateway: string, listener: string): string {
  return `${gateway}\t${listener}`
}

/** Not what a client did, and not what a drain or a reload ended as it was asked to. */
function isFailure(reason: string): boolean {
  if (!Object.hasOwn(OUTCOMES, reason)) return false
  const { side } = OUTCOMES[reason as Reason]
  return side === 'upstream' || reason === 'overload' || reason === 'internal-error'
}
