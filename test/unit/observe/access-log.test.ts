/** The access log's lines: field names, absent fields, strangers' text. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConnectionRecord, ExchangeRecord } from '../../../src/observe/access-log.ts'
import { createAccessLog } from '../../../src/observe/access-log-writer.ts'
import type { LineSink } from '../../../src/observe/line-sink.ts'

const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

const CONNECTION: ConnectionRecord = {
  startTime: START,
  connectionId: 'c-1',
  bind: 'tcp/[::]:443',
  listener: 'Gateway/default/web/tls',
  peer: '192.0.2.1:50000',
  client: '192.0.2.1',
  local: '198.51.100.1:443',
  sni: 'a.test',
  tls: undefined,
  action: 'tls-passthrough',
  route: { kind: 'TLSRoute', namespace: 'default', name: 'r' },
  upstream: 'Service/default/s:443',
  endpoint: '10.0.0.1:443',
  bytesReceived: 10,
  bytesSent: 20,
  durationMs: 12.6,
  peekMs: 1.26,
  handshakeMs: undefined,
  connectMs: 0.04,
  exchanges: undefined,
  reason: 'completed',
  detail: undefined,
}

const EXCHANGE: ExchangeRecord = {
  startTime: START,
  connectionId: 'c-1',
  requestId: 'r-1',
  listener: 'Gateway/default/web/https',
  peer: '192.0.2.1:50000',
  client: '203.0.113.9',
  sni: 'a.test',
  tls: {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    group: 'X25519MLKEM768',
    alpn: 'h2',
    resumed: false,
  },
  method: 'GET',
  authority: 'a.test',
  path: '/x?y=1',
  protocol: 'HTTP/2',
  route: { kind: 'HTTPRoute', namespace: 'default', name: 'r' },
  rule: 'HTTPRoute/default/r/0',
  upstream: 'Service/default/s:80',
  endpoint: '10.0.0.1:80',
  status: 503,
  bytesReceived: 0,
  bytesSent: 99,
  durationMs: 3,
  upstreamMs: undefined,
  attempts: 2,
  userAgent: 'curl/8',
  reason: 'connect-refused',
  detail: 'ECONNREFUSED',
}

/** The lines as text, and as the objects that a log shipper reads. */
function written(write: (log: ReturnType<typeof createAccessLog>) => void): {
  readonly text: string
  readonly fields: Record<string, unknown>
} {
  const lines: string[] = []
  const sink: LineSink = {
    dropped: 0,
    write: (line) => void lines.push(line),
    reopen: () => undefined,
    close: () => Promise.resolve(),
  }
  write(createAccessLog(sink))
  assert.equal(lines.length, 1)
  const [text = ''] = lines
  assert.match(text, /^[^\n]*\n$/)
  return { text, fields: JSON.parse(text) }
}

describe('access log', () => {
  it('writes a connection with the field names of Envoy Gateway, absent facts left out', () => {
    const { fields } = written((log) => log.connection(CONNECTION))
    assert.deepEqual(fields, {
      start_time: '2026-01-02T03:04:05.678Z',
      log: 'connection',
      connection_id: 'c-1',
      bind: 'tcp/[::]:443',
      listener: 'Gateway/default/web/tls',
      downstream_remote_address: '192.0.2.1:50000',
      client: '192.0.2.1',
      downstream_local_address: '198.51.100.1:443',
      requested_server_name: 'a.test',
      action: 'tls-passthrough',
      route_name: 'TLSRoute/default/r',
      upstream_cluster: 'Service/default/s:443',
      upstream_host: '10.0.0.1:443',
      bytes_received: 10,
      bytes_sent: 20,
      duration: 13,
      peek_ms: 1.3,
      connect_ms: 0,
      response_flags: '-',
      reason: 'completed',
    })
  })

  it('writes an exchange with TLS facts and the cause of its failure', () => {
    const { fields } = written((log) => log.exchange(EXCHANGE))
    assert.deepEqual(
      [fields['response_code'], fields['response_flags'], fields['reason'], fields['attempts']],
      [503, 'UF', 'connect-refused', 2],
    )
    assert.equal(fields['upstream_transport_failure_reason'], 'ECONNREFUSED')
    assert.equal(fields['connection_termination_details'], 'ECONNREFUSED')
    assert.deepEqual(
      [fields['tls_version'], fields['tls_group'], fields['tls_alpn'], fields['tls_resumed']],
      ['TLSv1.3', 'X25519MLKEM768', 'h2', false],
    )
  })

  it('escapes and cuts what a stranger chose; a line stays bounded', () => {
    const long = '\x1b[31m\r\n'.repeat(4000)
    const { text, fields } = written((log) =>
      log.exchange({
        ...EXCHANGE,
        requestId: long,
        method: long,
        authority: long,
        path: 'p'.repeat(20_000),
        userAgent: long,
        detail: long,
      }),
    )
    assert.doesNotMatch(text.slice(0, -1), /[\x00-\x1f]/)
    assert.equal(String(fields['path']).length, 1025)
    assert.ok(String(fields[':authority']).length <= 257)
    assert.ok(text.length < 16_384, `${text.length} characters`)
  })
})
