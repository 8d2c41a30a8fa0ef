/** Manifests as objects: YAML is a superset of JSON, so tests write no indentation. */
import type { Backend } from '../../demo/backends.ts'
import type { IssuedCertificate } from '../../src/wire/issue-certificate.ts'

export type Manifest = Readonly<Record<string, unknown>>

export function yaml(...objects: readonly Manifest[]): string {
  return objects.map((object) => `${JSON.stringify(object, null, 1)}\n`).join('---\n')
}

/** A Gateway on the test's own address (`{address}` is replaced by the daemon harness). */
export function gateway(
  listeners: readonly Manifest[],
  {
    name = 'gw',
    addresses = [{ value: '{address}' }],
  }: { name?: string; addresses?: unknown } = {},
): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name },
    spec: { gatewayClassName: 'gwproxy', addresses, listeners },
  }
}

export function tlsListener(
  name: string,
  port: number,
  hostname: string | undefined,
  secrets: readonly string[] | 'passthrough',
  protocol = 'TLS',
): Manifest {
  return {
    name,
    port,
    protocol,
    ...(hostname === undefined ? {} : { hostname }),
    tls:
      secrets === 'passthrough'
        ? { mode: 'Passthrough' }
        : { mode: 'Terminate', certificateRefs: secrets.map((secret) => ({ name: secret })) },
  }
}

export function httpListener(name: string, port: number, hostname?: string): Manifest {
  return { name, port, protocol: 'HTTP', ...(hostname === undefined ? {} : { hostname }) }
}

export function udpListener(name: string, port: number): Manifest {
  return { name, port, protocol: 'UDP' }
}

interface RouteOptions {
  readonly gateway?: string
  readonly sectionName?: string
  /** The name of a layer-4 route's rule. */
  readonly rule?: string
}

export function tlsRoute(
  name: string,
  hostnames: readonly string[],
  backends: readonly Manifest[],
  options: RouteOptions = {},
): Manifest {
  return route('TLSRoute', name, { hostnames, rules: [{ backendRefs: backends }] }, options)
}

export function tcpRoute(
  name: string,
  backends: readonly Manifest[],
  options: RouteOptions = {},
): Manifest {
  return route('TCPRoute', name, { rules: [l4Rule(backends, options)] }, options)
}

export function udpRoute(
  name: string,
  backends: readonly Manifest[],
  options: RouteOptions = {},
): Manifest {
  return route('UDPRoute', name, { rules: [l4Rule(backends, options)] }, options)
}

function l4Rule(backendRefs: readonly Manifest[], { rule }: RouteOptions): Manifest {
  return rule === undefined ? { backendRefs } : { name: rule, backendRefs }
}

export function httpRoute(
  name: string,
  hostnames: readonly string[] | undefined,
  rules: readonly Manifest[],
  options: RouteOptions = {},
): Manifest {
  return route(
    'HTTPRoute',
    name,
    { ...(hostnames === undefined ? {} : { hostnames }), rules },
    options,
  )
}

export function grpcRoute(
  name: string,
  hostnames: readonly string[] | undefined,
  rules: readonly Manifest[],
  options: RouteOptions = {},
): Manifest {
  return route(
    'GRPCRoute',
    name,
    { ...(hostnames === undefined ? {} : { hostnames }), rules },
    options,
  )
}

export function backendRef(name: string, port = 80, weight = 1): Manifest {
  return { name, port, weight }
}

/** A Service and the EndpointSlice that leads to these backends. */
export function service(
  name: string,
  port: number,
  backends: readonly Pick<Backend, 'address' | 'port'>[],
  appProtocol?: string,
): readonly Manifest[] {
  const slices = backends.map((backend, index) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${index}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'main', port: backend.port }],
    endpoints: [{ addresses: [backend.address] }],
  }))
  const ports = [{ name: 'main', port, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports } }, ...slices]
}

/** A Service with a UDP port and the EndpointSlice that leads to this port of an address. */
export function udpService(
  name: string,
  port: number,
  backend: number,
  address = '127.0.0.1',
): readonly Manifest[] {
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: backend, protocol: 'UDP' }],
    endpoints: [{ addresses: [address] }],
  }
  const spec = { ports: [{ port, protocol: 'UDP' }] }
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }, slice]
}

export function tlsSecret(name: string, certificate: IssuedCertificate): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate.certPem, 'tls.key': certificate.keyPem },
  }
}

function route(kind: string, name: string, spec: Manifest, options: RouteOptions): Manifest {
  const { gateway: parent = 'gw', sectionName } = options
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name },
    spec: {
      parentRefs: [{ name: parent, ...(sectionName === undefined ? {} : { sectionName }) }],
      ...spec,
    },
  }
}
