/**
 * Socket activation: what systemd passes is used instead of binding, outlives listeners, workers
 * and the daemon, and what fits nothing is named.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { bindTcp } from '../../src/control/bind-tcp.ts'
import { nativeHandleOf } from '../../src/ipc/datagram-handle.ts'
import { curl } from '../support/command.ts'
import {
  type Daemon,
  type DaemonOptions,
  type LogLine,
  ownAddress,
  startDaemon,
} from '../support/daemon.ts'
import { freeWildcardPort } from '../support/free-port.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'
import { until } from '../support/until.ts'

const PORT = 8080
const ROUTE = httpRoute('r', undefined, [
  { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'to.test' } }] },
])

/** What systemd does: it binds, keeps the descriptor and gives away copies. */
function systemdSocket(address: string, port: number): number {
  const bound = bindTcp(address, port)
  assert.ok(bound.kind === 'bound')
  after(() => bound.handle.close())
  return (bound.handle as unknown as { readonly fd: number }).fd
}

/** Of a socket of Node's. */
function fdOf(socket: object): number {
  return (socket as { readonly _handle: { readonly fd: number } })._handle.fd
}

function manifest(address: string, ...ports: readonly number[]): string {
  const listeners = ports.map((port) => httpListener(`http-${port}`, port))
  return yaml(gateway(listeners, { addresses: [{ value: address }] }), ROUTE)
}

function start(passed: readonly number[], names: string, options: DaemonOptions): Promise<Daemon> {
  return startDaemon({
    ...options,
    passed,
    env: { LISTEN_FDNAMES: names, ...options.env },
  })
}

async function status(address: string, port = PORT): Promise<string> {
  const { stdout } = await curl([
    ...['-o', '/dev/null', '-w', '%{http_code}', '--max-time', '60'],
    `http://${address}:${port}/`,
  ])
  return stdout
}

function isMissing(program: string): string | false {
  const { error } = spawnSync(program, ['--version'])
  return error === undefined ? false : `there is no ${program} here`
}

for (const workers of [0, 2]) {
  describe(`sockets of systemd with --workers ${workers}`, () => {
    it('serve, and outlive their listener and the daemon', { timeout: 120_000 }, async () => {
      const address = ownAddress()
      const fd = systemdSocket(address, PORT)
      const files = { 'all.yaml': manifest(address, PORT) }
      const first = await start([fd], 'http', { workers, files })
      assert.equal(await status(address), '302')
      const taken = await first.line(({ msg }) => msg === 'sockets taken from systemd')
      assert.deepEqual(taken['sockets'], [`http (${address}:${PORT})`])

      // Bound anew it would fail: the test holds the address.
      const other = await first.apply({ 'all.yaml': manifest(address, PORT + 1) })
      assert.deepEqual(other.failedBinds, [])
      assert.equal(await status(address, PORT + 1), '302')
      const again = await first.apply({ 'all.yaml': manifest(address, PORT) })
      assert.deepEqual(again.failedBinds, [])
      assert.equal(await status(address), '302')
      assert.equal(await first.stop(), 0)

      // Nobody serves: the connection waits for the next one.
      const waiting = status(address)
      const second = await start([fd], 'http', { workers, files })
      assert.equal(await waiting, '302')
      assert.equal(await second.stop(), 0)
    })
  })
}

describe('sockets of systemd', () => {
  it('reach a worker that took the place of another', { timeout: 60_000 }, async () => {
    const address = ownAddress()
    const fd = systemdSocket(address, PORT)
    const files = { 'all.yaml': manifest(address, PORT) }
    const daemon = await start([fd], 'http', { workers: 1, files })
    const started = await daemon.line(({ msg }) => msg === 'worker started')
    process.kill(Number(started['pid']), 'SIGKILL')
    await daemon.line(({ msg, pid }) => msg === 'worker started' && pid !== started['pid'])
    assert.equal(await status(address), '302')
    assert.equal(await daemon.stop(), 0)
  })

  it('stay with the main process, as does what else systemd tells', async () => {
    const address = ownAddress()
    const fd = systemdSocket(address, PORT)
    const files = { 'all.yaml': manifest(address, PORT) }
    const daemon = await start([fd], 'http', { workers: 1, files })
    const { pid } = await daemon.line(({ msg }) => msg === 'worker started')
    const environment = readFileSync(`/proc/${String(pid)}/environ`, 'utf8').split('\0')
    assert.ok(environment.some((entry) => entry.startsWith('PATH=')))
    assert.deepEqual(
      environment.filter((entry) => entry.startsWith('LISTEN_')),
      [],
    )
    assert.equal(await daemon.stop(), 0)
  })

  it('on the wildcard serve Gateways without addresses', { timeout: 60_000 }, async () => {
    const port = await freeWildcardPort()
    const fd = systemdSocket('0.0.0.0', port)
    const daemon = await start([fd], 'http', {
      files: { 'all.yaml': yaml(gateway([httpListener('http', port)], { addresses: [] }), ROUTE) },
    })
    // Bound to both families it would find the port taken.
    assert.equal(await status('127.0.0.1', port), '302')
    assert.equal(await daemon.stop(), 0)
  })

  it('without a listener are named, and kept for one', { timeout: 60_000 }, async () => {
    const address = ownAddress()
    const passed = [systemdSocket(address, PORT), systemdSocket(address, PORT + 1)]
    const daemon = await start(passed, 'web:spare', {
      files: { 'all.yaml': manifest(address, PORT) },
    })
    const told = ({ msg }: LogLine): boolean => String(msg).includes(`passed spare (${address}:`)
    await daemon.line(told)
    // The new process tells of it, too: the files may be others by then.
    await daemon.admin.post('/upgrade')
    await until(() => daemon.lines.filter(told).length === 2)
    assert.ok(!daemon.lines.some(({ msg }) => /passed web/.test(String(msg))))
    const { failedBinds } = await daemon.apply({ 'all.yaml': manifest(address, PORT, PORT + 1) })
    assert.deepEqual(failedBinds, [])
    assert.equal(await status(address, PORT + 1), '302')
    assert.equal(await daemon.stop(), 0)
  })

  it('serve the listener of their name, wherever they are bound', { timeout: 60_000 }, async () => {
    const address = ownAddress()
    // Each exact match keeps its own, whatever the names say.
    const ports = [PORT, PORT + 1, PORT + 100, PORT + 101]
    const passed = ports.map((port) => systemdSocket(address, port))
    const listeners = ['web', 'api', 'grpc', 'more'].map((name, at) =>
      httpListener(name, PORT + at),
    )
    const daemon = await start(passed, 'web:grpc:grpc:default/gw/more', {
      files: {
        'all.yaml': yaml(gateway(listeners, { addresses: [{ value: address }] }), ROUTE),
      },
    })
    for (const port of ports) assert.equal(await status(address, port), '302', String(port))
    assert.ok(!daemon.lines.some(({ msg }) => /no listener has/.test(String(msg))))
    for (const port of [PORT + 2, PORT + 3]) {
      await daemon.line(
        ({ log, bind }) => log === 'connection' && bind === `tcp/${address}:${port}`,
      )
    }
    // A name that is free again is another listener's.
    const moved = httpListener('grpc', PORT + 200)
    await daemon.apply({
      'all.yaml': yaml(gateway([moved], { addresses: [{ value: address }] }), ROUTE),
    })
    const again = await daemon.apply({
      'all.yaml': yaml(
        gateway([httpListener('more', PORT + 201)], { addresses: [{ value: address }] }),
        ROUTE,
      ),
    })
    assert.deepEqual(again.failedBinds, [])
    assert.equal(await status(address, PORT + 101), '302')
    assert.equal(await daemon.stop(), 0)
  })

  it('of another kind are named and closed', { timeout: 60_000 }, async () => {
    const address = ownAddress()
    const udp = dgram.createSocket('udp4').bind(0, '0.0.0.0')
    await once(udp, 'listening')
    const unix = net.createServer().listen(`\0gwproxy-test-${process.pid}`)
    const server = net.createServer().listen(0, address)
    await once(server, 'listening')
    const connection = net.connect((server.address() as net.AddressInfo).port, address)
    await once(connection, 'connect')
    const daemon = await start(
      [nativeHandleOf(udp).fd, fdOf(unix), fdOf(connection)],
      'dns:admin:held',
      {
        files: { 'all.yaml': manifest(address, PORT) },
      },
    )
    await daemon.line(({ msg }) =>
      /dns \(0\.0\.0\.0:\d+\) takes datagrams for every address/.test(String(msg)),
    )
    await daemon.line(({ msg }) =>
      /admin \(descriptor 4\) is neither a TCP nor a UDP/.test(String(msg)),
    )
    await daemon.line(({ msg }) => /held \(descriptor 5\) is a connection/.test(String(msg)))
    assert.equal(await status(address), '302')
    assert.equal(await daemon.stop(), 0)
    udp.close()
    connection.destroy()
    unix.close()
    server.close()
  })

  it('of another process are left alone', { timeout: 60_000 }, async () => {
    const address = ownAddress()
    const fd = systemdSocket(address, PORT)
    const daemon = await startDaemon({
      files: { 'all.yaml': manifest(address, PORT + 1) },
      passed: [fd],
      // Another than the shell's own, which becomes the daemon.
      launcher: ['env', 'LISTEN_PID=1', LAUNCHER],
    })
    assert.ok(!daemon.lines.some(({ msg }) => /systemd/.test(String(msg))))
    assert.equal(await daemon.stop(), 0)
  })
})

describe('systemd-socket-activate', { skip: isMissing('systemd-socket-activate') }, () => {
  it('starts it at the first connection, which is served', { timeout: 60_000 }, async () => {
    const address = ownAddress()
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-activate-'))
    writeFileSync(join(directory, 'all.yaml'), manifest(address, PORT))
    const options = ['--admin', 'off', '--metrics', 'off', '--config', directory]
    const child = spawn(
      'systemd-socket-activate',
      [
        ...[
          '-l',
          `${address}:${PORT}`,
          '--fdname=web',
          `--setenv=PATH=${process.env['PATH'] ?? ''}`,
        ],
        ...[LAUNCHER, 'run', '--workers', '1', ...options],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    after(() => child.kill('SIGKILL'))
    let log = ''
    child.stdout.on('data', (text: Buffer) => {
      log += text.toString()
    })
    await new Promise<void>((listening) => {
      child.stderr.on('data', (text: Buffer) => {
        if (text.includes('Listening on')) listening()
      })
    })
    assert.equal(await status(address), '302')
    await until(() => log.includes('sockets taken from systemd'))
    assert.ok(log.includes(`"web (${address}:${PORT})"`), log)
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number | null]
    assert.equal(code, 0)
    rmSync(directory, { recursive: true })
  })
})
