/** UDP sockets of systemd: datagrams wait in them while nobody reads, and none is lost. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { UpgradeReport } from '../../src/control/admin/contract.ts'
import { nativeHandleOf } from '../../src/ipc/datagram-handle.ts'
import { type Daemon, type DaemonOptions, ownAddress, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import {
  backendRef,
  gateway,
  httpListener,
  udpListener,
  udpRoute,
  udpService,
  yaml,
} from '../support/manifests.ts'
import { isStopped } from '../support/processes.ts'
import { UdpBackend, UdpClient } from '../support/udp-peers.ts'
import { UdpQuestions } from '../support/udp-questions.ts'
import { until } from '../support/until.ts'

const PORT = 5353
const LIMIT = { timeout: 120_000 }

let backend: UdpBackend
before(async () => {
  backend = await UdpBackend.start('dns')
})
after(() => backend.close())

/** What systemd does: it binds, keeps the descriptor and gives away copies. */
async function systemdSocket(address: string): Promise<number> {
  const socket = dgram.createSocket('udp4').bind(PORT, address)
  await once(socket, 'listening')
  after(() => socket.close())
  const handle = nativeHandleOf(socket)
  handle.recvStop()
  return handle.fd
}

function manifest(address: string): string {
  return yaml(
    gateway([udpListener('dns', PORT)], { addresses: [{ value: address }] }),
    udpRoute('dns', [backendRef('dns', 53)]),
    ...udpService('dns', 53, backend.port),
  )
}

function start(fd: number, options: DaemonOptions): Promise<Daemon> {
  return startDaemon({ ...options, passed: [fd], env: { LISTEN_FDNAMES: 'dns', ...options.env } })
}

for (const workers of [0, 2]) {
  describe(`datagrams of systemd with --workers ${workers}`, () => {
    it('are served; they outlive their listener and the daemon', LIMIT, async () => {
      const address = ownAddress()
      const fd = await systemdSocket(address)
      const files = { 'all.yaml': manifest(address) }
      const client = await UdpClient.open()
      after(() => client.close())
      const first = await start(fd, { workers, files })
      const taken = await first.line(({ msg }) => msg === 'sockets taken from systemd')
      assert.deepEqual(taken['sockets'], [`dns (${address}:${PORT}, UDP)`])
      assert.equal((await client.ask('one', PORT, address)).text, 'dns:one')

      // Bound anew it would fail: the test holds the address.
      await first.apply({
        'all.yaml': yaml(
          gateway([httpListener('http', 8080)], { addresses: [{ value: address }] }),
        ),
      })
      client.send('two', PORT, address)
      const again = await first.apply({ 'all.yaml': manifest(address) })
      assert.deepEqual(again.failedBinds, [])
      const two = await client.receive()
      assert.deepEqual(two, { ...two, text: 'dns:two', from: `${address}:${PORT}` })
      assert.equal(await first.stop(), 0)

      client.send('three', PORT, address)
      const second = await start(fd, { workers, files })
      assert.equal((await client.receive()).text, 'dns:three')
      assert.ok(!second.lines.some(({ msg }) => /no listener has/.test(String(msg))))
      assert.equal(await second.stop(), 0)
    })

    it('are all answered over upgrades and restarts', LIMIT, async (t) => {
      const address = ownAddress()
      const fd = await systemdSocket(address)
      const files = { 'all.yaml': manifest(address) }
      let daemon = await start(fd, { workers, files })
      const questions = new UdpQuestions(address, PORT)
      for (const _ of [1, 2]) await daemon.admin.post<UpgradeReport>('/upgrade')
      assert.equal(await daemon.stop(), 0)
      assert.ok(!daemon.lines.some(({ msg }) => /no listener has/.test(String(msg))))
      daemon = await start(fd, { workers, files })
      t.diagnostic(`${await questions.answered()} questions, all answered`)
      assert.equal(await daemon.stop(), 0)
    })
  })
}

describe('datagrams of systemd', () => {
  it('wait for the worker that takes the place of their owner', LIMIT, async () => {
    const address = ownAddress()
    const fd = await systemdSocket(address)
    const daemon = await start(fd, { workers: 1, files: { 'all.yaml': manifest(address) } })
    const started = await daemon.line(({ msg }) => msg === 'worker started')
    const pid = Number(started['pid'])
    process.kill(pid, 'SIGSTOP')
    await until(() => isStopped(pid))
    const client = await UdpClient.open()
    after(() => client.close())
    client.send('who', PORT, address)
    process.kill(pid, 'SIGKILL')
    assert.equal((await client.receive()).text, 'dns:who')
    assert.equal(await daemon.stop(), 0)
  })
})

describe('systemd-socket-activate --datagram', {
  skip: spawnSync('systemd-socket-activate', ['--version']).error && 'it is not here',
}, () => {
  it('starts it at the first datagram, which is answered', LIMIT, async () => {
    const address = ownAddress()
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-activate-'))
    writeFileSync(join(directory, 'all.yaml'), manifest(address))
    const options = ['--admin', 'off', '--metrics', 'off', '--config', directory]
    const child = spawn(
      'systemd-socket-activate',
      [
        ...['--datagram', '-l', `${address}:${PORT}`],
        `--setenv=PATH=${process.env['PATH'] ?? ''}`,
        ...[LAUNCHER, 'run', '--workers', '1', ...options],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    after(() => child.kill('SIGKILL'))
    let told = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => {
        told += text.toString()
      })
    }
    await until(() => told.includes('Listening on'))
    const client = await UdpClient.open()
    after(() => client.close())
    assert.equal((await client.ask('who', PORT, address)).text, 'dns:who')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    rmSync(directory, { recursive: true })
  })
})
