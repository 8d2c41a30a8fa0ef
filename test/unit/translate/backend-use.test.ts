import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { useOf } from '../../../src/translate/routes/collect.ts'

describe('what a route sends to its backends', () => {
  it('is decrypted only where a TLSRoute ends TLS: there a BackendTLSPolicy holds (digest 6.2)', () => {
    assert.deepEqual(
      (['TLSRoute', 'TCPRoute', 'UDPRoute'] as const).map((kind) => [
        useOf(kind, 'Terminate'),
        useOf(kind, 'Passthrough'),
      ]),
      [
        ['decrypted', 'tcp'],
        ['tcp', 'tcp'],
        ['udp', 'udp'],
      ],
    )
  })
})
