/** How the backends of a GRPCRoute are spoken to, by the appProtocol of their port. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { spokenProtocol } from '../../../src/translate/backends/app-protocol.ts'

describe('the protocol of a backend', () => {
  const table: readonly (readonly [string | undefined, http: unknown, grpc: unknown])[] = [
    [undefined, 'http/1.1', 'h2c'],
    ['', 'http/1.1', 'h2c'],
    ['http', 'http/1.1', 'h2c'],
    ['HTTPS', 'http/1.1', 'h2c'],
    ['kubernetes.io/h2c', 'h2c', 'h2c'],
    ['grpc', 'h2c', 'h2c'],
    ['kubernetes.io/ws', 'http/1.1', undefined],
    ['wss', 'http/1.1', undefined],
    ['redis', undefined, undefined],
  ]
  for (const [appProtocol, http, grpc] of table) {
    it(`${appProtocol}: ${http} for HTTP, ${grpc} for gRPC`, () => {
      assert.equal(spokenProtocol(appProtocol, 'http'), http)
      assert.equal(spokenProtocol(appProtocol, 'grpc'), grpc)
      assert.equal(spokenProtocol(appProtocol, 'decrypted'), 'tcp')
    })
  }
})
