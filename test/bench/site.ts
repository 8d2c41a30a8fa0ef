/**
 * Where a run happens: scratch directory, loopback addresses of its own, certificate, the generator,
 * and the backends on the load's core. Everything is gone after `close()`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificateAuthority } from '../../src/wire/issue-certificate.ts'
import { buildGenerator, type Generator } from './generator/build.ts'
import { LOAD_CORE, Proc } from './process.ts'

/** What a proxy is asked to do; each service has its port. */
export type Service = 'passthrough' | 'terminate' | 'https' | 'http' | 'grpc'

export const PORTS: Readonly<Record<Service, number>> = {
  passthrough: 20443,
  terminate: 20444,
  https: 20445,
  http: 20080,
  grpc: 20446,
}

/** The name in every ClientHello, certificate and Host. */
export const NAME = 'app.bench.test'

/** Backends: the generator's own for streams and gRPC, nginx for HTTP. */
export const BACKEND_PORTS = { stream: 21001, http: 21080, https: 21443, h2c: 21090 } as const

/** How many addresses the stream backend has, and the clients: no port runs out in TIME_WAIT. */
const ADDRESSES = 4

export interface Site {
  readonly directory: string
  readonly generator: Generator
  /** 127.a.b. */
  readonly net: string
  readonly backends: readonly string[]
  readonly clientsFrom: string
  readonly clients: number
  readonly certificate: { readonly cert: string; readonly key: string; readonly both: string }
  /** OpenSSL's configuration for load tools: one version, one cipher, one group. */
  readonly opensslConf: string
  /** An address that nobody had in this run. */
  newAddress(): string
  /** A new directory below the scratch directory. */
  newDirectory(name: string): string
  close(): Promise<void>
}

export async function openSite(): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const net = `127.${64 + (process.pid % 128)}.${Math.floor(process.pid / 128) % 256}`
  const backends = Array.from({ length: ADDRESSES }, (_, index) => `${net}.${1 + index}`)
  const generator = buildGenerator(directory)
  const certificate = await writeCertificate(directory)
  const opensslConf = join(directory, 'openssl.cnf')
  writeFileSync(opensslConf, OPENSSL_CONF)

  const stream = new Proc(LOAD_CORE, {
    command: [
      generator.path,
      'backend',
      ...['--to', `${backends[0]}:${BACKEND_PORTS.stream}`, '--to-count', String(ADDRESSES)],
    ],
  })
  const http = startHttpBackend(join(directory, 'backend'), backends[0] ?? '', certificate)
  const grpc = new Proc(LOAD_CORE, {
    command: [generator.path, 'grpc', '--to', `${backends[0]}:${BACKEND_PORTS.h2c}`],
  })
  for (const one of [stream, grpc]) await one.until(() => one.output.includes('ready'))
  await http.until(() => accepts(backends[0] ?? '', BACKEND_PORTS.https))

  let addresses = 10
  let directories = 0
  return {
    directory,
    generator,
    net,
    backends,
    clientsFrom: `${net}.240`,
    clients: ADDRESSES,
    certificate,
    opensslConf,
    newAddress: () => `${net}.${addresses++}`,
    newDirectory: (name) => {
      const path = join(directory, `${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${directories++}`)
      mkdirSync(path)
      return path
    },
    close: async () => {
      await Promise.all([stream, grpc, http].map((one) => one.stop()))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const OPENSSL_CONF = `openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
`

async function writeCertificate(directory: string): Promise<Site['certificate']> {
  const authority = await createCertificateAuthority('gwproxy bench')
  const issued = await authority.issue({ commonName: NAME, dnsNames: [NAME] })
  const certs = join(directory, 'certs')
  mkdirSync(certs)
  const files = { cert: 'tls.crt', key: 'tls.key', both: 'both.pem' }
  const paths = {
    cert: join(certs, files.cert),
    key: join(certs, files.key),
    both: join(certs, files.both),
  }
  writeFileSync(paths.cert, issued.certPem)
  writeFileSync(paths.key, issued.keyPem)
  writeFileSync(paths.both, issued.certPem + issued.keyPem)
  return paths
}

export const BODY_1K = 'x'.repeat(1024)
export const BODY_100K = 'y'.repeat(100 * 1024)
/** 64 bytes behind gRPC's five of flag and length; the status comes as a trailer. */
export const GRPC_MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 64]), Buffer.alloc(64, 'g')])

/** As ours: its own user could not read the scratch directory. Only root may change it. */
export const NGINX_USER = process.getuid?.() === 0 ? 'user root;\n' : ''

/** nginx, because it costs least: fixed answers, and a file in the page's cache. */
function startHttpBackend(
  directory: string,
  address: string,
  { cert, key }: Site['certificate'],
): Proc {
  mkdirSync(join(directory, 'www'), { recursive: true })
  writeFileSync(join(directory, 'www', '1k'), BODY_1K)
  writeFileSync(join(directory, 'www', '100k'), BODY_100K)
  const files = `
    root ${directory}/www;
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    open_file_cache max=10 inactive=600s;
    sendfile on;
    tcp_nodelay on;`
  writeFileSync(
    join(directory, 'nginx.conf'),
    `${NGINX_USER}worker_processes 1;
daemon off;
pid ${directory}/pid;
error_log ${directory}/error.log;
events { worker_connections 8192; }
http {
  default_type text/plain;
  types { }
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server { listen ${address}:${BACKEND_PORTS.http} backlog=4096; ${files} }
  server {
    listen ${address}:${BACKEND_PORTS.https} ssl http2 backlog=4096;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.3;
    ${files}
  }
}
`,
  )
  return new Proc(LOAD_CORE, {
    command: ['nginx', '-e', `${directory}/error.log`, '-c', join(directory, 'nginx.conf')],
  })
}

/** Whether somebody accepts there. */
export function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
