/** Sockets are bound once, kept while they are wanted, and tried again while they fail. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import * as net from 'node:net'
import { describe, it } from 'node:test'
import { bindTcp } from '../../../src/control/bind-tcp.ts'
import { Sockets } from '../../../src/control/sockets.ts'
import { listenOn } from '../../../src/ipc/bound-handle.ts'
import { bindPart } from './fixtures.ts'

const BIND_TCP = new URL('../../../src/control/bind-tcp.ts', import.meta.url).href

async function busyPort(): Promise<{ port: number; close: () => Promise<void> }> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  return {
    port,
    close: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

/** Whether anybody accepts or queues there. */
function connects(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, host)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

describe('bindTcp', () => {
  it('takes a port without listening on it', async () => {
    const bound = bindTcp('127.0.0.1', 0)
    assert.ok(bound.kind === 'bound')
    assert.ok(bound.port > 0)
    assert.equal(await connects(bound.port), false)
    bound.handle.close()
  })

  it('names the port that is in use', async () => {
    const busy = await busyPort()
    const failed = bindTcp('127.0.0.1', busy.port)
    assert.ok(failed.kind === 'failed')
    assert.equal(failed.error.errno, 'EADDRINUSE')
    assert.match(failed.error.message, new RegExp(`ss -ltnp 'sport = :${busy.port}'`))
    await busy.close()
  })

  it('says that an address is not ours', () => {
    const failed = bindTcp('192.0.2.1', 0)
    assert.ok(failed.kind === 'failed')
    assert.equal(failed.error.errno, 'EADDRNOTAVAIL')
    assert.match(failed.error.message, /spec\.addresses/)
  })

  it('the wildcard serves both families, or IPv4 where there is no other', async () => {
    const bound = bindTcp('::', 0)
    assert.ok(bound.kind === 'bound')
    const server = listenOn(bound.handle)
    assert.equal(await connects(bound.port), true)
    server?.close()
  })

  it('says what a low port needs, and names the binary', { skip: !mayDropRoot() }, () => {
    const script = `
      const { bindTcp } = await import(${JSON.stringify(BIND_TCP)})
      process.stdout.write(JSON.stringify(bindTcp('127.0.0.1', 81)))`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      uid: 65_534,
      encoding: 'utf8',
      cwd: '/',
    })
    const { error } = JSON.parse(stdout) as { error: { errno: string; message: string } }
    assert.equal(error.errno, 'EACCES')
    assert.match(error.message, /AmbientCapabilities=CAP_NET_BIND_SERVICE/)
    assert.match(error.message, /ip_unprivileged_port_start=81/)
    assert.ok(error.message.includes(process.execPath))
  })
})

/** Only root can become somebody who may not bind port 81 and can read our files. */
function mayDropRoot(): boolean {
  if (process.getuid?.() !== 0) return false
  const script = `await import(${JSON.stringify(BIND_TCP)})`
  const probe = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `${script}; const s = (await import('node:net')).createServer(); s.on('error', () => process.exit(7)); s.listen(81, '127.0.0.1', () => process.exit(0))`,
    ],
    { uid: 65_534, cwd: '/' },
  )
  return probe.status === 7
}

describe('Sockets', () => {
  it('keeps a socket over generations and closes it when nobody wants it', async () => {
    const busy = await busyPort()
    const { port } = busy
    await busy.close()
    const part = bindPart(port)
    const sockets = new Sockets()
    sockets.open([part])
    const first = sockets.state(part.key)
    sockets.open([part])
    assert.equal(sockets.state(part.key), first)
    assert.equal(sockets.retain(new Set([part.key])), false)
    assert.equal(sockets.retain(new Set()), true)
    assert.equal(sockets.state(part.key), undefined)
  })

  it('opens a failed bind when its holder leaves', async () => {
    const busy = await busyPort()
    const part = bindPart(busy.port)
    const sockets = new Sockets()
    sockets.open([part])
    assert.equal(sockets.state(part.key)?.kind, 'failed')
    assert.equal(sockets.retry(), false, 'still taken')
    await busy.close()
    assert.equal(sockets.retry(), true)
    assert.equal(sockets.state(part.key)?.kind, 'open')
    assert.equal(sockets.hasFailures, false)
    sockets.retain(new Set())
  })

  it('tells which own addresses behind a wildcard socket this machine has', () => {
    const own = new Set(['192.0.2.7'])
    const sockets = new Sockets((address, port) =>
      address === '::' || own.has(address)
        ? { kind: 'bound', port, handle: { fd: 3, getsockname: () => 0, close: () => {} } }
        : { kind: 'failed', error: { errno: 'EADDRNOTAVAIL', message: 'not here' } },
    )
    const table = { chains: [], listeners: [] }
    const part = {
      ...bindPart(443, '::'),
      tables: [
        { ...table, localAddresses: ['192.0.2.7'] },
        { ...table, localAddresses: ['2001:db8::1'] },
        { ...table, localAddresses: ['*'] },
      ],
    }
    const results = (): string[] =>
      sockets.ownAddresses.map(({ bind, error }) => `${bind} ${error?.errno ?? 'here'}`)
    sockets.open([part])
    assert.deepEqual(results(), ['tcp/192.0.2.7:443 here', 'tcp/[2001:db8::1]:443 EADDRNOTAVAIL'])
    assert.equal(sockets.hasFailures, true)
    assert.equal(sockets.retry(), false)
    own.add('2001:db8::1')
    assert.equal(sockets.retry(), true, 'the address was added')
    assert.equal(sockets.hasFailures, false)
    sockets.open([bindPart(443, '::')])
    assert.deepEqual(results(), [])
  })

  it('binds anew what a worker in this process has closed', async () => {
    const busy = await busyPort()
    await busy.close()
    const part = bindPart(busy.port)
    const sockets = new Sockets()
    sockets.open([part])
    const before = sockets.state(part.key)
    assert.ok(before?.kind === 'open')
    listenOn(before.handle)?.close()
    const after = sockets.state(part.key)
    assert.ok(after?.kind === 'open')
    assert.notEqual(after.handle, before.handle)
    sockets.retain(new Set())
  })

  it('tells when somebody else listened first', () => {
    const first = bindTcp('127.0.0.1', 0)
    assert.ok(first.kind === 'bound')
    // Two sockets may be bound to one port while neither listens; only one may then listen.
    const rival = bindTcp('127.0.0.1', first.port)
    assert.ok(rival.kind === 'bound')
    const server = listenOn(first.handle)
    assert.ok(server?.listening)
    assert.equal(listenOn(rival.handle), undefined)
    server.close()
    rival.handle.close()
  })
})
