/** The limits that the CRDs set to a status: an API server would refuse it as a whole. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { conditionFrom } from '../../../src/translate/status/conditions.ts'
import { translate } from '../../../src/translate/translate.ts'
import { resourceSetOf } from '../../golden/load.ts'

const API = 'gateway.networking.k8s.io/v1'

describe('a status', () => {
  it('of a policy has the first 16 Gateways, and says that there are more', () => {
    const names = Array.from({ length: 18 }, (_, index) => `gw-${String(index).padStart(2, '0')}`)
    const objects = [
      ...names.map((name, index) => ({
        apiVersion: API,
        kind: 'Gateway',
        metadata: { name },
        spec: {
          gatewayClassName: 'gwproxy',
          listeners: [{ name: 'http', port: 8000 + index, protocol: 'HTTP' }],
        },
      })),
      {
        apiVersion: API,
        kind: 'HTTPRoute',
        metadata: { name: 'web' },
        spec: {
          parentRefs: names.map((name) => ({ name })),
          rules: [{ backendRefs: [{ name: 'web', port: 443 }] }],
        },
      },
      {
        apiVersion: API,
        kind: 'BackendTLSPolicy',
        metadata: { name: 'web' },
        spec: {
          targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
          validation: { hostname: 'web.test', wellKnownCACertificates: 'System' },
        },
      },
    ]
    const documents = objects.map((object) => JSON.stringify(object))
    const { statuses, diagnostics } = translate(resourceSetOf(documents), DEFAULT_OPTIONS)
    const body = statuses.find(({ key }) => key.kind === 'BackendTLSPolicy')?.body
    assert.ok(body?.kind === 'policy')
    assert.deepEqual(
      body.ancestors.map(({ ancestorRef }) => ancestorRef.name),
      names.slice(0, 16),
    )
    assert.ok(diagnostics.some(({ message }) => message.startsWith('18 Gateways use the targets')))
  })

  it('has messages of at most 32,768 characters', () => {
    const ok = { reason: 'Accepted', message: 'Fine.' }
    const problem = { reason: 'UnsupportedValue', message: 'x'.repeat(100_000) }
    const { message } = conditionFrom('Accepted', problem, ok, 1)
    assert.equal(message.length, 32_768)
    assert.ok(message.endsWith('x…'))
  })
})
