/** Counting: each record in its series, deltas that add up, a bound on series. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ConnectionRecord, ExchangeRecord } from '../../../src/observe/access-log.ts'
import { BUCKETS } from '../../../src/observe/traffic-families.ts'
import { tee, TrafficMeter } from '../../../src/observe/traffic-meter.ts'
import { OTHER, TrafficTotals } from '../../../src/observe/traffic-totals.ts'

const CONNECTION: ConnectionRecord = {
  startTime: 0,
  connectionId: 'c-1',
  bind: 'tcp/[::]:443',
  listener: 'Gateway/default/edge/tls',
  peer: '192.0.2.1:5000',
  client: '192.0.2.1',
  local: '192.0.2.2:443',
  sni: 'a.test',
  tls: undefined,
  action: 'tls-passthrough',
  route: { kind: 'TLSRoute', namespace: 'default', name: 'a' },
  upstream: 'default/a:443',
  endpoint: '10.0.0.1:443',
  bytesReceived: 10,
  bytesSent: 20,
  durationMs: 5,
  peekMs: 1,
  handshakeMs: undefined,
  connectMs: 2,
  exchanges: undefined,
  reason: 'completed',
  detail: undefined,
}

const TLS = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  group: undefined,
  alpn: 'h2',
  resumed: true,
}

const EXCHANGE: ExchangeRecord = {
  startTime: 0,
  connectionId: 'c-1',
  requestId: 'r',
  listener: 'ListenerSet/team/extra/web',
  peer: '192.0.2.1:5000',
  client: '192.0.2.1',
  sni: undefined,
  tls: undefined,
  method: 'GET',
  authority: 'evil.test',
  path: '/secret',
  protocol: 'HTTP/1.1',
  route: { kind: 'HTTPRoute', namespace: 'team', name: 'web' },
  rule: '0',
  upstream: 'team/web:80',
  endpoint: '10.0.0.2:80',
  status: 503,
  bytesReceived: 1,
  bytesSent: 2,
  durationMs: 3,
  upstreamMs: undefined,
  attempts: 3,
  userAgent: 'x',
  reason: 'connect-refused',
  detail: undefined,
}

function totalsOf(meter: TrafficMeter): TrafficTotals {
  const totals = new TrafficTotals()
  const delta = meter.take()
  if (delta !== undefined) totals.add(delta)
  return totals
}

describe('traffic', () => {
  it('of a relayed connection', () => {
    const meter = new TrafficMeter()
    meter.connection(CONNECTION)
    const totals = totalsOf(meter)
    assert.deepEqual(totals.counter('connections_total'), [
      [['tcp/[::]:443', 'default/edge', 'tls', 'tls-passthrough', 'completed'], 1],
    ])
    const route = ['default/edge', 'tls', 'TLSRoute/default/a', 'default/a:443']
    assert.deepEqual(totals.counter('received_bytes_total'), [[route, 10]])
    assert.deepEqual(totals.counter('sent_bytes_total'), [[route, 20]])
    assert.deepEqual(totals.counter('tls_handshakes_total'), [])
    const [connect] = totals.histogram('upstream_connect_seconds')
    assert.deepEqual(connect?.[0], ['default/a:443'])
    assert.equal(connect?.[1].sum, 0.002)
  })

  it('of connections that differ in one thing each', () => {
    const meter = new TrafficMeter()
    const other = { ...CONNECTION, route: { kind: 'TLSRoute', namespace: 'default', name: 'b' } }
    const same = { ...CONNECTION, route: { ...CONNECTION.route } } as ConnectionRecord
    for (const record of [
      ...[CONNECTION, same, other as ConnectionRecord],
      { ...CONNECTION, reason: 'idle-timeout' as const },
      { ...CONNECTION, upstream: 'default/b:443', connectMs: undefined },
      { ...CONNECTION, listener: 'Gateway/default/edge/other' },
      { ...CONNECTION, bind: 'tcp/[::]:444' },
    ]) {
      meter.connection(record)
    }
    const totals = totalsOf(meter)
    const row = (bind: string, listener: string, reason: string): string =>
      [`tcp/[::]:${bind}`, 'default/edge', listener, 'tls-passthrough', reason].join()
    assert.deepEqual(
      new Map(totals.counter('connections_total').map(([key, n]) => [key.join(), n])),
      new Map([
        [row('443', 'tls', 'completed'), 4],
        [row('443', 'tls', 'idle-timeout'), 1],
        [row('443', 'other', 'completed'), 1],
        [row('444', 'tls', 'completed'), 1],
      ]),
    )
    const sent = totals.counter('sent_bytes_total')
    assert.deepEqual(
      sent.map(([[, listener, route, backend], bytes]) => [listener, route, backend, bytes]),
      [
        ['tls', 'TLSRoute/default/a', 'default/a:443', 80],
        ['tls', 'TLSRoute/default/a', 'default/b:443', 20],
        ['tls', 'TLSRoute/default/b', 'default/a:443', 20],
        ['other', 'TLSRoute/default/a', 'default/a:443', 20],
      ],
    )
    const connects = totals.histogram('upstream_connect_seconds')
    assert.deepEqual(
      connects.map(([labels, { buckets }]) => [labels, buckets[1]]),
      [[['default/a:443'], 6]],
    )
  })

  it('of a name that nobody answers to', () => {
    const meter = new TrafficMeter()
    const unmatched = { listener: undefined, route: undefined, upstream: undefined }
    meter.connection({ ...CONNECTION, ...unmatched, action: undefined, reason: 'no-chain' })
    const totals = totalsOf(meter)
    assert.deepEqual(totals.counter('sni_unmatched_total'), [[['tcp/[::]:443'], 1]])
    assert.deepEqual(totals.counter('connections_total'), [
      [['tcp/[::]:443', '', '', '', 'no-chain'], 1],
    ])
    assert.deepEqual(totals.counter('received_bytes_total'), [])
  })

  it('of handshakes, good and bad', () => {
    const meter = new TrafficMeter()
    const http = { ...CONNECTION, action: 'tls-terminate', route: undefined, exchanges: 2 }
    meter.connection({ ...http, tls: TLS, handshakeMs: 4 })
    meter.connection({ ...http, reason: 'tls-handshake-failed' })
    const totals = totalsOf(meter)
    assert.deepEqual(totals.counter('tls_handshakes_total'), [
      [['default/edge', 'tls', 'ok', 'TLSv1.3', '', 'true'], 1],
      [['default/edge', 'tls', 'tls-handshake-failed', '', '', ''], 1],
    ])
    assert.equal(totals.histogram('tls_handshake_seconds').length, 1)
    assert.deepEqual(totals.counter('received_bytes_total'), [], 'counted by exchange')
  })

  it('of an exchange, without anything that the client chose', () => {
    const meter = new TrafficMeter()
    meter.exchange(EXCHANGE)
    const delta = JSON.stringify(meter.take())
    assert.doesNotMatch(delta, /evil|secret|192\.0\.2/)
    meter.exchange(EXCHANGE)
    const totals = totalsOf(meter)
    const labels = ['ListenerSet/team/extra', 'web', 'HTTPRoute/team/web', 'team/web:80']
    assert.deepEqual(totals.counter('http_requests_total'), [
      [[...labels, '503', 'connect-refused'], 1],
    ])
    assert.deepEqual(totals.counter('http_retries_total'), [[labels.slice(2), 2]])
    assert.deepEqual(totals.histogram('http_request_duration_seconds')[0]?.[0], [...labels, '5xx'])
  })

  it('of exchanges by their names, one rule or several, over heartbeats', () => {
    const meter = new TrafficMeter()
    const totals = new TrafficTotals()
    const ended = [
      { status: 200, reason: 'completed', attempts: 1, durationMs: 2 },
      { status: 200, reason: 'completed', attempts: 1, durationMs: 3 },
      { status: 204, reason: 'completed', attempts: 1, durationMs: 100_000 },
      { status: 200, reason: 'client-reset', attempts: 4, durationMs: 1 },
      { status: 0, reason: 'client-reset', attempts: 1, durationMs: 1 },
    ] as const
    for (const [index, end] of ended.entries()) {
      meter.exchange({ ...structuredClone(EXCHANGE), ...end })
      const delta = index === 1 ? meter.take() : undefined
      if (delta !== undefined) totals.add(structuredClone(delta))
    }
    meter.exchange({ ...EXCHANGE, route: undefined, upstream: undefined, status: 404 })
    totals.add(meter.take() ?? { counters: {}, histograms: {} })
    assert.equal(meter.take(), undefined)
    const labels = ['ListenerSet/team/extra', 'web', 'HTTPRoute/team/web', 'team/web:80']
    assert.deepEqual(totals.counter('http_requests_total'), [
      [[...labels, '200', 'completed'], 2],
      [[...labels, '204', 'completed'], 1],
      [[...labels, '200', 'client-reset'], 1],
      [[...labels, '0', 'client-reset'], 1],
      [['ListenerSet/team/extra', 'web', '', '', '404', 'connect-refused'], 1],
    ])
    assert.deepEqual(totals.counter('http_retries_total')[0], [labels.slice(2), 3])
    assert.deepEqual(totals.counter('received_bytes_total')[0], [labels, 5])
    const durations = totals.histogram('http_request_duration_seconds')
    assert.deepEqual(
      durations.map(([[, , , , code], { buckets, sum }]) => [code, buckets.at(-1), sum]),
      [
        ['2xx', 1, 100.006],
        ['none', 0, 0.001],
        ['4xx', 0, 0.003],
      ],
    )
  })

  it('adds up, however it is cut into deltas', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ ms: fc.nat(100_000), cut: fc.boolean() }), { maxLength: 60 }),
        (events) => {
          const meter = new TrafficMeter()
          const totals = new TrafficTotals()
          const pass = (): void => {
            const delta = meter.take()
            if (delta !== undefined) totals.add(structuredClone(delta))
          }
          for (const { ms, cut } of events) {
            meter.observe('upstream_connect_seconds', ['u'], ms)
            meter.count('upstream_ejections_total', ['e'])
            if (cut) pass()
          }
          pass()
          assert.equal(meter.take(), undefined)
          assert.equal(totals.counter('upstream_ejections_total')[0]?.[1] ?? 0, events.length)
          const { buckets, sum } = totals.histogram('upstream_connect_seconds')[0]?.[1] ?? {
            buckets: BUCKETS.map(() => 0),
            sum: 0,
          }
          BUCKETS.forEach((bound, index) => {
            const below = index === 0 ? 0 : (BUCKETS[index - 1] ?? 0)
            const inside = events.filter(({ ms }) => ms / 1000 <= bound && ms / 1000 > below)
            const zeros = index === 0 ? events.filter(({ ms }) => ms === 0).length : 0
            assert.equal(buckets[index], inside.length + zeros)
          })
          const expected = events.reduce((total, { ms }) => total + ms / 1000, 0)
          assert.ok(Math.abs(sum - expected) < 1e-6)
        },
      ),
    )
  })

  it('is bounded in series', () => {
    const totals = new TrafficTotals({ counters: 2, histograms: 1 })
    const meter = new TrafficMeter()
    for (const endpoint of ['a', 'b', 'c', 'd', 'a']) {
      meter.count('upstream_ejections_total', [endpoint])
      meter.observe('upstream_connect_seconds', [endpoint], 1)
    }
    const delta = meter.take()
    assert.ok(delta)
    totals.add(delta)
    assert.deepEqual(totals.counter('upstream_ejections_total'), [
      [['a'], 2],
      [['b'], 1],
      [[OTHER], 2],
    ])
    assert.deepEqual(
      totals.histogram('upstream_connect_seconds').map(([labels]) => labels),
      [['a'], [OTHER]],
    )
  })

  it('a tee gives each record to all', () => {
    const one = new TrafficMeter()
    const two = new TrafficMeter()
    const both = tee(one, two)
    both.connection(CONNECTION)
    both.exchange(EXCHANGE)
    const seen = one.take()
    assert.ok(seen)
    assert.deepEqual(two.take(), seen)
  })
})
