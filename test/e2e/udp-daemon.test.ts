/** UDP on a real daemon: wildcard and own addresses, weights, statuses, and the death of the owner. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  udpListener,
  udpRoute,
  udpService,
  yaml,
} from '../support/manifests.ts'
import { freeUdpPort, UdpBackend, UdpClient } from '../support/udp-peers.ts'

const WAIT = { timeout: 30_000 }

for (const workers of [0, 2]) {
  describe(`UDP with --workers ${workers}`, () => {
    let daemon: Daemon
    let one: UdpBackend
    let two: UdpBackend
    let port: number
    const clients: UdpClient[] = []

    before(async () => {
      one = await UdpBackend.start('one')
      two = await UdpBackend.start('two')
      port = await freeUdpPort()
      daemon = await startDaemon({
        workers,
        files: {
          'wildcard.yaml': yaml(
            gateway([udpListener('dns', port)], { name: 'wildcard', addresses: null }),
            udpRoute('wildcard', [backendRef('one', 53)], { gateway: 'wildcard' }),
          ),
          'own.yaml': yaml(
            gateway([udpListener('dns', port)]),
            udpRoute('own', [backendRef('two', 53, 1), backendRef('one', 53, 3)]),
          ),
          'services.yaml': yaml(
            ...udpService('one', 53, one.port),
            ...udpService('two', 53, two.port),
          ),
        },
      })
    })
    after(async () => {
      for (const client of clients) client.close()
      assert.equal(await daemon.stop(), 0)
      await Promise.all([one.close(), two.close()])
    })

    async function client(address?: string): Promise<UdpClient> {
      const opened = await UdpClient.open(address)
      clients.push(opened)
      return opened
    }

    it(
      'answers from the address that was asked, for several behind one wildcard',
      WAIT,
      async () => {
        const peer = await client()
        const { text, from } = await peer.ask('a', port, '127.0.0.1')
        assert.deepEqual({ text, from }, { text: 'one:a', from: `127.0.0.1:${port}` })
        const own = await peer.ask('b', port, daemon.address)
        assert.equal(own.from, `${daemon.address}:${port}`)
        if (!hasIpv6()) return
        const ipv6 = await (await client('::1')).ask('c', port, '::1')
        assert.deepEqual(ipv6.from, `::1:${port}`)
        assert.equal(ipv6.text, 'one:c')
      },
    )

    it('shares flows out by weight', WAIT, async () => {
      const counts: Record<string, number> = { one: 0, two: 0 }
      // Twice the sum of the weights, whatever came before: the round robin has come around.
      for (let i = 0; i < 8; i++) {
        const { text } = await (await client()).ask('q', port, daemon.address)
        counts[text.slice(0, 3)] = (counts[text.slice(0, 3)] ?? 0) + 1
      }
      assert.deepEqual(counts, { one: 6, two: 2 })
    })

    it('says in the status that it serves', WAIT, async () => {
      const text = JSON.stringify(await daemon.admin.get('/status'))
      assert.match(text, /UDPRoute/)
      assert.doesNotMatch(text, /"status":"(False|Unknown)"/)
    })

    if (workers > 0) {
      it('serves again when the worker that owns the port was killed', WAIT, async () => {
        const started = daemon.lines.filter(({ msg }) => msg === 'worker started')
        const owner = started.find(({ pid }) => ownsUdpPort(Number(pid), port))
        assert.ok(owner !== undefined, 'one worker has the sockets')
        process.kill(Number(owner['pid']), 'SIGKILL')
        const peer = await client()
        assert.match((await peer.askUntilAnswered('x', port, daemon.address)).text, /:x$/)
        assert.equal((await peer.askUntilAnswered('y', port)).text, 'one:y')
      })
    }

    it('tells who holds the port, and serves when it is free', WAIT, async () => {
      const holder = await UdpBackend.start('holder')
      const listener = udpListener('taken', holder.port)
      const taken = yaml(
        gateway([listener], { name: 'taken', addresses: [{ value: '127.0.0.1' }] }),
        udpRoute('taken', [backendRef('two', 53)], { gateway: 'taken' }),
      )
      const report = await daemon.apply({ 'taken.yaml': taken })
      const [failed] = report.failedBinds
      assert.equal(failed?.bind, `udp/127.0.0.1:${holder.port}`)
      assert.equal(failed?.error?.errno, 'EADDRINUSE')
      await holder.close()
      const peer = await client()
      assert.equal((await peer.askUntilAnswered('z', holder.port)).text, 'two:z')
      assert.deepEqual((await daemon.apply({ 'taken.yaml': undefined })).failedBinds, [])
    })
  })
}

function ownsUdpPort(pid: number, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const inodes = readFileSync('/proc/net/udp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap((fields) => (fields[1]?.endsWith(suffix) === true ? [`socket:[${fields[9]}]`] : []))
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return inodes.includes(readlinkSync(`/proc/${pid}/fd/${fd}`))
    } catch {
      // Closed since it was listed.
      return false
    }
  })
}

function hasIpv6(): boolean {
  return networkInterfaces()['lo']?.some(({ family }) => family === 'IPv6') === true
}
