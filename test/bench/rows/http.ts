/** HTTP over TLS and in the clear, to an HTTP/1.1 backend; gRPC to one that speaks h2c. */
import { writeFileSync } from 'node:fs'
import { connect, type ClientHttp2Session } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { h2load, InvalidRun, type Target, wrk } from '../loads.ts'
import { BACKEND_PORTS, BODY_100K, BODY_1K, GRPC_MESSAGE, NAME, type Site } from '../site.ts'
import { loadRow } from './load-row.ts'
import type { Row } from './row.ts'

const REQUESTS = { ops: 1, rate: 'req/s', cpu: 'CPU us/req' }

function backend(port: number): (site: Site) => Target {
  return ({ backends }) => ({ address: backends[0] ?? '', port })
}

function oneRequest(
  scheme: 'http' | 'https',
  path: string,
  body: string,
): (site: Site, target: Target) => Promise<void> {
  return (_, { address, port }) =>
    new Promise((resolve, reject) => {
      const send = scheme === 'https' ? httpsRequest : httpRequest
      const options = {
        host: address,
        port,
        path,
        headers: { host: `${NAME}:${port}` },
        servername: NAME,
        rejectUnauthorized: false,
        agent: false as const,
      }
      const outgoing = send(options, (response) => {
        buffer(response).then((bytes) => {
          if (response.statusCode === 200 && bytes.toString() === body) resolve()
          else reject(new InvalidRun(`${response.statusCode}, ${bytes.length} bytes for ${path}`))
        }, reject)
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
}

async function oneCall(_: Site, { address, port }: Target): Promise<void> {
  const session = connect(`https://${NAME}:${port}`, {
    host: address,
    servername: NAME,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  })
  try {
    await call(session)
  } finally {
    session.destroy()
  }
}

function call(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.on('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': GRPC_PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let status: unknown
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status']
    })
    stream.on('error', reject)
    const body = buffer(stream)
    // The trailers may come after the end of the body.
    stream.on('close', () => {
      body.then((bytes) => {
        if (bytes.equals(GRPC_MESSAGE) && status === '0') resolve()
        else reject(new InvalidRun(`gRPC: ${bytes.length} bytes, status ${String(status)}`))
      }, reject)
    })
    stream.end(GRPC_MESSAGE)
  })
}

const GRPC_PATH = '/bench.v1.Echo/Call'

function overHttp1(
  scheme: 'http' | 'https',
  size: '1k' | '100k',
  rivals: readonly string[],
  goals: Row['goals'],
): Row {
  const body = size === '1k' ? BODY_1K : BODY_100K
  return loadRow({
    name: `${scheme}-${size}`,
    title: `${scheme.toUpperCase()} ${size === '1k' ? '1 KiB' : '100 KiB'}, HTTP/1.1`,
    service: scheme,
    rivals,
    goals,
    unit: REQUESTS,
    hasLatency: true,
    bytesPerOp: body.length,
    load: (site, target, seconds) => wrk(site, `${scheme}://${NAME}/${size}`, target, seconds),
    probe: oneRequest(scheme, `/${size}`, body),
    direct: backend(BACKEND_PORTS[scheme]),
  })
}

export const HTTP_ROWS: readonly Row[] = [
  overHttp1(
    'https',
    '1k',
    ['nginx', 'caddy', 'haproxy', 'traefik'],
    [
      { column: 'rate', rival: 'caddy', atLeast: 2, text: '>= 2x caddy' },
      { column: 'rate', rival: 'nginx', atLeast: 0.45, text: '>= 0.45x nginx' },
    ],
  ),
  overHttp1(
    'https',
    '100k',
    ['haproxy', 'caddy', 'nginx', 'traefik'],
    [
      { column: 'rate', rival: 'caddy', atLeast: 1, text: '>= caddy' },
      { column: 'rate', rival: 'haproxy', atLeast: 0.5, text: '>= 0.5x haproxy' },
    ],
  ),
  loadRow({
    name: 'h2-1k',
    title: 'HTTPS 1 KiB, HTTP/2',
    service: 'https',
    rivals: ['nginx', 'haproxy', 'caddy', 'traefik'],
    goals: [{ column: 'rate', rival: 'nginx', atLeast: 0.5, text: '>= 0.5x nginx' }],
    unit: REQUESTS,
    bytesPerOp: BODY_1K.length,
    load: (site, target, seconds) => h2load(site, `https://${NAME}/1k`, target, seconds),
    probe: oneRequest('https', '/1k', BODY_1K),
    direct: backend(BACKEND_PORTS.https),
  }),
  loadRow({
    name: 'grpc-unary',
    title: 'gRPC unary, TLS to h2c',
    service: 'grpc',
    rivals: ['nginx', 'haproxy', 'caddy'],
    goals: [{ column: 'rate', rival: 'nginx', atLeast: 0.5, text: ">= 0.5x nginx's grpc_pass" }],
    unit: REQUESTS,
    bytesPerOp: GRPC_MESSAGE.length,
    load: (site, target, seconds) => {
      const file = join(site.directory, 'grpc-message')
      writeFileSync(file, GRPC_MESSAGE)
      const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers']
      return h2load(site, `https://${NAME}${GRPC_PATH}`, target, seconds, ['-d', file, ...headers])
    },
    probe: oneCall,
  }),
  overHttp1('http', '1k', ['nginx', 'haproxy', 'caddy', 'traefik'], []),
]
