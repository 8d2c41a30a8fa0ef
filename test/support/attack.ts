/**
 * A daemon under attack: every kind of listener, backends of the test's choice, and good clients on
 * connections of their own that must not notice anything (security guide 2).
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import { type Backend, startHttpBackend, startTlsBackend } from '../../demo/backends.ts'
import { testAuthority, testCertificate } from './certificates.ts'
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts'
import { connectH2, h2Request } from './h2-client.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tcpRoute,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from './manifests.ts'

export interface Port {
  readonly port: number
}

export interface Target {
  readonly daemon: Daemon
  readonly address: string
  readonly caPem: string
  /** Resolves when the daemon has stopped; asserts that it lost nothing under way. */
  stop(): Promise<void>
}

/** Backends by the host `NAME.test` that leads to them over HTTP and HTTPS. */
export interface TargetOptions extends Partial<Pick<DaemonOptions, 'workers' | 'args' | 'env'>> {
  readonly http?: Readonly<Record<string, Port>>
  /** As `http`, but spoken to in HTTP/2. */
  readonly h2c?: Readonly<Record<string, Port>>
  /** What `raw.test` leads to behind TLS. */
  readonly tcp?: Port
  /** What `pass.test` leads to untouched, instead of a good TLS backend. */
  readonly passthrough?: Port
}

const HTTP_PORT = 8080
const TLS_PORT = 8443

export async function startTarget(options: TargetOptions = {}): Promise<Target> {
  const good = await startHttpBackend('good')
  const secure = await startTlsBackend('secure', await testCertificate(['pass.test', 'safe.test']))
  const named = { good, ...options.http }
  const local = ({ port }: Port): Pick<Backend, 'address' | 'port'> => ({
    address: '127.0.0.1',
    port,
  })
  const hosts = [...Object.keys(named), ...Object.keys(options.h2c ?? {})]
  const names = ['raw', ...hosts].map((name) => `${name}.test`)
  const routes = hosts.map((name) =>
    httpRoute(name, [`${name}.test`], [{ backendRefs: [backendRef(name)] }]),
  )
  const daemon = await startDaemon({
    ...options,
    files: {
      'all.yaml': yaml(
        gateway([
          httpListener('http', HTTP_PORT),
          tlsListener('raw', TLS_PORT, 'raw.test', ['any']),
          tlsListener('pass', TLS_PORT, 'pass.test', 'passthrough'),
          tlsListener('safe', TLS_PORT, 'safe.test', 'passthrough'),
          tlsListener('web', TLS_PORT, '*.test', ['any'], 'HTTPS'),
        ]),
        tlsSecret('any', await testCertificate(names)),
        tlsRoute('pass', ['pass.test'], [backendRef('pass', 443)], { sectionName: 'pass' }),
        tlsRoute('safe', ['safe.test'], [backendRef('safe', 443)], { sectionName: 'safe' }),
        tcpRoute('raw', [backendRef('raw', 7)], { sectionName: 'raw' }),
        ...routes,
        ...Object.entries(named).flatMap(([name, port]) => service(name, 80, [local(port)])),
        ...Object.entries(options.h2c ?? {}).flatMap(([name, port]) =>
          service(name, 80, [local(port)], 'kubernetes.io/h2c'),
        ),
        ...service('raw', 7, [local(options.tcp ?? good)]),
        ...service('pass', 443, [local(options.passthrough ?? secure)]),
        ...service('safe', 443, [secure]),
      ),
    },
  })
  const caPem = (await testAuthority()).certPem
  return {
    daemon,
    address: daemon.address,
    caPem,
    stop: async () => {
      assert.equal(await daemon.stop(), 0, 'the daemon ends by itself')
      const broken = daemon.lines.filter(
        (line) => line['level'] === 'error' || /defect|exited/.test(String(line['msg'])),
      )
      assert.deepEqual(broken, [])
      await Promise.all([good.close(), secure.close()])
    },
  }
}

export function connectHttp({ address }: Target): net.Socket {
  return quiet(net.connect({ host: address, port: HTTP_PORT }))
}

/** Raw bytes to the TLS port. */
export function connectTlsPort({ address }: Target): net.Socket {
  return quiet(net.connect({ host: address, port: TLS_PORT }))
}

export function connectTls(
  { address, caPem }: Target,
  servername: string,
  options: tls.ConnectionOptions = {},
): tls.TLSSocket {
  return quiet(tls.connect({ host: address, port: TLS_PORT, servername, ca: caPem, ...options }))
}

export function plainOrigin({ address }: Target): string {
  return `http://${address}:${HTTP_PORT}`
}

/** Everything that comes back until the other side closes, or says nothing for a long time. */
export function transcript(socket: net.Socket, silenceMs = 8000): Promise<string> {
  let text = ''
  socket.setTimeout(silenceMs, () => socket.destroy(new Error('silence')))
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  return new Promise((resolve) => socket.on('close', () => resolve(text)))
}

/** Sends the bytes over cleartext HTTP; what comes back until the close. */
export function exchangeBytes(target: Target, bytes: string): Promise<string> {
  const socket = connectHttp(target)
  socket.write(bytes, 'latin1')
  return transcript(socket)
}

function quiet<S extends net.Socket>(socket: S): S {
  socket.on('error', () => {})
  return socket
}

/** Good clients of each kind, at it until `stop`, which asserts that each request was answered. */
export class GoodClients {
  readonly #target: Target
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  readonly #failures: string[] = []
  readonly #loops: Promise<void>[]
  #stopped = false
  served = 0

  constructor(target: Target) {
    this.#target = target
    this.#loops = [this.#loop('http/1.1', this.#http1()), this.#loop('passthrough', this.#tls())]
  }

  static async whileDoing(target: Target, attack: () => Promise<void>): Promise<void> {
    const clients = new GoodClients(target)
    try {
      await attack()
    } finally {
      await clients.stop()
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
    this.#agent.destroy()
    assert.deepEqual(this.#failures, [], 'good clients noticed')
    assert.ok(this.served > 0)
    const session = await connectH2(plainOrigin(this.#target))
    const answer = await h2Request(session, { ':path': '/', ':authority': 'good.test' })
    session.destroy()
    assert.equal(answer.status, 200)
  }

  async #loop(name: string, once: () => Promise<void>): Promise<void> {
    do {
      try {
        await once()
        this.served += 1
      } catch (error) {
        this.#failures.push(`${name}: ${error}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    } while (!this.#stopped)
  }

  #http1(): () => Promise<void> {
    let count = 0
    return () =>
      new Promise((resolve, reject) => {
        count += 1
        const path = `/good/${count}`
        const request = http.get({
          host: this.#target.address,
          port: HTTP_PORT,
          path,
          headers: { host: 'good.test' },
          agent: this.#agent,
          timeout: 5000,
        })
        request.on('timeout', () => request.destroy(new Error('timeout')))
        request.on('error', reject)
        request.on('response', (response) => {
          let text = ''
          response.on('data', (chunk) => {
            text += chunk
          })
          response.on('error', reject)
          response.on('end', () => {
            if (response.statusCode === 200 && text.includes(`"${path}"`)) resolve()
            else reject(new Error(`${response.statusCode} ${text}`))
          })
        })
      })
  }

  #tls(): () => Promise<void> {
    return async () => {
      const socket = connectTls(this.#target, 'safe.test')
      const text = transcript(socket)
      socket.write('GET /safe HTTP/1.1\r\nHost: safe.test\r\nConnection: close\r\n\r\n')
      const timer = setTimeout(() => socket.destroy(), 5000)
      const answer = await text
      clearTimeout(timer)
      if (!answer.includes('"sni":"safe.test"')) throw new Error(`passthrough: ${answer}`)
    }
  }
}

/** Of the daemon's own process (`--workers 0`: all of it). */
export function residentMiB({ daemon }: Target): number {
  const kib = /^VmRSS:\s+([0-9]+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))
  return Number(kib?.[1]) / 1024
}

export function descriptorCount({ daemon }: Target): number {
  return readdirSync(`/proc/${daemon.pid}/fd`).length
}
