/**
 * Last step of `npm run build`: serves some requests and edits with the fresh dist/, or the directory that is
 * named, and keeps beside each bundle what V8 has compiled of it by then, which is what a start, a
 * first request and a first edit need (ADR 12).
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, createServer, get } from 'node:http'
import { get as getSecurely } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'

/** What is used first in a connection's life is the same in the tenth. */
const REQUESTS = 5
const LIMIT_MS = 30_000
/** A port that was free may be somebody's by the time it is opened. */
const ATTEMPTS = 3

const DIST = resolve(process.argv[2] ?? join(import.meta.dirname, '../dist'))
const DAEMON = join(DIST, 'cli/gwproxy.cjs')

interface Ports {
  readonly http: number
  readonly https: number
  readonly backend: number
}

/** `directory`: where build/record.cjs leaves the names. */
function recorded(directory: string) {
  return {
    execArgv: ['--require', join(import.meta.dirname, 'record.cjs')],
    env: { ...process.env, GWPROXY_RECORD: directory },
  }
}

async function serve(scratch: string, ports: Ports, workers: number): Promise<void> {
  const record = join(scratch, `record-${workers}`)
  rmSync(record, { recursive: true, force: true })
  mkdirSync(record)
  const flags = ['--workers', `${workers}`, '--admin', `unix:${join(scratch, 'admin')}`]
  const child = fork(DAEMON, ['run', '--config', scratch, '--metrics', 'off', ...flags], {
    ...recorded(record),
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = once(child, 'exit').then(() => {
    throw new Error(`the daemon ended:\n${output}`)
  })
  ended.catch(() => undefined)
  const signal = AbortSignal.timeout(LIMIT_MS)
  try {
    await Promise.race([once(child, 'message', { signal }), ended])
    for (let count = 0; count < REQUESTS; count++) {
      await Promise.race([ask(ports, signal), ended])
    }
    for (const version of ['a', 'b']) {
      writeManifests(scratch, ports, version)
      const isLive = async (): Promise<boolean> => (await ask(ports, signal)) === version
      while (!(await Promise.race([isLive(), ended]))) await setTimeout(20, undefined, { signal })
    }
    writeFileSync(join(record, 'now'), '')
    // The main process, its config thread and the workers leave a name each.
    while (readdirSync(record).length < 3 + workers) {
      await Promise.race([setTimeout(20, undefined, { signal }), ended])
    }
  } catch (error) {
    throw new Error(`not recorded; the daemon said:\n${output}`, { cause: error })
  } finally {
    child.kill()
    await ended.catch(() => undefined)
  }
}

/** Before the daemon, which writes the cache of the main bundle anew. */
async function check(scratch: string): Promise<void> {
  const record = join(scratch, 'record-check')
  mkdirSync(record, { recursive: true })
  writeFileSync(join(record, 'now'), '')
  const child = fork(DAEMON, ['check', '--offline', scratch], {
    ...recorded(record),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  await once(child, 'exit', { signal: AbortSignal.timeout(LIMIT_MS) })
  if (readdirSync(record).length < 3) throw new Error('check was not recorded')
}

/** With everything in the main process last: what that writes replaces what it wrote before. */
async function serveEach(scratch: string, backend: number): Promise<void> {
  const ports = { http: await freePort(), https: await freePort(), backend }
  writeManifests(scratch, ports)
  await check(scratch)
  for (const workers of [1, 0]) {
    writeManifests(scratch, ports)
    await serve(scratch, ports, workers)
  }
}

/** The version of the manifests that answers; undefined: none is named. */
async function ask({ http, https }: Ports, signal: AbortSignal): Promise<string | undefined> {
  const options = { signal, agent: false, host: '127.0.0.1', headers: { host: 'localhost' } }
  const secure = { ...options, port: https, servername: 'localhost', rejectUnauthorized: false }
  const [, version] = await Promise.all([
    versionOf(get({ ...options, port: http }), signal),
    versionOf(getSecurely(secure), signal),
  ])
  return version
}

async function versionOf(request: ClientRequest, signal: AbortSignal): Promise<string | undefined> {
  const [response] = await once(request, 'response', { signal })
  if (response.statusCode !== 200) throw new Error(`answered with ${response.statusCode}`)
  await once(response.resume(), 'end', { signal })
  return response.headers['x-version']
}

/** As a whole, as an editor or `mv` would. */
function writeManifests(scratch: string, ports: Ports, version?: string): void {
  writeFileSync(join(scratch, 'site.tmp'), manifests(ports, version))
  renameSync(join(scratch, 'site.tmp'), join(scratch, 'site.yaml'))
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function freePort(): Promise<number> {
  const server = createTcpServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  return port
}

function manifests({ http, https, backend }: Ports, version?: string): string {
  const filter =
    version === undefined
      ? ''
      : `, filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: x-version, value: ${version} }] } }]`
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front }
spec:
  gatewayClassName: gwproxy
  addresses: [{ value: 127.0.0.1 }]
  listeners:
    - { name: http, port: ${http}, protocol: HTTP }
    - { name: https, port: ${https}, protocol: HTTPS, tls: { certificateRefs: [{ name: cert }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: app }
spec:
  parentRefs: [{ name: front }]
  hostnames: [localhost]
  rules: [{ backendRefs: [{ name: app, port: 80 }]${filter} }]
---
apiVersion: v1
kind: Service
metadata: { name: app }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: app, labels: { kubernetes.io/service-name: app } }
addressType: IPv4
ports: [{ name: http, port: ${backend} }]
endpoints: [{ addresses: [127.0.0.1] }]
---
apiVersion: v1
kind: Secret
metadata:
  name: cert
  annotations: { gwproxy.dev/from-files: 'tls.crt=fullchain.pem,tls.key=privkey.pem' }
type: kubernetes.io/tls
`
}

const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-build-'))
const backend = createServer((_request, response) => response.end('ok'))
try {
  const made = fork(DAEMON, ['cert', 'self-signed', '--out', scratch, 'localhost'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  await once(made, 'exit')
  const port = await listen(backend)
  for (let attempt = 1; ; attempt++) {
    try {
      await serveEach(scratch, port)
      break
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
      process.stderr.write(`${inspect(error)}\n`)
    }
  }
} finally {
  backend.close()
  rmSync(scratch, { recursive: true, force: true })
}
