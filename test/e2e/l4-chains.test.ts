/** Chains by local address, unix sockets, and what changes of a trust domain do. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { connect } from 'node:tls'
import { digestOf } from '../../src/base/digest.ts'
import type { ChainAction } from '../../src/model/snapshot.ts'
import { chain, DataPlane, ip, tcpForward } from '../support/data-plane.ts'
import { dialTcp, listenTcp, Peer } from '../support/sockets.ts'
import { Material } from '../support/tls-domains.ts'

describe('chains', () => {
  it('dials a unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-'))
    const path = join(directory, 'backend.sock')
    const plane = await DataPlane.start()
    const backend = await listenTcp(path)
    const port = plane.open('tcp')
    const action = tcpForward(plane.upstream('unix', [{ kind: 'unix', path }]))
    await plane.publish({ tcp: { ingress: 'tcp', chains: [chain('', action)] } })
    const client = await dialTcp(port)
    client.socket.end('over a path')
    const server = await backend.accepted()
    await server.ends()
    assert.equal(server.text, 'over a path')
    server.socket.end()
    await client.closes()
    const { endpoint, reason } = await plane.line()
    assert.deepEqual([endpoint, reason], [`unix:${path}`, 'completed'])
    await plane.stop()
    backend.close()
    rmSync(directory, { recursive: true })
  })

  it('closes the other side when a unix peer vanishes, for which there is no RST', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-'))
    const path = join(directory, 'backend.sock')
    const plane = await DataPlane.start()
    const backend = await listenTcp(path)
    const port = plane.open('tcp')
    const action = tcpForward(plane.upstream('unix', [{ kind: 'unix', path }]))
    await plane.publish({ tcp: { ingress: 'tcp', chains: [chain('', action)] } })
    const client = await dialTcp(port)
    client.socket.write('x')
    await (await backend.accepted()).receives('x')
    client.socket.resetAndDestroy()
    assert.equal((await plane.line()).reason, 'client-reset')
    await plane.stop()
    backend.close()
    rmSync(directory, { recursive: true })
  })

  it('lets the local address choose the table on a wildcard socket', async () => {
    const plane = await DataPlane.start()
    const [one, other] = [await listenTcp(), await listenTcp()]
    const port = plane.open('tcp', '0.0.0.0')
    const to = (name: string, backend: { port: number }): ChainAction =>
      tcpForward(plane.upstream(name, [ip(backend.port)]))
    await plane.publish({
      tcp: {
        ingress: 'tcp',
        localAddresses: ['127.0.0.2'],
        chains: [chain('', to('one', one))],
        more: [{ localAddresses: ['*'], chains: [chain('', to('other', other), 'other')] }],
      },
    })
    for (const [host, backend, listener] of [
      ['127.0.0.2', one, 'tls'],
      ['127.0.0.3', other, 'other'],
    ] as const) {
      const client = new Peer(connectTcp({ host, port }))
      client.socket.write(host)
      await (await backend.accepted()).receives(host)
      client.socket.resetAndDestroy()
      const line = await plane.line(({ local }) => local === `${host}:${port}`)
      assert.equal(line.listener, `Gateway/default/web/${listener}`)
    }
    await plane.stop()
    one.close()
    other.close()
  })
})

describe('a trust domain', () => {
  it('that changes drains its connections; a new certificate does not', async () => {
    const plane = await DataPlane.start({ limits: { drainMs: 200 } })
    const backend = await listenTcp()
    const port = plane.open('tls')
    const material = new Material()
    const publish = async (domain: string): Promise<void> => {
      const digest = await material.issue(['a.test'])
      const part = material.part(digest)
      const then = tcpForward(plane.upstream('b', [ip(backend.port)]))
      if (part.kind !== 'certificate' || then.kind !== 'tcp-forward') return assert.fail()
      const action: ChainAction = {
        kind: 'tls-terminate',
        domain: { id: digestOf(domain), clientAuth: { mode: 'none' } },
        certificates: [plane.part(part)],
        alpn: [],
        then,
      }
      const key = { keyId: part.keyId, privateKeyPem: material.key(part.keyId) }
      const spec = { ingress: 'tls', chains: [chain('a.test', action)] } as const
      assert.equal((await plane.publish({ tls: spec }, [key])).type, 'ack')
    }
    const visit = async (): Promise<Peer> => {
      const socket = connect({
        ...{ port, host: '127.0.0.1', servername: 'a.test', rejectUnauthorized: false },
      })
      const client = new Peer(socket)
      await once(socket, 'secureConnect')
      socket.write('hello')
      await (await backend.accepted()).receives('hello')
      return client
    }
    await publish('first')
    const before = await visit()
    await publish('first')
    const renewed = await visit()
    await publish('second')
    await Promise.all([before.closes(), renewed.closes()])
    const reasons = plane.lines.map(({ reason }) => reason)
    assert.deepEqual(reasons, ['listener-removed', 'listener-removed'])
    const after = await visit()
    assert.equal(after.closed, false)
    after.socket.destroy()
    await plane.stop()
    backend.close()
  })
})
