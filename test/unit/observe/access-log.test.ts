/** The access log's lines: field names, absent fields, strangers' text. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createAccessLog } from '../../../src/observe/access-log-writer.ts'
import { CONNECTION, EXCHANGE, recordingSink } from './records.ts'

/** The lines as text, and as the objects that a log shipper reads. */
function written(write: (log: ReturnType<typeof createAccessLog>) => void): {
  readonly text: string
  readonly fields: Record<string, unknown>
} {
  const { sink, lines } = recordingSink()
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

  it('writes every line of a connection with its TLS, the first and the others', () => {
    const { sink, lines } = recordingSink()
    const log = createAccessLog(sink)
    const tls = { version: 'TLSv1.3', cipher: 'c', group: undefined, alpn: 'h2', resumed: true }
    const other = { ...tls, version: 'TLSv1.2', resumed: false }
    for (const each of [tls, tls, other, tls]) log.exchange({ ...EXCHANGE, tls: each })
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)).map((line) => [line.tls_version, line.tls_resumed]),
      [tls, tls, other, tls].map(({ version, resumed }) => [version, resumed]),
    )
    assert.equal(lines[0], lines[1])
    assert.equal(lines[0], lines[3])
  })

  it('is the JSON of whatever strangers and configurations say', () => {
    const any = fc.option(fc.string({ unit: 'binary', maxLength: 30 }), { nil: undefined })
    fc.assert(
      fc.property(any, any, any, any, (userAgent, detail, sni, rule) => {
        const { fields } = written((log) => {
          log.exchange({ ...EXCHANGE, userAgent, detail, sni, rule })
        })
        const { 'user-agent': seen, connection_termination_details: why, ...others } = fields
        assert.deepEqual([seen, why], [userAgent, detail])
        assert.deepEqual([others['requested_server_name'], others['rule']], [sni, rule])
      }),
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
        forwardedFor: long,
        detail: long,
      }),
    )
    assert.doesNotMatch(text.slice(0, -1), /[\x00-\x1f]/)
    assert.equal(String(fields['path']).length, 1025)
    assert.ok(String(fields[':authority']).length <= 257)
    assert.ok(text.length < 16_384, `${text.length} characters`)
  })
})
