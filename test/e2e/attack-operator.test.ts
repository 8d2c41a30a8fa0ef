/**
 * Attacks on what operators see (security guide 2.9): the admin interface and metrics listener over
 * TCP, web pages that reach for them, and a log that nobody reads.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { GoodClients, startTarget, type Target, transcript } from '../support/attack.ts'
import { type Daemon, ownAddress } from '../support/daemon.ts'
import { closedPort } from '../support/http-origin.ts'
import { LAUNCHER } from '../support/launcher.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  yaml,
} from '../support/manifests.ts'

const PATHS = ['/livez', '/readyz', '/metrics', '/status', '/snapshot', '/certs', '/endpoints']

describe('the admin interface under attack', () => {
  let target: Target
  let daemon: Daemon
  let adminPort = 0
  let metricsPort = 0

  before(async () => {
    adminPort = await closedPort()
    metricsPort = await closedPort()
    target = await startTarget({
      args: ['--admin', `127.0.0.1:${adminPort}`, '--metrics', `127.0.0.1:${metricsPort}`],
    })
    daemon = target.daemon
  })

  after(() => target.stop())

  async function status(port: number, head: string): Promise<string> {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`${head}\r\nConnection: close\r\n\r\n`)
    return transcript(socket)
  }

  it('answers nobody who names another host or comes from a web page', async () => {
    for (const port of [adminPort, metricsPort]) {
      for (const head of [
        'GET /livez HTTP/1.1\r\nHost: rebound.example',
        `GET /livez HTTP/1.1\r\nHost: rebound.example:${port}`,
        'GET http://localhost/livez HTTP/1.1\r\nHost: rebound.example',
        'GET /livez HTTP/1.1\r\nHost: localhost.rebound.example',
        'GET /livez HTTP/1.1\r\nHost: localhost\r\nOrigin: http://rebound.example',
        'POST /reload HTTP/1.1\r\nHost: localhost\r\nOrigin: null',
        'POST /drain HTTP/1.1\r\nHost: 127.0.0.1@rebound.example',
      ]) {
        assert.match(await status(port, head), /^HTTP\/1\.1 (?:403|400) /, head)
      }
    }
  })

  it('changes nothing by GET, and nothing at all on the metrics listener', async () => {
    for (const path of ['/reload', '/drain']) {
      assert.match(await status(adminPort, `GET ${path} HTTP/1.1\r\nHost: localhost`), / 405 /)
      assert.match(await status(metricsPort, `POST ${path} HTTP/1.1\r\nHost: localhost`), / 404 /)
    }
    for (const path of ['/status', '/snapshot', '/__proto__', '/constructor', '/../status']) {
      assert.match(await status(metricsPort, `GET ${path} HTTP/1.1\r\nHost: localhost`), / 404 /)
    }
  })

  it('shows no key', async () => {
    for (const path of PATHS) {
      const text = await status(adminPort, `GET ${path} HTTP/1.1\r\nHost: localhost`)
      assert.match(text, /^HTTP\/1\.1 200 /, path)
      assert.doesNotMatch(text, /PRIVATE KEY|tls\.key": ?"[^[]/, path)
    }
    assert.doesNotMatch(JSON.stringify(daemon.lines), /PRIVATE KEY/)
  })

  it('is not kept from operators by slow or huge requests', () =>
    GoodClients.whileDoing(target, async () => {
      const slow = [adminPort, metricsPort].flatMap((port) =>
        Array.from({ length: 40 }, () => {
          const socket = net.connect(port, '127.0.0.1')
          socket.on('error', () => {})
          socket.resume()
          socket.write('GET /livez HTTP/1.1\r\nHost: local')
          return socket
        }),
      )
      const huge = `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(100_000)}`
      assert.match(await status(adminPort, huge), /^HTTP\/1\.1 431 |^$/)
      const body = 'POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999'
      assert.match(await status(metricsPort, body), / 404 /)
      assert.match(await status(adminPort, 'GET /livez HTTP/1.1\r\nHost: localhost'), / 200 /)
      await Promise.all(
        slow
          .filter((socket) => !socket.destroyed)
          .map((socket) => new Promise((resolve) => socket.once('close', resolve))),
      )
    }))
})

describe('a log that nobody reads', () => {
  it('blocks neither traffic nor the end', async () => {
    const backend: Backend = await startHttpBackend('good')
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-test-'))
    const address = ownAddress()
    const manifests = yaml(
      gateway([httpListener('http', 8080)]),
      httpRoute('good', undefined, [{ backendRefs: [backendRef('good')] }]),
      ...service('good', 80, [backend]),
    )
    writeFileSync(join(directory, 'all.yaml'), manifests.replaceAll('{address}', address))
    const child = spawn(
      LAUNCHER,
      ['run', '--config', directory, '--admin', 'off', '--metrics', 'off', '--workers', '0'],
      { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] },
    )
    const exited = once(child, 'exit')
    await once(child, 'message')
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
    const get = (): Promise<number | undefined> =>
      new Promise((done, failed) => {
        const request = http.get({ host: address, port: 8080, path: `/${'p'.repeat(900)}`, agent })
        request.on('response', (response) => {
          response.resume()
          response.on('end', () => done(response.statusCode))
        })
        request.on('error', failed)
      })
    // Each line is above 1 KiB: more than the pipe and this process's own buffer hold.
    const lane = async (): Promise<void> => {
      for (let i = 0; i < 100; i += 1) assert.equal(await get(), 200)
    }
    await Promise.all(Array.from({ length: 8 }, lane))
    agent.destroy()
    const started = Date.now()
    child.kill('SIGTERM')
    const [code] = await exited
    assert.equal(code, 0)
    assert.ok(Date.now() - started < 5000, 'it ends in time')
    await backend.close()
    rmSync(directory, { recursive: true, force: true })
  })
})
