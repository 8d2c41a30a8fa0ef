/**
 * Several Gateways on one machine: own addresses, the pool, wildcards that share a port, IPv6 and
 * dual-stack, and what becomes of two that want the same (DESIGN decision 6).
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import type { StatusReport } from '../../src/control/admin/contract.ts'
import type { Condition, StatusAddress } from '../../src/model/status.ts'
import { curl } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { freeWildcardPort, NO_IPV6 } from '../support/free-port.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  yaml,
} from '../support/manifests.ts'

interface GatewayStatus {
  readonly addresses: readonly StatusAddress[]
  readonly conditions: readonly Condition[]
  readonly listeners: readonly { readonly conditions: readonly Condition[] }[]
}

const NONE = undefined

for (const workers of [0, 2]) {
  describe(`several Gateways, --workers ${workers}`, () => {
    let app: Backend
    let daemon: Daemon
    let port: number
    const pool = ownAddress().replace(/\.\d+$/, '')

    before(async () => {
      app = await startHttpBackend('app')
      port = await freeWildcardPort()
      const files = { 'app.yaml': yaml(...service('app', 80, [app])) }
      daemon = await startDaemon({ workers, files })
    })
    after(async () => {
      assert.equal(await daemon.stop(), 0)
      await app.close()
    })

    /** A Gateway with one HTTP listener and a route whose answers name it. */
    function named(
      name: string,
      addresses: readonly string[] | undefined,
      { hostname, at = port }: { readonly hostname?: string; readonly at?: number } = {},
    ): readonly Manifest[] {
      const set = [{ name: 'X-Gateway', value: name }]
      const filters = [{ type: 'ResponseHeaderModifier', responseHeaderModifier: { set } }]
      return [
        gateway([httpListener('http', at, hostname)], {
          name,
          addresses: addresses?.map((value) => ({ value })) ?? null,
        }),
        httpRoute(name, NONE, [{ filters, backendRefs: [backendRef('app')] }], { gateway: name }),
      ]
    }

    /** The Gateway that answers there; `none`: nobody listens; else the status. */
    async function who(address: string, host = 'any.test', at = port): Promise<string> {
      const place = address.includes(':') ? `[${address}]` : address
      const format = '%{http_code} %header{x-gateway}'
      const args = ['-o', '/dev/null', '-w', format, '-H', `Host: ${host}`]
      const { code, stdout } = await curl([...args, `http://${place}:${at}/`])
      // 7: the connection was refused.
      return code === 7 ? 'none' : stdout.replace(/^200 /, '').trim()
    }

    async function serve(...gateways: readonly (readonly Manifest[])[]): Promise<boolean> {
      const { applied } = await daemon.apply({ 'gateways.yaml': yaml(...gateways.flat()) })
      return applied
    }

    async function statusOf(name: string, of = daemon): Promise<GatewayStatus> {
      const { objects } = await of.admin.get<StatusReport>('/status')
      const found = objects.find(
        ({ object }) => object.kind === 'Gateway' && object.metadata['name'] === name,
      )
      assert.ok(found, name)
      return found.object['status'] as GatewayStatus
    }

    async function conditionOf(name: string, type: string): Promise<string> {
      const { listeners } = await statusOf(name)
      const condition = listeners[0]?.conditions.find((one) => one.type === type)
      return `${condition?.status} ${condition?.reason} ${condition?.message}`
    }

    it('on addresses of their own meet only what is theirs', async () => {
      const [one, two, nobody] = [ownAddress(), ownAddress(), ownAddress()]
      const more = ownAddress()
      assert.ok(await serve(named('one', [one]), named('two', [two, more])))
      assert.deepEqual(
        [await who(one), await who(two), await who(more), await who(nobody)],
        ['one', 'two', 'two', 'none'],
      )
      assert.deepEqual((await statusOf('two')).addresses, [
        { type: 'IPAddress', value: two },
        { type: 'IPAddress', value: more },
      ])
    })

    it('on the wildcard share a port by hostname, beside one with an own address', async () => {
      const own = ownAddress()
      assert.ok(
        await serve(
          named('all', NONE),
          named('team', NONE, { hostname: 'team.test' }),
          named('inside', [own]),
        ),
      )
      for (const address of ['127.0.0.1', ownAddress()]) {
        assert.deepEqual([await who(address), await who(address, 'team.test')], ['all', 'team'])
      }
      for (const host of ['any.test', 'team.test']) assert.equal(await who(own, host), 'inside')
    })

    it('on the wildcard have both families, beside ::1 alone', { skip: NO_IPV6 }, async () => {
      assert.ok(await serve(named('all', NONE), named('six', ['::1'])))
      assert.deepEqual([await who('127.0.0.1'), await who('::1')], ['all', 'six'])
      assert.ok(await serve(named('all', NONE)))
      for (const [address, seen] of [
        ['127.0.0.1', '127.0.0.1'],
        ['[::1]', '::1'],
      ]) {
        const { stdout } = await curl([`http://${address}:${port}/${seen}`])
        assert.match(stdout, new RegExp(`"x-forwarded-for": "${seen}"`))
        const line = await daemon.line(({ path }) => path === `/${seen}`)
        assert.match(String(line['downstream_remote_address']), /^(?:127\.0\.0\.1|\[::1\]):\d+$/)
      }
    })

    it('on 0.0.0.0 leave IPv6 to others', { skip: NO_IPV6 }, async () => {
      assert.ok(await serve(named('four', ['0.0.0.0'])))
      assert.deepEqual([await who('127.0.0.1'), await who('::1')], ['four', 'none'])
      assert.ok(await serve(named('four', ['0.0.0.0']), named('six', ['::1'])))
      assert.deepEqual([await who('127.0.0.1'), await who('::1')], ['four', 'six'])
    })

    it('that want the same hostname: the holder serves on, the other names it', async () => {
      assert.ok(await serve(named('holder', NONE, { hostname: 'a.test' })))
      // Older by age and by name, but it came later.
      assert.ok(
        await serve(
          named('holder', NONE, { hostname: 'a.test' }),
          aged(named('claimant', NONE, { hostname: 'a.test' }), 2001),
        ),
      )
      assert.equal(await who('127.0.0.1', 'a.test'), 'holder')
      assert.match(
        await conditionOf('claimant', 'Accepted'),
        /^False PortUnavailable Port \d+ is held by .*holder.*both have hostname a\.test/,
      )
      assert.match(await conditionOf('holder', 'Programmed'), /^True /)
      assert.ok(await serve(aged(named('claimant', NONE, { hostname: 'a.test' }), 2001)))
      assert.equal(await who('127.0.0.1', 'a.test'), 'claimant')
      assert.match(await conditionOf('claimant', 'Accepted'), /^True /)
    })

    it('that speak different protocols, or exclude each other: the same', async () => {
      const tcp = gateway([{ name: 'http', port, protocol: 'TCP' }], {
        name: 'tcp',
        addresses: null,
      })
      await serve(named('holder', NONE))
      await serve(named('holder', NONE), [tcp])
      assert.equal(await who('127.0.0.1'), 'holder')
      assert.match(
        await conditionOf('tcp', 'Accepted'),
        /^False PortUnavailable .*holder.*protocols TCP and HTTP cannot share it/,
      )
      await serve(named('holder', NONE), named('four', ['0.0.0.0']))
      assert.match(
        await conditionOf('four', 'Accepted'),
        /^False PortUnavailable .*holder.*exclude each other/,
      )
    })

    it('a wildcard that comes and goes leaves connections to an own address alone', async () => {
      const own = ownAddress()
      const inside = named('inside', [own])
      assert.ok(await serve(inside))
      const kept = keptConnection(own, port)
      assert.equal(await kept.ask(), 'inside')
      const session = await connectH2(`http://${own}:${port}`)
      const askH2 = async () => (await h2Request(session, { ':path': '/' })).headers['x-gateway']
      assert.equal(await askH2(), 'inside')
      assert.ok(await serve(inside, named('all', NONE)))
      assert.deepEqual([await who(own), await who('127.0.0.1')], ['inside', 'all'])
      assert.deepEqual([await kept.ask(), await askH2()], ['inside', 'inside'])
      assert.ok(await serve(inside))
      assert.deepEqual([await who(own), await who('127.0.0.1')], ['inside', 'none'])
      assert.deepEqual([await kept.ask(), await askH2()], ['inside', 'inside'])
      assert.ok(!session.closed, 'no GOAWAY came')
      session.destroy()
      kept.close()
    })

    describe('with --address-pool', () => {
      let pooled: Daemon

      before(async () => {
        const files = {
          'app.yaml': yaml(
            ...service('app', 80, [app]),
            ...named('a', NONE).concat(named('b', NONE)),
          ),
        }
        pooled = await startDaemon({ workers, files, args: ['--address-pool', `${pool}.0/30`] })
      })
      after(async () => assert.equal(await pooled.stop(), 0))

      async function addressOf(name: string): Promise<string> {
        return (await statusOf(name, pooled)).addresses[0]?.value ?? 'none'
      }

      it('each has one of the pool, and a name that all of them use is no conflict', async () => {
        const [a, b] = [await addressOf('a'), await addressOf('b')]
        assert.notEqual(a, b)
        for (const address of [a, b]) assert.match(address, new RegExp(`^${pool}\\.[12]$`))
        assert.deepEqual([await who(a), await who(b), await who('127.0.0.1')], ['a', 'b', 'none'])
      })

      it('one that comes later takes nobody’s address; a full pool says so', async () => {
        const [a, b] = [await addressOf('a'), await addressOf('b')]
        const own = ownAddress()
        await pooled.apply({ 'c.yaml': yaml(...named('0', NONE), ...named('own', [own])) })
        assert.deepEqual([await addressOf('a'), await addressOf('b')], [a, b])
        assert.deepEqual([await who(a), await who(b), await who(own)], ['a', 'b', 'own'])
        assert.equal(await addressOf('0'), 'none')
        const { conditions } = await statusOf('0', pooled)
        const programmed = conditions.find(({ type }) => type === 'Programmed')
        assert.equal(programmed?.reason, 'AddressNotAssigned')
      })
    })
  })
}

function aged(manifests: readonly Manifest[], year: number): readonly Manifest[] {
  return manifests.map((manifest) => ({
    ...manifest,
    metadata: { ...(manifest['metadata'] as object), creationTimestamp: `${year}-01-01T00:00:00Z` },
  }))
}

/** A connection that asks again and again. */
function keptConnection(address: string, port: number) {
  const socket = connect(port, address)
  let text = ''
  let ended = ''
  let wake = (): void => undefined
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    wake()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    ended = 'closed'
    wake()
  })
  return {
    /** The Gateway that answers on it. */
    async ask(): Promise<string> {
      text = ''
      socket.write('HEAD / HTTP/1.1\r\nHost: any.test\r\n\r\n')
      while (!text.includes('\r\n\r\n') && ended === '') {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const closing = /^connection: close/im.test(text) ? ' and closes' : ''
      return ended || `${/^x-gateway: (.*)\r$/im.exec(text)?.[1]}${closing}`
    },
    close: () => void socket.destroy(),
  }
}
