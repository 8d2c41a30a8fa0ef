/** Large configurations: first load, one edit under traffic, memory, and the price of many names. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificateAuthority } from '../../../src/wire/issue-certificate.ts'
import { generate, InvalidRun } from '../loads.ts'
import { endpoints, writeAside } from '../peers/gwproxy.ts'
import type { Peer } from '../peers/peer.ts'
import { cpuSeconds, PROXY_CORE, Proc, pause, pssKib } from '../process.ts'
import { PORTS, type Site } from '../site.ts'
import { fresh } from './fresh.ts'
import { Prober } from './prober.ts'
import type { Column, Figures, Row, Subject } from './row.ts'

const COUNT = 10_000
const FILES = 100
const LOAD_LIMIT_MS = 60_000
/** The pauses are those of a daemon whose requests are warm; the edits are its first. */
const WARM_MS = 5000
const MANY_NAMES = 100_000
const FEW_NAMES = 10

const COLUMNS: readonly Column[] = [
  { key: 'load', label: 'first load ms', better: 'less', digits: 4 },
  { key: 'edit', label: 'edit live ms', better: 'less', digits: 3 },
  { key: 'pause', label: 'longest pause ms', better: 'less', digits: 3 },
  { key: 'mib', label: 'PSS MiB', better: 'less', digits: 3 },
]

const EDIT_GOALS = [
  { column: 'edit', atMost: 250, text: 'a one-route edit is live in <= 250 ms' },
  { column: 'pause', atMost: 50, text: 'no traffic pause over 50 ms' },
  { column: 'mib', atMost: 350, text: '<= 350 MB' },
] as const

export const SCALE_ROWS: readonly Row[] = [
  {
    name: 'routes-10k',
    title: '10,000 HTTPRoutes in 100 files',
    columns: COLUMNS,
    rivals: [],
    goals: [{ column: 'load', atMost: 2500, text: 'first load <= 2.5 s' }, ...EDIT_GOALS],
    maxRounds: 3,
    open: (peer, site) => {
      const packed = peer.packed?.(site) ?? peer
      return Promise.resolve(fresh(() => loadAndEdit(packed, site, writeRoutes)))
    },
  },
  {
    name: 'certificates-10k',
    title: '10,000 certificates, a listener and a Secret each',
    columns: COLUMNS,
    rivals: [],
    goals: [{ column: 'load', atMost: 3000, text: 'first load <= 3 s' }, ...EDIT_GOALS],
    maxRounds: 3,
    open: async (peer, site) => {
      const certificates = await issue()
      const packed = peer.packed?.(site) ?? peer
      return fresh(() => loadAndEdit(packed, site, (at) => writeCertificates(at, certificates)))
    },
  },
  {
    name: 'hostnames',
    title: `passthrough connections with ${FEW_NAMES} and with 100,000 hostnames`,
    columns: [
      { key: 'few', label: `CPU us, ${FEW_NAMES}`, better: 'neither', digits: 3 },
      { key: 'many', label: 'CPU us, 100,000', better: 'neither', digits: 3 },
      { key: 'factor', label: 'factor', better: 'less', digits: 3 },
    ],
    rivals: [],
    goals: [{ column: 'factor', atMost: 1.1, text: 'flat from 10 to 100,000 hostnames (+-10 %)' }],
    open: (peer, site) => openHostnames(peer, site),
  },
]

interface Place {
  readonly site: Site
  readonly address: string
  readonly config: string
}

/** The name that is asked for, over TLS or not, and the file that an edit writes. */
interface Written {
  readonly name: string
  readonly isTls: boolean
  edit(version: number): void
}

async function loadAndEdit(
  peer: Peer,
  site: Site,
  write: (place: Place) => Written,
): Promise<Figures> {
  const { address, config, launch } = place(peer, site)
  const written = write({ site, address, config })
  const begin = performance.now()
  const proxy = new Proc(PROXY_CORE, launch)
  const prober = new Prober(address, written)
  try {
    await proxy.until(async () => (await prober.version()) === '0', LOAD_LIMIT_MS)
    const load = performance.now() - begin
    await pause(3000)
    const mib = pssKib(proxy.pid) / 1024
    const edits: number[] = []
    await ask(prober, WARM_MS)
    prober.startPauses()
    for (const version of [1, 2, 3]) {
      const edited = performance.now()
      written.edit(version)
      await proxy.until(async () => (await prober.version()) === String(version))
      edits.push(performance.now() - edited)
      // What an edit still does once it is live belongs to its pauses.
      await ask(prober, 700)
    }
    return { load, mib, edit: Math.max(...edits), pause: prober.longestPauseMs }
  } finally {
    prober.close()
    await proxy.stop()
  }
}

async function ask(prober: Prober, ms: number): Promise<void> {
  for (const until = performance.now() + ms; performance.now() < until; ) {
    await prober.version()
    await pause(1)
  }
}

function place(peer: Peer, site: Site) {
  const address = site.newAddress()
  const directory = site.newDirectory(peer.name)
  const config = join(directory, 'config')
  mkdirSync(config)
  const launch = peer.launchWith?.({ address, directory }, config)
  if (launch === undefined) throw new InvalidRun(`${peer.name} reads no manifests`)
  return { address, config, launch }
}

function gatewayWith(address: string, listeners: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: gwproxy
  addresses: [{ type: IPAddress, value: ${address} }]
  allowedListeners: { namespaces: { from: Same } }
  listeners: [${listeners}]
---
`
}

function httpRoute(name: string, parent: string, host: string, version: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: ${name}
spec:
  parentRefs:
    - ${parent}
  hostnames:
    - ${host}
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: /
      filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier:
            set:
              - name: x-version
                value: '${version}'
      backendRefs:
        - name: backend
          port: 1
`
}

function writeRoutes({ site, address, config }: Place): Written {
  const listener = `{ name: http, protocol: HTTP, port: ${PORTS.http} }`
  writeFileSync(
    join(config, 'front.yaml'),
    gatewayWith(address, listener) + endpoints('http', site),
  )
  const each = COUNT / FILES
  const file = (index: number, version: number): string =>
    Array.from({ length: each }, (_, at) => {
      const number = index * each + at
      const own = at === 0 ? version : 0
      return httpRoute(`route-${number}`, 'name: front', `host-${number}.bench.test`, own)
    }).join('---\n')
  for (let index = 0; index < FILES; index++) {
    writeFileSync(join(config, `routes-${index}.yaml`), file(index, 0))
  }
  const last = FILES - 1
  return {
    name: `host-${last * each}.bench.test`,
    isTls: false,
    edit: (version) => writeAside(join(config, `routes-${last}.yaml`), file(last, version)),
  }
}

interface Certificate {
  readonly cert: string
  readonly key: string
}

async function issue(): Promise<readonly Certificate[]> {
  const authority = await createCertificateAuthority('gwproxy bench')
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const all: Certificate[] = []
  for (let number = 0; number < COUNT; number++) {
    const name = `host-${number}.bench.test`
    const { certPem, keyPem } = await authority.issue({ commonName: name, dnsNames: [name] })
    all.push({ cert: base64(certPem), key: base64(keyPem) })
  }
  return all
}

/** The most listeners of a ListenerSet. */
const SET = 64

function writeCertificates(
  { site, address, config }: Place,
  certificates: readonly Certificate[],
): Written {
  const listener = `{ name: http, protocol: HTTP, port: ${PORTS.http} }`
  writeFileSync(
    join(config, 'front.yaml'),
    gatewayWith(address, listener) + endpoints('http', site),
  )
  const parent = (set: number): string => `{ name: set-${set}, kind: ListenerSet }`
  for (let set = 0; set * SET < certificates.length; set++) {
    const own = certificates.slice(set * SET, (set + 1) * SET)
    const listeners = own.map((_, at) => tlsListener(set * SET + at)).join('')
    writeFileSync(
      join(config, `set-${set}.yaml`),
      [
        `apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata:
  name: set-${set}
spec:
  parentRef:
    name: front
    kind: Gateway
    group: gateway.networking.k8s.io
  listeners:
${listeners}`,
        ...own.map((one, at) => secretOf(set * SET + at, one)),
        ...(set === 0
          ? []
          : [httpRoute(`route-${set}`, parent(set), `host-${set * SET}.bench.test`, 0)]),
      ].join('---\n'),
    )
  }
  const edit = (version: number): void =>
    writeAside(
      join(config, 'edited.yaml'),
      httpRoute('edited', parent(0), 'host-0.bench.test', version),
    )
  edit(0)
  return { name: 'host-0.bench.test', isTls: true, edit }
}

function tlsListener(number: number): string {
  return `    - name: l-${number}
      protocol: HTTPS
      port: ${PORTS.https}
      hostname: host-${number}.bench.test
      tls:
        certificateRefs:
          - name: certificate-${number}
`
}

function secretOf(number: number, { cert, key }: Certificate): string {
  return `apiVersion: v1
kind: Secret
metadata:
  name: certificate-${number}
type: kubernetes.io/tls
data:
  tls.crt: ${cert}
  tls.key: ${key}
`
}

/** One process with few names, one with many; both asked for all of theirs in turn. */
async function openHostnames(peer: Peer, site: Site): Promise<Subject> {
  const few = await openNames(peer, site, FEW_NAMES)
  const many = await openNames(peer, site, MANY_NAMES)
  return {
    warm: async (seconds) => {
      await few.cost(seconds)
      await many.cost(seconds)
    },
    sample: async (seconds) => {
      const first = Math.random() < 0.5
      const before = first ? await few.cost(seconds) : 0
      const costMany = await many.cost(seconds)
      const costFew = first ? before : await few.cost(seconds)
      return { few: costFew, many: costMany, factor: costMany / costFew }
    },
    close: async () => {
      await Promise.all([few.proxy.stop(), many.proxy.stop()])
    },
  }
}

async function openNames(peer: Peer, site: Site, count: number) {
  const { address, config, launch } = place(peer, site)
  const listener = `{ name: tls, protocol: TLS, port: ${PORTS.passthrough}, tls: { mode: Passthrough } }`
  const routes = Array.from({ length: Math.ceil(count / NAMES_PER_ROUTE) }, (_, route) =>
    tlsRoute(route, Math.min(NAMES_PER_ROUTE, count - route * NAMES_PER_ROUTE)),
  )
  const front = gatewayWith(address, listener) + endpoints('passthrough', site)
  writeFileSync(join(config, 'front.yaml'), front)
  writeFileSync(join(config, 'routes.yaml'), routes.join('---\n'))
  const proxy = new Proc(PROXY_CORE, launch)
  await proxy.until(() => proxy.output.includes('"msg":"ready"'), LOAD_LIMIT_MS)
  const target = { address, port: PORTS.passthrough }
  const names = { parallel: 32, sni: 'host-%d.bench.test', 'sni-count': count }
  return {
    proxy,
    /** CPU of a connection. Microseconds. */
    cost: async (seconds: number): Promise<number> => {
      const before = cpuSeconds(proxy.pid)
      const load = await generate(site, 'connections', target, seconds, names)
      return ((cpuSeconds(proxy.pid) - before) / load.ops) * 1e6
    },
  }
}

const NAMES_PER_ROUTE = 16

function tlsRoute(route: number, names: number): string {
  const hosts = Array.from(
    { length: names },
    (_, at) => `    - host-${route * NAMES_PER_ROUTE + at}.bench.test\n`,
  )
  return `apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata:
  name: route-${route}
spec:
  parentRefs:
    - name: front
  hostnames:
${hosts.join('')}  rules:
    - backendRefs:
        - name: backend
          port: 1
`
}
