import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { useOf } from '../../../src/translate/routes/collect.ts'

describe('what a route sends to its backends', () => {
  it('is decrypted where TLS ends: there, and only there, a BackendTLSPolicy holds (digest 6.2)', () => {
    assert.deepEqual(
      (['TLSRoute', 'TCPRoute', 'UDPRoute'] as const).map((kind) => [
        useOf(kind, true),
        useOf(kind, false),
      ]),
      [
        ['decrypted', 'tcp'],
        ['decrypted', 'tcp'],
        ['udp', 'udp'],
      ],
    )
  })
})
