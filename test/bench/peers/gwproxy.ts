/**
 * gwproxy as it ships: its launcher, data plane in one process, all timeouts and limits, access log,
 * metrics and admin interface on. Several may take part: another checkout, other flags.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Launch } from '../process.ts'
import { BACKEND_PORTS, NAME, PORTS, type Service, type Site } from '../site.ts'
import { commitOf, type LaunchRequest, type Peer } from './peer.ts'

export interface Variant {
  readonly name: string
  /** A checkout or an unpacked package: the directory above `bin/gwproxy`. */
  readonly root: string
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export function gwproxy(variant: Variant): Peer {
  return {
    name: variant.name,
    isOurs: true,
    version: () => ['gwproxy', commitOf(variant.root), ...variant.flags].join(' '),
    services: ['passthrough', 'terminate', 'https', 'http', 'grpc'],
    launch: (request) => {
      const config = join(request.directory, 'config')
      mkdirSync(config)
      writeFileSync(join(config, 'bench.yaml'), manifests(request))
      return launchGwproxy(variant, request, config)
    },
    launchWith: (request, config) => launchGwproxy(variant, request, config),
    change: ({ directory }) => writeAside(join(directory, 'config', 'another.yaml'), ANOTHER_ROUTE),
    packed: (site) => gwproxy({ ...variant, root: pack(variant.root, site) }),
  }
}

/** As an editor should: the file is there whole or not at all. */
export function writeAside(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}

const ANOTHER_ROUTE = `apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: another }
spec:
  parentRefs: [{ name: front }]
  hostnames: [another.bench.test]
  rules: [{ backendRefs: [{ name: backend, port: 1 }] }]
`

/** What `npm install` gives: the launcher and the built JavaScript, without sources. */
function pack(root: string, site: Site): string {
  if (!existsSync(join(root, 'src'))) return root
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'pipe' })
  const packed = site.newDirectory('packed')
  for (const name of ['bin', 'dist', 'package.json']) {
    cpSync(join(root, name), join(packed, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(packed, 'node_modules'))
  return packed
}

/** With the manifests of `config`, whatever they are. */
function launchGwproxy(
  { root, flags, env }: Variant,
  { address, directory, workers = 1 }: Omit<LaunchRequest, 'site' | 'service'>,
  config: string,
): Launch {
  return {
    command: [
      join(root, 'bin/gwproxy'),
      'run',
      ...['--config', config],
      ...['--workers', String(workers === 1 ? 0 : workers)],
      ...['--admin', `unix:${join(directory, 'admin.sock')}`],
      ...['--metrics', `${address}:9464`],
      ...['--access-log', '/dev/null'],
      ...['--log-format', 'json'],
      ...flags,
    ],
    env,
  }
}

function manifests({ site, service, address }: LaunchRequest): string {
  const parts = [gateway(service, address), route(service), endpoints(service, site)]
  if (service !== 'passthrough' && service !== 'http') parts.push(secret(site))
  return parts.join('---\n')
}

function gateway(service: Service, address: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: gwproxy
  addresses: [{ type: IPAddress, value: ${address} }]
  listeners:
    - name: all
      port: ${PORTS[service]}
${listener(service)}
`
}

function listener(service: Service): string {
  const tls = 'tls: { certificateRefs: [{ name: certificate }] }'
  switch (service) {
    case 'passthrough':
      return '      protocol: TLS\n      tls: { mode: Passthrough }'
    case 'terminate':
      return `      protocol: TLS\n      ${tls}`
    case 'https':
    case 'grpc':
      return `      protocol: HTTPS\n      ${tls}`
    case 'http':
      return '      protocol: HTTP'
  }
}

function route(service: Service): string {
  const isStream = service === 'passthrough' || service === 'terminate'
  const kind = isStream ? 'TLSRoute' : service === 'grpc' ? 'GRPCRoute' : 'HTTPRoute'
  return `apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: app }
spec:
  parentRefs: [{ name: front }]
  hostnames: [${NAME}]
  rules: [{ backendRefs: [{ name: backend, port: 1 }] }]
`
}

/** The Service `backend` and its endpoints. */
export function endpoints(service: Service, site: Site): string {
  const { addresses, port, protocol } = backendOf(service, site)
  return `apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { ports: [{ name: main, port: 1${protocol} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: backend, labels: { kubernetes.io/service-name: backend } }
addressType: IPv4
ports: [{ name: main, port: ${port} }]
endpoints: [${addresses.map((one) => `{ addresses: [${one}] }`).join(', ')}]
`
}

function backendOf(service: Service, { backends }: Site) {
  const one = backends.slice(0, 1)
  switch (service) {
    case 'passthrough':
      return { addresses: backends, port: BACKEND_PORTS.stream, protocol: '' }
    case 'terminate':
      return { addresses: one, port: BACKEND_PORTS.stream, protocol: '' }
    case 'https':
    case 'http':
      return { addresses: one, port: BACKEND_PORTS.http, protocol: '' }
    case 'grpc':
      return {
        addresses: one,
        port: BACKEND_PORTS.h2c,
        protocol: ', appProtocol: kubernetes.io/h2c',
      }
  }
}

function secret({ certificate }: Pick<Site, 'certificate'>): string {
  return `apiVersion: v1
kind: Secret
metadata:
  name: certificate
  annotations:
    gwproxy.dev/from-files: 'tls.crt=${certificate.cert},tls.key=${certificate.key}'
type: kubernetes.io/tls
`
}
