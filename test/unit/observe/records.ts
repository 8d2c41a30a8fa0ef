/** Records of a connection and of an exchange, as the data plane ends them; and where lines go. */
import type { ConnectionRecord, ExchangeRecord } from '../../../src/observe/access-log.ts'
import type { LineSink } from '../../../src/observe/line-sink.ts'

const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

export const CONNECTION: ConnectionRecord = {
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

export const EXCHANGE: ExchangeRecord = {
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

/** Keeps what is written. */
export function recordingSink(): { readonly sink: LineSink; readonly lines: string[] } {
  const lines: string[] = []
  const sink: LineSink = {
    dropped: 0,
    write: (line) => void lines.push(String(line)),
    reopen: () => undefined,
    close: () => Promise.resolve(),
  }
  return { sink, lines }
}
