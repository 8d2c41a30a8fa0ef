import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ROUTE_KIND_SUPPORTED } from '../../../src/translate/protocols.ts'
import { SUPPORTED_FEATURES } from '../../../src/translate/status/gateway-class.ts'

describe('supported features', () => {
  it('are sorted, unique and at most 64, as the GatewayClass status wants', () => {
    assert.deepEqual(SUPPORTED_FEATURES, [...new Set(SUPPORTED_FEATURES)].sort())
    assert.ok(SUPPORTED_FEATURES.length <= 64)
  })

  it('name exactly the route kinds that are carried', () => {
    for (const [kind, isSupported] of Object.entries(ROUTE_KIND_SUPPORTED)) {
      assert.equal(SUPPORTED_FEATURES.includes(kind), isSupported, kind)
    }
  })
})
