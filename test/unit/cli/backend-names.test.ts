import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { buildResourceSet } from '../../../src/api/resource-set.ts'
import { lookUpNames } from '../../../src/cli/backend-names.ts'
import type { LookUp } from '../../../src/control/name-resolver.ts'
import { loadTexts } from '../../golden/load.ts'

const MANIFESTS = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'external' },
    spec: { type: 'ExternalName', externalName: 'external.test' },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'slice', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'FQDN',
    endpoints: [{ addresses: ['slice.test'] }],
  },
  {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'Backend',
    metadata: { name: 'envoy' },
    spec: { endpoints: [{ fqdn: { hostname: 'envoy.test', port: 80 } }] },
  },
  {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'Backend',
    metadata: { name: 'address' },
    spec: { endpoints: [{ ip: { address: '127.0.0.1', port: 80 } }] },
  },
  {
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XBackend',
    metadata: { name: 'x' },
    spec: {
      type: 'ExternalHostname',
      externalHostname: { hostname: 'x.test' },
      port: { port: 80 },
    },
  },
]

describe('the names of backends', () => {
  const resources = buildResourceSet(loadTexts(MANIFESTS.map((one) => JSON.stringify(one))))

  it('are looked up wherever a manifest may hold one, and named where they stand', async () => {
    const lookUp: LookUp = () => Promise.resolve({ kind: 'absent', ttlMs: 1000 })
    const found = await lookUpNames(resources, lookUp)
    assert.deepEqual(
      found.map(({ object, path, message }) => [object, path, message.split(' ')[2]]),
      [
        ['Service default/external', 'spec.externalName', 'external.test'],
        ['EndpointSlice default/slice', 'endpoints[0].addresses[0]', 'slice.test'],
        ['Backend default/envoy', 'spec.endpoints[0].fqdn.hostname', 'envoy.test'],
        ['XBackend default/x', 'spec.externalHostname.hostname', 'x.test'],
      ],
    )
    assert.ok(found.every(({ severity }) => severity === 'warning'))
  })

  it('are no problem when they resolve', async () => {
    const lookUp: LookUp = () =>
      Promise.resolve({ kind: 'addresses', addresses: ['127.0.0.1'], ttlMs: 1000 })
    assert.deepEqual(await lookUpNames(resources, lookUp), [])
  })
})
