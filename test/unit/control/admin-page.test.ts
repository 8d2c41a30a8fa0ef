/** The status page's summary: rows, states, traffic by row, the filter, and what it weighs. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PageSummary } from '../../../src/control/admin/page/contract.ts'
import { createSummary, type PagePlane } from '../../../src/control/admin/page/summary.ts'
import type { ManifestObject, LiveEntry, LiveReport } from '../../../src/control/admin/contract.ts'
import type { EndpointHealth } from '../../../src/ipc/messages.ts'
import type { Diagnostic } from '../../../src/model/diagnostic.ts'
import { TrafficTotals } from '../../../src/observe/traffic-totals.ts'
import { certificate, digest } from './fixtures.ts'

const NOW = Date.parse('2030-01-31T00:00:00Z')
const DAY_MS = 86_400_000

const STATS = {
  connections: 3,
  exchanges: 2,
  runtimes: 1,
  droppedLines: 0,
  loopDelayMs: { p50: 0, p99: 0, max: 0 },
  residentBytes: 0,
  cpuSeconds: 0,
}

interface Given {
  readonly objects?: readonly LiveEntry[]
  readonly problems?: readonly Diagnostic[]
  readonly counters?: Readonly<Record<string, readonly (readonly [string, number])[]>>
  readonly endpoints?: readonly (readonly EndpointHealth[])[]
  readonly certificates?: readonly number[]
}

function summaryOf(given: Given, filter = ''): PageSummary {
  const { plane, report } = sourcesOf(given)
  return createSummary({ plane, report: () => report, now: () => NOW, uptime: () => 5000 })(filter)
}

function sourcesOf(given: Given): { plane: PagePlane; report: LiveReport } {
  const { objects = [], problems = [], counters = {}, endpoints = [], certificates = [] } = given
  const traffic = new TrafficTotals()
  traffic.add({ counters, histograms: {} })
  const parts = certificates.map((days, index) => {
    const part = { ...certificate(`c${index}`), notAfter: NOW + days * DAY_MS }
    return [digest(`c${index}`), part] as const
  })
  const manifest = { generation: 7, digest: digest('m'), binds: [], parts: new Set<never>() }
  const plane: PagePlane = {
    ready: { state: 'ready', reasons: [] },
    publisher: {
      target: { revision: 7, manifest, parts: new Map(parts), keys: new Map(), binds: [] },
      settlement: { revision: 7, generation: 7, results: [], refusals: [] },
    },
    supervisor: {
      up: 2,
      restarts: 0,
      traffic,
      workers: endpoints.map((own, slot) => ({ slot, pid: slot, stats: STATS, endpoints: own })),
    },
  }
  return { plane, report: { generation: 7, objects, problems } }
}

function entry(
  kind: string,
  name: string,
  spec: unknown,
  status: unknown,
  stale = false,
): LiveEntry {
  const object: ManifestObject = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { namespace: 'default', name },
    spec,
    status,
  }
  return { origin: { file: 'a.yaml', line: 3, column: 1 }, seenAt: 0, stale, kind, object }
}

const condition = (type: string, status: string, message = '') => ({
  type,
  status,
  reason: 'Because',
  message,
})
const ACCEPTED = condition('Accepted', 'True')

const GATEWAY = entry(
  'Gateway',
  'edge',
  {
    gatewayClassName: 'gwproxy',
    listeners: [
      { name: 'web', protocol: 'HTTP', port: 80 },
      { name: 'tls', protocol: 'TLS', port: 443, hostname: 'a.test', tls: { mode: 'Passthrough' } },
    ],
  },
  {
    addresses: [{ type: 'IPAddress', value: '192.0.2.1' }],
    conditions: [ACCEPTED],
    listeners: [
      { name: 'web', attachedRoutes: 2, conditions: [condition('Programmed', 'True')] },
      { name: 'tls', attachedRoutes: 0, conditions: [condition('Programmed', 'False', 'no.')] },
    ],
  },
)

function route(name: string, ...conditions: readonly unknown[]): LiveEntry {
  const status = { parents: [{ conditions: conditions.length > 0 ? conditions : [ACCEPTED] }] }
  return entry(
    'HTTPRoute',
    name,
    { parentRefs: [{ name: 'edge' }], hostnames: [`${name}.test`] },
    status,
  )
}

describe('the rows of objects', () => {
  it('of a Gateway and its listeners, what needs a look first', () => {
    const { gateways, listeners } = summaryOf({ objects: [GATEWAY] })
    assert.deepEqual(gateways.rows, [
      {
        name: 'Gateway default/edge',
        className: 'gwproxy',
        addresses: ['192.0.2.1'],
        state: { level: 'ok', text: 'OK' },
        from: 'a.yaml:3:1',
      },
    ])
    assert.deepEqual(
      listeners.rows.map(({ name, protocol, port, hostname, routes, state }) => [
        ...[name, protocol, port, hostname, routes, state.level, state.text],
      ]),
      [
        ['tls', 'TLS Passthrough', '443', 'a.test', 0, 'error', 'Programmed=False (Because): no.'],
        ['web', 'HTTP', '80', '', 2, 'ok', 'OK'],
      ],
    )
  })

  it('of routes: broken, pending, stale, not taken, well', () => {
    const stale = { ...route('b-stale'), stale: true }
    const orphan = entry('HTTPRoute', 'a-orphan', {}, undefined)
    const broken = route('c-broken', ACCEPTED, condition('ResolvedRefs', 'False'))
    const pending = route('d-pending', condition('Programmed', 'Unknown'))
    const { routes, counts } = summaryOf({
      objects: [route('well'), pending, broken, stale, orphan],
    })
    assert.deepEqual(
      routes.rows.map(({ name, state }) => [name.replace('HTTPRoute default/', ''), state.level]),
      [
        ['a-orphan', 'error'],
        ['c-broken', 'error'],
        ['b-stale', 'warning'],
        ['d-pending', 'warning'],
        ['well', 'ok'],
      ],
    )
    assert.equal(counts.stale, 1)
  })

  it('show no Secret', () => {
    const secret = entry('Secret', 'site', undefined, undefined)
    const text = JSON.stringify(summaryOf({ objects: [secret, route('one')] }))
    assert.doesNotMatch(text, /Secret/)
  })
})

describe('traffic', () => {
  const counters = {
    connections_total: [
      ['tcp/1:80\tdefault/edge\tweb\thttp\tcompleted', 4],
      ['tcp/1:443\tdefault/edge\ttls\ttls-passthrough\tconnect-refused', 2],
      ['tcp/1:443\t\t\t\tno-chain', 1],
      ['tcp/1:80\tListenerSet/default/more\tweb\thttp\tcompleted', 9],
    ],
    http_requests_total: [
      ['default/edge\tweb\tHTTPRoute/default/one\tb\t200\tcompleted', 10],
      ['default/edge\tweb\tHTTPRoute/default/one\tb\t500\tcompleted', 3],
      ['default/edge\tweb\tHTTPRoute/default/one\tb\t403\tauth-failed', 1],
      ['default/edge\tweb\t\t\t404\tno-route', 5],
    ],
    sent_bytes_total: [['default/edge\tweb\tHTTPRoute/default/one\tb', 1000]],
    received_bytes_total: [['default/edge\tweb\tHTTPRoute/default/one\tb', 10]],
    upstream_connects_total: [
      ['192.0.2.9:80\tok', 6],
      ['192.0.2.9:80\tfailed', 2],
    ],
  } as const

  it('is told by listener and route, and in all', () => {
    const page = summaryOf({ objects: [GATEWAY, route('one')], counters })
    assert.deepEqual(page.traffic, {
      connections: 16,
      requests: 19,
      failures: 6,
      receivedBytes: 10,
      sentBytes: 1000,
    })
    const traffic = new Map(page.listeners.rows.map((row) => [row.name, row.traffic]))
    const web = { requests: 19, failures: 4, receivedBytes: 10, sentBytes: 1000 }
    assert.deepEqual(traffic.get('web'), { ...web, connections: 4 })
    assert.deepEqual([traffic.get('tls')?.connections, traffic.get('tls')?.failures], [2, 2])
    const [one] = page.routes.rows
    assert.deepEqual(one?.traffic, { ...web, connections: 0, requests: 14 })
  })

  it('that did not end well is told by reason', () => {
    assert.deepEqual(summaryOf({ counters }).failures, [
      { reason: 'no-chain', side: 'downstream', connections: 1, requests: 0 },
      { reason: 'no-route', side: 'downstream', connections: 0, requests: 5 },
      { reason: 'auth-failed', side: 'upstream', connections: 0, requests: 1 },
      { reason: 'connect-refused', side: 'upstream', connections: 2, requests: 0 },
    ])
  })

  it('of endpoints, as they are told anew', () => {
    const well = { upstream: 'Service/default/a:80', endpoint: '192.0.2.9:80', healthy: true }
    const { plane, report } = sourcesOf({})
    const workers = (...told: readonly (readonly EndpointHealth[])[]) =>
      told.map((own, slot) => ({ slot, pid: slot, stats: STATS, endpoints: own }))
    let current = workers([well], [well])
    const now: PagePlane = {
      ...plane,
      get supervisor() {
        return { ...plane.supervisor, workers: current }
      },
    }
    const sources = { report: () => report, now: () => NOW, uptime: () => 5000 }
    const summary = createSummary({ plane: now, ...sources })
    const shown = () =>
      summary('').endpoints.rows.map((row) => [
        ...[row.workers, row.ejectedBy, row.ejectedForMs, row.onTrialBy],
      ])
    assert.deepEqual(shown(), [[2, 0, 0, 0]])
    current = workers([well], [{ ...well, healthy: false, ejectedForMs: 700 }])
    assert.deepEqual(shown(), [[2, 1, 700, 0]])
    const onTrial: EndpointHealth = { ...well, isOnTrial: true }
    current = workers([well], [onTrial])
    assert.deepEqual(shown(), [[2, 0, 0, 1]])
    // Over another protocol.
    current = workers([onTrial, { ...well, healthy: false, ejectedForMs: 700 }], [onTrial])
    assert.deepEqual(shown(), [[2, 1, 700, 1]])
    current = workers([well])
    assert.deepEqual(shown(), [[1, 0, 0, 0]])
    current = []
    assert.deepEqual(shown(), [])
  })

  it('of endpoints, over workers and protocols', () => {
    const well = { upstream: 'Service/default/a:80', endpoint: '192.0.2.9:80', healthy: true }
    const out = { upstream: 'Service/default/b:80', endpoint: '192.0.2.8:80', healthy: true }
    const ejected = { ...out, healthy: false, ejectedForMs: 900 }
    const { endpoints, counts, open } = summaryOf({
      counters,
      endpoints: [
        [well, well, out],
        [well, ejected],
      ],
    })
    const none = { connects: 0, failedConnects: 0 }
    assert.deepEqual(endpoints.rows, [
      {
        upstream: out.upstream,
        endpoint: out.endpoint,
        workers: 2,
        ejectedBy: 1,
        ejectedForMs: 900,
        onTrialBy: 0,
        ...none,
      },
      {
        upstream: well.upstream,
        endpoint: well.endpoint,
        workers: 2,
        ejectedBy: 0,
        ejectedForMs: 0,
        onTrialBy: 0,
        connects: 6,
        failedConnects: 2,
      },
    ])
    assert.deepEqual([counts.ejected, open], [1, { connections: 6, exchanges: 4 }])
  })
})

describe('the lists', () => {
  it('have certificates, soonest to expire first', () => {
    const { certificates, counts } = summaryOf({ certificates: [90, -1, 13.5] })
    assert.deepEqual(
      certificates.rows.map(({ daysLeft }) => daysLeft),
      [-1, 13, 90],
    )
    assert.equal(counts.expiring, 2)
    assert.doesNotMatch(JSON.stringify(certificates), /chain|keyId/)
  })

  it('have problems, errors first, no notes, none of endless length', () => {
    const problem = { code: 'schema', origin: { file: 'b.yaml', line: 9, column: 2 } } as const
    const problems: Diagnostic[] = [
      { ...problem, severity: 'note', message: 'n' },
      { ...problem, severity: 'warning', message: 'w' },
      { ...problem, severity: 'error', message: 'e'.repeat(100_000), help: 'h' },
    ]
    const page = summaryOf({ problems })
    assert.deepEqual(
      page.problems.rows.map(({ severity, at }) => [severity, at]),
      [
        ['error', 'b.yaml:9:2'],
        ['warning', 'b.yaml:9:2'],
      ],
    )
    assert.deepEqual([page.counts.errors, page.counts.warnings], [1, 1])
    assert.ok(JSON.stringify(page).length < 10_000)
  })

  it('are bounded, counted, and filtered by any text', () => {
    const objects = Array.from({ length: 10_000 }, (_, index) => route(`r${index}`))
    const all = summaryOf({ objects })
    assert.deepEqual(
      [all.routes.total, all.routes.matching, all.routes.rows.length],
      [10_000, 10_000, 100],
    )
    assert.ok(JSON.stringify(all).length < 100_000)
    const { routes } = summaryOf({ objects: [...objects, route('special')] }, ' SPECIAL.test ')
    assert.deepEqual([routes.total, routes.matching], [10_001, 1])
    assert.equal(routes.rows[0]?.name, 'HTTPRoute default/special')
    assert.equal(summaryOf({ objects }, 'constructor').routes.matching, 0)
  })
})
