/** Our own admin and metrics addresses are never backends (digest section 3.3). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultRunOptions, translateOptionsOf } from '../../../src/control/options.ts'
import type { Endpoint } from '../../../src/model/upstream.ts'
import { isOwnEndpoint } from '../../../src/translate/backends/own-endpoints.ts'
import { resolve, web, webPort } from './backend-fixture.ts'
import { service, slice } from './fixture.ts'

const metrics: Endpoint = { kind: 'ip', address: '127.0.0.1', port: 9464 }
const everywhere: Endpoint = { kind: 'ip', address: '::', port: 9000 }
const admin: Endpoint = { kind: 'unix', path: '/run/gwproxy/admin.sock' }

describe('own endpoints', () => {
  const name = (text: string, port: number) => ({ kind: 'name', name: text, port }) as const
  const ip = (address: string, port: number) => ({ kind: 'ip', address, port }) as const
  const unix = (path: string) => ({ kind: 'unix', path }) as const

  const ours = [
    metrics,
    name('localhost', 9464),
    name('a.localhost', 9464),
    name('localhost', 9000),
    ip('127.0.0.9', 9000),
    ip('::1', 9000),
    admin,
    unix('/run/gwproxy/../gwproxy//admin.sock'),
    unix('/var/run/gwproxy/admin.sock'),
  ]
  const others = [
    ip('127.0.0.1', 9465),
    ip('127.0.0.2', 9464),
    ip('10.0.0.1', 9464),
    name('example.com', 9464),
    name('localhost', 80),
    unix('/run/app/admin.sock'),
  ]
  for (const [endpoints, expected] of [
    [ours, true],
    [others, false],
  ] as const) {
    for (const endpoint of endpoints) {
      it(`${JSON.stringify(endpoint)}: ${expected}`, () => {
        assert.equal(isOwnEndpoint([metrics, everywhere, admin], endpoint), expected)
      })
    }
  }

  it('are the defaults of the daemon', () => {
    const { ownEndpoints } = translateOptionsOf(
      defaultRunOptions({ RUNTIME_DIRECTORY: '/run/gwproxy' }),
    )
    assert.deepEqual(ownEndpoints, [admin, metrics])
  })

  it('are left out with an error at their place', () => {
    const own = { ownEndpoints: [metrics, admin] }
    const local = { ...webPort, ports: [{ name: 'http', port: 9464 }] }
    const endpoints = [{ addresses: ['127.0.0.1', '10.0.0.1'] }]
    const result = resolve([web, slice('web', { ...local, endpoints })], {}, 'http', own)
    assert.deepEqual(result.endpoints(), ['10.0.0.1:9464'])
    assert.match(
      result.findings.join('\n'),
      /^error address EndpointSlice default\/web-1 endpoints\[0\]\.addresses\[0\]: 127\.0\.0\.1:9464 is left out: gwproxy's own/m,
    )
    const named = service('web', { type: 'ExternalName', externalName: 'localhost' })
    assert.deepEqual(resolve([named], { port: 9464 }, 'http', own).endpoints(), [])
    const envoy = { group: 'gateway.envoyproxy.io', kind: 'Backend' }
    const socket = {
      apiVersion: 'gateway.envoyproxy.io/v1alpha1',
      kind: 'Backend',
      metadata: { name: 'web' },
      spec: { endpoints: [{ unix: { path: admin.path } }] },
    }
    const backend = resolve([socket], envoy, 'http', own)
    assert.deepEqual(backend.endpoints(), [])
    assert.match(backend.findings.join('\n'), /spec\.endpoints\[0\]\.unix\.path: unix:\/run/)
  })
})
