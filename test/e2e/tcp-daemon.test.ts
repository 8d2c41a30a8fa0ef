/** Plain TCP listeners on a real daemon: servers that speak first, weights, half-close, the oldest route. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { type Backend, startTcpBackend } from '../../demo/backends.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { backendRef, gateway, service, tcpRoute, yaml } from '../support/manifests.ts'

const WAIT = { timeout: 20_000 }

describe('TCP listeners', () => {
  const backends: Backend[] = []
  let daemon: Daemon

  before(async () => {
    const one = await startTcpBackend('one')
    const two = await startTcpBackend('two')
    backends.push(one, two)
    daemon = await startDaemon({
      workers: 0,
      files: {
        'all.yaml': yaml(
          gateway([
            { name: 'db', port: 5432, protocol: 'TCP' },
            { name: 'empty', port: 5433, protocol: 'TCP' },
          ]),
          aged(tcpRoute('older', [backendRef('one', 80, 3), backendRef('two')], NAMED), 2025),
          aged(tcpRoute('newer', [backendRef('two')], DB), 2026),
          ...service('one', 80, [one]),
          ...service('two', 80, [two]),
        ),
      },
    })
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    await Promise.all(backends.map((backend) => backend.close()))
  })

  it('relay a server’s first words, and its answer after a half-close', WAIT, async () => {
    const socket = connect({ host: daemon.address, port: 5432, allowHalfOpen: true })
    const [welcome] = await new Promise<Buffer[]>((resolve) => {
      socket.once('data', (chunk: Buffer) => resolve([chunk]))
    })
    assert.match(String(welcome), /one|two/)
    socket.end('last words')
    assert.match(await text(socket), /last words/)
    const line = await daemon.line(({ action }) => action === 'tcp-forward')
    assert.equal(line['route_name'], 'TCPRoute/default/older')
    assert.equal(line['rule'], 'both')
    assert.equal(line['reason'], 'completed')
  })

  it('share connections out by weight, by the oldest route alone', WAIT, async () => {
    const counts = { one: 0, two: 0 }
    for (let i = 0; i < 8; i++) {
      const words = await text(connect({ host: daemon.address, port: 5432 }).end('x'))
      counts[words.startsWith('one') ? 'one' : 'two']++
    }
    assert.deepEqual(counts, { one: 6, two: 2 })
  })

  it('reset what no route serves', WAIT, async () => {
    const words = text(connect({ host: daemon.address, port: 5433 }))
    await assert.rejects(words, { code: 'ECONNRESET' })
  })
})

const DB = { sectionName: 'db' }
const NAMED = { ...DB, rule: 'both' }

function aged<T extends { readonly metadata?: unknown }>(manifest: T, year: number): T {
  const metadata = manifest.metadata as Record<string, unknown>
  return { ...manifest, metadata: { ...metadata, creationTimestamp: `${year}-01-01T00:00:00Z` } }
}
