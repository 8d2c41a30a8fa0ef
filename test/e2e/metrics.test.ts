/**
 * The exposition as a scraper sees it, read by Prometheus' own parser: traffic of every kind
 * moves its series, no label shows what a client chose, and whatever the dashboard and the alert
 * rules ask for exists and moves.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parse } from 'yaml'
import { type Backend, startHttpBackend, startTcpBackend } from '../../demo/backends.ts'
import { COUNTERS, HISTOGRAMS } from '../../src/observe/traffic-families.ts'
import { testCertificate } from '../support/certificates.ts'
import { realHello } from '../support/client-hello.ts'
import { command, curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'
import { Peer } from '../support/sockets.ts'

const PYTHON = '/usr/bin/python3'
const PARSER = resolve(import.meta.dirname, '../support/parse-metrics.py')
const PACKAGING = resolve(import.meta.dirname, '../../packaging')

/** What only a broken or overwhelmed machine moves; unit tests move them. */
const UNMOVED_HERE = new Set([
  'gwproxy_connections_refused_total',
  'gwproxy_log_lines_dropped_total',
])

const REQUESTS = 'gwproxy_http_requests_total'
const CONNECTIONS = 'gwproxy_connections_total'
/** The connection that is passed through, once it has ended. */
const PASSED = { listener: 'pass', action: 'tls-passthrough', reason: 'completed' }

type Labels = Readonly<Record<string, string>>

interface ParsedFamily {
  readonly name: string
  readonly type: string
  readonly samples: readonly (readonly [name: string, labels: Labels, value: number])[]
}

class Scrape {
  readonly text: string
  readonly #samples: ReadonlyMap<string, readonly (readonly [Labels, number])[]>

  constructor(text: string, families: readonly ParsedFamily[]) {
    this.text = text
    const all = families.flatMap(({ samples }) => samples)
    const names = new Set(all.map(([name]) => name))
    this.#samples = new Map(
      [...names].map((own) => [
        own,
        all.filter(([name]) => name === own).map(([, labels, value]) => [labels, value] as const),
      ]),
    )
  }

  /** The sum of the samples that have these labels; undefined: there is none. */
  sum(name: string, labels: Labels = {}): number | undefined {
    const wanted = Object.entries(labels)
    const fitting = (this.#samples.get(name) ?? []).filter(([own]) =>
      wanted.every(([key, value]) => own[key] === value),
    )
    return fitting.length === 0 ? undefined : fitting.reduce((total, [, value]) => total + value, 0)
  }
}

async function parsed(text: string): Promise<Scrape> {
  const { code, stdout, stderr } = await command(PYTHON, [PARSER], { input: text })
  assert.equal(code, 0, stderr)
  return new Scrape(text, JSON.parse(stdout))
}

/** Where CI is set, a missing parser is a failure. */
function withoutParser(): string | false {
  const found = spawnSync(PYTHON, ['-c', 'import prometheus_client.parser'])
  if (found.status === 0) return false
  const words = 'needs apt-get install python3-prometheus-client'
  assert.equal(process.env['CI'] ?? '', '', words)
  return words
}

describe('metrics', { skip: withoutParser() }, () => {
  const backends: Backend[] = []
  let daemon: Daemon
  let first: Scrape
  let last: Scrape

  async function scrape(): Promise<Scrape> {
    return parsed(String((await daemon.admin.send('GET', '/metrics')).body))
  }

  before(async () => {
    const site = await testCertificate(['site.test'])
    const web = await startHttpBackend('web')
    const pass = await startTcpBackend('pass')
    backends.push(web, pass)
    const gone = { address: '127.0.0.1', port: 1 }
    const retry = { attempts: 2, codes: [503] }
    daemon = await startDaemon({
      workers: 2,
      files: {
        'extra.yaml': yaml(...service('extra', 80, [web])),
        'all.yaml': yaml(
          {
            apiVersion: 'gateway.networking.k8s.io/v1',
            kind: 'GatewayClass',
            metadata: { name: 'gwproxy' },
            spec: { controllerName: 'gwproxy.dev/gateway-controller' },
          },
          gateway([
            httpListener('http', 8080),
            tlsListener('site', 8443, 'site.test', ['site'], 'HTTPS'),
            tlsListener('pass', 8443, 'pass.test', 'passthrough'),
          ]),
          tlsSecret('site', site),
          httpRoute('web', undefined, [
            { matches: [{ path: { value: '/gone' } }], retry, backendRefs: [backendRef('gone')] },
            { backendRefs: [backendRef('web')] },
          ]),
          tlsRoute('pass', ['pass.test'], [backendRef('pass', 443)]),
          ...service('web', 80, [web]),
          ...service('gone', 80, [gone]),
          ...service('pass', 443, [pass]),
        ),
      },
    })
    first = await scrape()
    await traffic()
    // Counts travel with the heartbeat: what a worker has not told when it dies is lost.
    await scrapeUntil(
      (seen) =>
        seen.sum(REQUESTS) === 10 &&
        seen.sum('gwproxy_sni_unmatched_total') === 1 &&
        seen.sum(CONNECTIONS, PASSED) === 1,
    )
    await killOneWorker()
    await scrapeUntil((seen) => seen.sum('gwproxy_worker_restarts_total') === 1)
    // Open while the last scrape is made: a body that is still to come.
    const unfinished = connect(8080, daemon.address)
    unfinished.write('POST / HTTP/1.1\r\nHost: held.test\r\nContent-Length: 9\r\n\r\n')
    last = await scrapeUntil((seen) => seen.sum('gwproxy_exchanges_active') === 1)
    unfinished.destroy()
  })

  after(async () => {
    assert.equal(await daemon.stop(), 0)
    for (const backend of backends) await backend.close()
  })

  async function traffic(): Promise<void> {
    const { address } = daemon
    const to = (name: string): string[] => ['--resolve', `${name}:8443:${address}`]
    await curl(['-H', 'Host: chosen-by-client.test', `http://${address}:8080/a?secret=1`])
    for (let i = 0; i < 8; i += 1) await curl([`http://${address}:8080/gone`])
    await curl(['-k', ...to('site.test'), 'https://site.test:8443/'])
    await passHello()
    assert.notEqual((await curl(['-k', ...to('nobody.test'), 'https://nobody.test:8443/'])).code, 0)
    await daemon.apply({ 'extra.yaml': 'kind: [' })
  }

  /** Both sides end in order. A TLS client may be gone when its server takes leave: a reset. */
  async function passHello(): Promise<void> {
    const client = new Peer(connect({ port: 8443, host: daemon.address, allowHalfOpen: true }))
    client.socket.end(await realHello({ servername: 'pass.test' }))
    await client.ends()
  }

  async function killOneWorker(): Promise<void> {
    const [worker] = await daemon.admin.get<{ pid: number }[]>('/endpoints')
    assert.ok(worker)
    process.kill(worker.pid, 'SIGKILL')
  }

  /** The first scrape that fits, or the last one before the time is up. */
  async function scrapeUntil(fits: (seen: Scrape) => boolean): Promise<Scrape> {
    let seen = await scrape()
    for (const end = Date.now() + 20_000; !fits(seen) && Date.now() < end; ) seen = await scrape()
    return seen
  }

  it('count traffic by what served it', () => {
    const listener = { gateway: 'default/gw', listener: 'http' }
    const route = { route: 'HTTPRoute/default/web' }
    assert.equal(last.sum(REQUESTS, { ...listener, ...route, code: '200' }), 1)
    assert.equal(last.sum(REQUESTS, { ...listener, code: '503', reason: 'connect-refused' }), 8)
    assert.equal(last.sum(REQUESTS, { listener: 'site', code: '200' }), 1)
    assert.equal(last.sum('gwproxy_http_request_duration_seconds_count', { code_class: '2xx' }), 2)
    assert.equal(last.sum('gwproxy_http_retries_total', route), 16)
    const handshakes = { listener: 'site', result: 'ok', version: 'TLSv1.3', resumed: 'false' }
    assert.equal(last.sum('gwproxy_tls_handshakes_total', handshakes), 1)
    assert.equal(last.sum('gwproxy_tls_handshake_seconds_count', { listener: 'site' }), 1)
    assert.equal(last.sum('gwproxy_sni_unmatched_total'), 1)
    assert.equal(last.sum(CONNECTIONS, PASSED), 1)
    assert.ok((last.sum('gwproxy_sent_bytes_total', { listener: 'pass' }) ?? 0) > 1000)
    assert.equal(last.sum('gwproxy_upstream_connect_seconds_count'), 1)
    assert.ok((last.sum('gwproxy_upstream_connects_total', { result: 'ok' }) ?? 0) >= 2)
    assert.ok((last.sum('gwproxy_upstream_connects_total', { result: 'failed' }) ?? 0) >= 5)
    assert.ok((last.sum('gwproxy_upstream_ejections_total', { endpoint: '127.0.0.1:1' }) ?? 0) >= 1)
  })

  it('tell the states of Gateway API', () => {
    const gw = { namespace: 'default', name: 'gw' }
    assert.equal(last.sum('gatewayapi_gateway_status', { ...gw, type: 'Programmed' }), 1)
    const attached = 'gatewayapi_gateway_status_listener_attached_routes'
    assert.equal(last.sum(attached, { ...gw, listener_name: 'http' }), 1)
    const parent = { parent_kind: 'Gateway', parent_name: 'gw', parent_namespace: 'default' }
    assert.equal(last.sum('gatewayapi_httproute_status_parent_info', parent), 1)
    assert.equal(last.sum('gatewayapi_tlsroute_hostname_info', { hostname: 'pass.test' }), 1)
    assert.equal(last.sum('gatewayapi_gatewayclass_status', { type: 'Accepted' }), 1)
    // Dashboards count objects by these; the files have no creationTimestamp.
    const now = Date.now() / 1000
    for (const kind of ['gatewayclass', 'gateway', 'httproute', 'tlsroute']) {
      const created = last.sum(`gatewayapi_${kind}_created`) ?? 0
      assert.ok(created > now - 600 && created <= now, `${kind}: ${created}`)
    }
  })

  it('show nothing that a client chose', () => {
    assert.doesNotMatch(last.text, /chosen-by-client|nobody\.test|secret=1/)
  })

  it('are what the dashboard and the alerts ask for, and move', () => {
    const dashboard = readFileSync(join(PACKAGING, 'grafana/gwproxy.json'), 'utf8')
    const rules = parse(readFileSync(join(PACKAGING, 'prometheus/alerts.yaml'), 'utf8')) as Rules
    const exprs = [
      ...[...dashboard.matchAll(/"expr": "(.*)"/g)].map((match) => match[1] ?? ''),
      ...rules.groups.flatMap((group) => group.rules.map((rule) => rule.expr)),
    ]
    assert.ok(exprs.length > 35)
    const asked = new Set(exprs.flatMap((expr) => expr.match(NAME) ?? []))
    const histograms = Object.keys(HISTOGRAMS).map((name) => `${name}_bucket`)
    for (const name of [...Object.keys(COUNTERS), ...histograms]) {
      assert.ok(asked.has(`gwproxy_${name}`), `${name} is on no panel`)
    }
    for (const name of asked) {
      assert.ok(last.text.includes(`\n# TYPE ${name.replace(/_bucket$/, '')} `), name)
      if (UNMOVED_HERE.has(name)) continue
      const [now, then] = [last.sum(name), first.sum(name)]
      assert.ok(now !== undefined, `${name} has no series`)
      assert.ok(now > 0 || now !== then, `${name} stays ${now}`)
    }
    const moved = [...asked].filter((name) => last.sum(name) !== first.sum(name))
    assert.ok(moved.length > 15, moved.join())
  })
})

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[]
}

const NAME = /\b(?:gwproxy|gatewayapi|process)_[a-z_]+/g
