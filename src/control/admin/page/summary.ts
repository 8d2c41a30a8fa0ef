/** `GET /page?filter=`: the summary that the status page polls. */
import { BUILD } from '../../../ipc/build.ts'
import { type Diagnostic, formatOrigin } from '../../../model/diagnostic.ts'
import type { CertificatePart } from '../../../model/tls.ts'
import type { TrafficTotals } from '../../../observe/traffic-totals.ts'
import { capLength } from '../../../observe/redact.ts'
import type { ControlPlane } from '../../control-plane.ts'
import type { LiveReport } from '../contract.ts'
import type { CertificateRow, EndpointRow, PageList, PageSummary, ProblemRow } from './contract.ts'
import { type ObjectRows, objectRows } from './object-rows.ts'
import { type Tallies, tally } from './tallies.ts'

/** What of the control plane the page is made of. */
export interface PagePlane {
  readonly ready: ControlPlane['ready']
  readonly publisher: Pick<ControlPlane['publisher'], 'target' | 'settlement'>
  readonly supervisor: Pick<ControlPlane['supervisor'], 'workers' | 'up' | 'restarts'> & {
    readonly traffic: Pick<TrafficTotals, 'counter'>
  }
}

export interface PageSources {
  readonly plane: PagePlane
  readonly report: () => LiveReport
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds since the daemon's start. */
  readonly uptime: () => number
}

/** Rows of a list: what a person reads, and what a poll every two seconds may weigh. */
const MAX_ROWS = 100
/** Characters of a message, of its help, of a condition. */
const MAX_TEXT = 2000
/** Names of one certificate or route. */
const MAX_NAMES = 20
const DAY_MS = 86_400_000
/** As the alert rules in packaging/ have it. */
const EXPIRING_DAYS = 14

/** Takes what the filter box holds; rows that contain it, in whatever column, are shown. */
export function createSummary(sources: PageSources): (filter: string) => PageSummary {
  const { plane, report, now, uptime } = sources
  const startedAt = new Date(now() - uptime()).toISOString()
  // Rows change with the configuration alone: most polls find them made.
  let made: { readonly of: LiveReport; readonly rows: ObjectRows } | undefined
  const endpointsNow = endpointRows()
  return (filter) => {
    const current = report()
    if (made?.of !== current) made = { of: current, rows: objectRows(current) }
    const tallies = tally(plane.supervisor.traffic)
    const certificates = certificateRows(plane, now())
    const endpoints = endpointsNow(plane.supervisor.workers)
    const problems = problemRows(current.problems)
    const { workers, up, restarts } = plane.supervisor
    return {
      version: BUILD,
      startedAt,
      uptimeMs: uptime(),
      generation: plane.publisher.settlement?.generation ?? 0,
      ready: plane.ready,
      workers: up,
      restarts,
      open: {
        connections: sum(workers.map(({ stats }) => stats.connections)),
        exchanges: sum(workers.map(({ stats }) => stats.exchanges)),
      },
      counts: {
        errors: problems.filter(({ severity }) => severity === 'error').length,
        warnings: problems.filter(({ severity }) => severity === 'warning').length,
        stale: current.objects.filter(({ stale }) => stale).length,
        expiring: certificates.filter(({ daysLeft }) => daysLeft < EXPIRING_DAYS).length,
        ejected: endpoints.filter(({ ejectedBy }) => ejectedBy > 0).length,
      },
      traffic: tallies.all,
      ...lists(made.rows, tallies, filter),
      problems: listOf(problems, filter),
      certificates: listOf(certificates, filter),
      endpoints: mapped(listOf(endpoints, filter), (row) => ({
        ...row,
        ...tallies.endpoint(row.endpoint),
      })),
      failures: tallies.failures,
    }
  }
}

function lists(
  { gateways, listeners, routes }: ObjectRows,
  tallies: Tallies,
  filter: string,
): Pick<PageSummary, 'gateways' | 'listeners' | 'routes'> {
  return {
    gateways: listOf(gateways, filter),
    listeners: mapped(
      listOf(listeners, filter),
      ({ labels: [gateway = '', name = ''], ...row }) => ({
        ...row,
        traffic: tallies.listener(gateway, name),
      }),
    ),
    routes: mapped(listOf(routes, filter), ({ labels: [name = ''], ...row }) => ({
      ...row,
      hostnames: row.hostnames.slice(0, MAX_NAMES),
      parents: row.parents.slice(0, MAX_NAMES),
      traffic: tallies.route(name),
    })),
  }
}

/** Errors first, else as the files have them. */
function problemRows(problems: readonly Diagnostic[]): readonly ProblemRow[] {
  return (['error', 'warning'] as const).flatMap((severity) =>
    problems
      .filter((problem) => problem.severity === severity)
      .map(({ origin, object = '', path = '', message, help = '' }) => ({
        severity,
        at: formatOrigin(origin),
        object,
        path,
        message,
        help,
      })),
  )
}

/** Soonest to expire first. */
function certificateRows({ publisher: { target } }: PagePlane, now: number): CertificateRow[] {
  return [...(target?.parts.values() ?? [])]
    .filter((part): part is CertificatePart => part.kind === 'certificate')
    .sort((a, b) => a.notAfter - b.notAfter)
    .map(({ source, dnsNames, keyType, notAfter }) => ({
      source,
      dnsNames: dnsNames.slice(0, MAX_NAMES),
      keyType,
      notAfter: new Date(notAfter).toISOString(),
      daysLeft: Math.floor((notAfter - now) / DAY_MS),
    }))
}

type UntalliedEndpoint = Omit<EndpointRow, 'connects' | 'failedConnects'>
type Workers = PagePlane['supervisor']['workers']

/** Workers tell of their endpoints when something has changed: until then the rows are the same. */
function endpointRows(): (workers: Workers) => readonly UntalliedEndpoint[] {
  let told: Workers = []
  let rows: readonly UntalliedEndpoint[] = []
  return (workers) => {
    const isSame = (worker: Workers[number], at: number): boolean =>
      worker.slot === told[at]?.slot && worker.endpoints === told[at].endpoints
    if (workers.length === told.length && workers.every(isSame)) return rows
    told = workers
    rows = rowsOf(workers)
    return rows
  }
}

/**
 * One row for an endpoint of an upstream, over all workers and protocols; those that failed first, what
 * is worst of a worker's protocols counts.
 */
function rowsOf(workers: Workers): readonly UntalliedEndpoint[] {
  const views = new Map<string, EndpointView>()
  for (const { slot, endpoints } of workers) {
    for (const { upstream, endpoint, healthy, ejectedForMs = 0, isOnTrial } of endpoints) {
      const key = `${upstream}\t${endpoint}`
      const view = views.get(key) ?? new EndpointView(upstream, endpoint)
      views.set(key, view)
      view.workers.add(slot)
      if (isOnTrial) view.onTrialBy.add(slot)
      if (healthy) continue
      view.ejectedBy.add(slot)
      view.ejectedForMs = Math.max(view.ejectedForMs, ejectedForMs)
    }
  }
  const rank = ({ ejectedBy, onTrialBy }: EndpointView): string =>
    ejectedBy.size > 0 ? '0' : onTrialBy.size > 0 ? '1' : '2'
  return [...views]
    .sort(([a, one], [b, other]) => (rank(one) + a < rank(other) + b ? -1 : 1))
    .map(([, { upstream, endpoint, workers, ejectedBy, ejectedForMs, onTrialBy }]) => ({
      upstream,
      endpoint,
      workers: workers.size,
      ejectedBy: ejectedBy.size,
      ejectedForMs,
      onTrialBy: [...onTrialBy].filter((slot) => !ejectedBy.has(slot)).length,
    }))
}

/** An endpoint as all workers see it. */
class EndpointView {
  readonly upstream: string
  readonly endpoint: string
  readonly workers = new Set<number>()
  readonly ejectedBy = new Set<number>()
  readonly onTrialBy = new Set<number>()
  ejectedForMs = 0

  constructor(upstream: string, endpoint: string) {
    this.upstream = upstream
    this.endpoint = endpoint
  }
}

function listOf<Row extends object>(rows: readonly Row[], filter: string): PageList<Row> {
  const wanted = filter.trim().toLowerCase()
  const fitting = wanted === '' ? rows : rows.filter((row) => holds(row, wanted))
  return {
    total: rows.length,
    matching: fitting.length,
    rows: fitting.slice(0, MAX_ROWS).map((row) => capped(row)),
  }
}

function mapped<From, To>(list: PageList<From>, to: (row: From) => To): PageList<To> {
  return { ...list, rows: list.rows.map(to) }
}

/** In any text of the row, also of what it holds. */
function holds(value: unknown, wanted: string): boolean {
  if (typeof value === 'string') return value.toLowerCase().includes(wanted)
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some((member) => holds(member, wanted))
}

function capped<Row extends object>(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      typeof value === 'string' ? capLength(value, MAX_TEXT) : value,
    ]),
  ) as Row
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
