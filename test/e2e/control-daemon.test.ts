/** The daemon from outside: probes, admin over TCP, metrics, files it writes, how it refuses. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { AdminClient } from '../../src/control/admin/client.ts'
import type { ReadyReport, StatusReport } from '../../src/control/admin/contract.ts'
import { testCertificate } from '../support/certificates.ts'
import { startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, tlsListener, tlsSecret, yaml } from '../support/manifests.ts'

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Runs to its end: for starts that are refused. */
async function run(args: readonly string[]): Promise<{ code: unknown; output: string }> {
  const child = spawn(LAUNCHER, ['run', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (output += data))
  const [code] = await once(child, 'close')
  return { code, output }
}

describe('the daemon from outside', () => {
  it('answers probes, metrics and status, shows no key, and writes status files', async () => {
    const metricsPort = await freePort()
    const statusDir = mkdtempSync(join(tmpdir(), 'gwproxy-status-'))
    const issued = await testCertificate(['web.test'])
    const daemon = await startDaemon({
      workers: 2,
      args: ['--metrics', `127.0.0.1:${metricsPort}`, '--status-dir', statusDir],
      files: {
        'all.yaml': yaml(
          gateway([tlsListener('web', 8443, 'web.test', ['web'], 'HTTPS')]),
          tlsSecret('web', issued),
        ),
      },
    })
    const probe = new AdminClient({ kind: 'tcp', host: '127.0.0.1', port: metricsPort })
    assert.equal((await probe.send('GET', '/livez')).status, 200)
    assert.equal((await probe.get<ReadyReport>('/readyz')).state, 'ready')
    const metrics = String((await probe.send('GET', '/metrics')).body)
    assert.match(metrics, /^gwproxy_workers 2$/m)
    assert.match(metrics, /^gwproxy_config_last_reload_successful 1$/m)
    assert.match(metrics, /^gwproxy_bind_open\{bind="tcp\/.*:8443"\} 1$/m)
    for (const path of ['/status', '/snapshot', '/certs']) {
      assert.equal((await probe.send('GET', path)).status, 404, `${path} is not for probes`)
    }
    assert.equal((await probe.send('POST', '/drain')).status, 404)

    const [certificate] = await daemon.admin.get<{ dnsNames: string[] }[]>('/certs')
    assert.deepEqual(certificate?.dnsNames, ['web.test'])
    const keyLine = issued.keyPem.split('\n')[1] ?? ''
    for (const path of ['/status', '/snapshot', '/certs', '/endpoints']) {
      const { status, body } = await daemon.admin.send('GET', path)
      assert.equal(status, 200)
      assert.equal(JSON.stringify(body).includes(keyLine), false, `${path} shows no key`)
    }
    assert.equal(await daemon.stop(), 0)
    const file = join(statusDir, 'Gateway_default_gw.yaml')
    const written = parse(readFileSync(file, 'utf8')) as { status: { conditions: unknown[] } }
    assert.equal(written.status.conditions.length >= 2, true)
    assert.equal(readFileSync(file, 'utf8').includes(keyLine), false)
    rmSync(statusDir, { recursive: true })
  })

  it('a port in use: Programmed is False with what to do, and turns True when it is free', async () => {
    const daemon = await startDaemon({ files: {} })
    const holder = net.createServer().listen(8555, daemon.address)
    await once(holder, 'listening')
    await daemon.apply({ 'a.yaml': yaml(gateway([httpListener('busy', 8555)])) })
    const before = await programmed()
    assert.equal(before?.status, 'False')
    assert.match(before?.message ?? '', /8555/)
    const ready = await daemon.admin.get<ReadyReport>('/readyz')
    assert.equal(ready.state, 'degraded')
    assert.match(ready.reasons.join(), /8555/)
    holder.close()
    await once(holder, 'close')
    await daemon.reload()
    assert.equal((await programmed())?.status, 'True')
    assert.equal((await daemon.admin.get<ReadyReport>('/readyz')).state, 'ready')
    assert.equal(await daemon.stop(), 0)

    async function programmed() {
      const { objects } = await daemon.admin.get<StatusReport>('/status')
      const status = objects.find(({ object }) => object.kind === 'Gateway')?.object['status']
      const { listeners } = status as {
        listeners: { conditions: { type: string; status: string; message: string }[] }[]
      }
      return listeners[0]?.conditions.find(({ type }) => type === 'Programmed')
    }
  })

  it('POST /drain ends it with 0, and its socket is gone', async () => {
    const daemon = await startDaemon({ files: {}, workers: 2 })
    const socket = join(daemon.directory, 'admin.sock')
    assert.ok(existsSync(socket))
    assert.deepEqual(await daemon.admin.post('/drain'), { state: 'draining' })
    assert.equal(await daemon.exited, 0)
    assert.equal(existsSync(socket), false)
  })

  it('a busy metrics port is a warning', async () => {
    const holder = net.createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as net.AddressInfo
    const daemon = await startDaemon({ files: {}, args: ['--metrics', `127.0.0.1:${port}`] })
    const warning = await daemon.line((line) => /no metrics/.test(String(line['msg'])))
    assert.equal(warning['level'], 'warn')
    assert.match(String(warning['help']), /--metrics/)
    assert.equal(await daemon.stop(), 0)
    holder.close()
  })
})

describe('a daemon that cannot start', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-refused-'))
  const off = ['--admin', 'off', '--metrics', 'off', '--workers', '0']

  it('--strict names the problems and exits with 1', async () => {
    writeFileSync(join(directory, 'bad.yaml'), 'kind: [\n')
    const { code, output } = await run(['--config', directory, '--strict', ...off])
    assert.equal(code, 1)
    assert.match(output, /--strict/)
    assert.match(output, /bad\.yaml:\d+:\d+/)
    rmSync(join(directory, 'bad.yaml'))
  })

  it('another daemon at the admin address: says so and exits with 1', async () => {
    const path = join(directory, 'admin.sock')
    const holder = net.createServer().listen(path)
    await once(holder, 'listening')
    const args = ['--config', directory, '--admin', `unix:${path}`, '--metrics', 'off']
    const { code, output } = await run([...args, '--workers', '0'])
    assert.equal(code, 1)
    assert.match(output, /another process answers at unix:/)
    holder.close()
  })

  it('an open admin address without a token, and output among the input: usage', async () => {
    const open = await run(['--config', directory, '--admin', '0.0.0.0:0', '--metrics', 'off'])
    assert.notEqual(open.code, 0)
    assert.match(open.output, /GWPROXY_ADMIN_TOKEN/)
    const inside = join(directory, 'status')
    const loop = await run(['--config', directory, '--status-dir', inside, ...off])
    assert.equal(loop.code, 2)
    assert.match(loop.output, /inside the configuration directory/)
    rmSync(directory, { recursive: true })
  })
})
