/**
 * Fuzz target: PROXY protocol headers. Mutates both versions by flips, cuts, copies and lengths; a
 * verdict must come without an exception, ask for no more than its bound, and not change with more
 * bytes. Addresses of a complete one must be in canonical form.
 */
import assert from 'node:assert/strict'
import { canonicalAddress } from '../../src/match/target-address.ts'
import { MAX_V2_BYTES, readProxyHeader } from '../../src/wire/proxy-protocol.ts'
import { proxyHeader } from '../../src/wire/proxy-protocol-writer.ts'
import { crcTlv, headerV2, tcp4, tlv } from '../support/proxy-header.ts'
import type { FuzzTarget } from './campaign.ts'
import type { FuzzRandom } from './random.ts'

const ENDS = [
  { source: { address: '192.0.2.7', port: 1 }, destination: { address: '192.0.2.8', port: 2 } },
  { source: { address: '2001:db8::7', port: 1 }, destination: { address: '::1', port: 2 } },
]

const CORPUS = [
  ...ENDS.flatMap((ends) => [
    proxyHeader('v1', { ends }),
    proxyHeader('v2', { ends, authority: 'a.test', alpn: 'h2' }),
  ]),
  proxyHeader('v1', { ends: undefined }),
  crcTlv(headerV2(0x21, 0x11, tcp4, tlv(0x04, '\0'), tlv(0x03, '\0\0\0\0'))),
]

export const proxyProtocol: FuzzTarget = {
  name: 'proxy-protocol',
  prepare: () => Promise.resolve((random: FuzzRandom) => judge(mutate(random))),
}

function judge(bytes: Buffer): void {
  const verdict = readProxyHeader(bytes)
  const longer = readProxyHeader(Buffer.concat([bytes, Buffer.alloc(MAX_V2_BYTES, 'z')]))
  if (verdict.kind === 'more') {
    assert.ok(bytes.length < MAX_V2_BYTES)
    assert.notEqual(longer.kind, 'more')
    return
  }
  assert.deepEqual(longer, verdict)
  if (verdict.kind !== 'complete') return
  assert.ok(verdict.length <= bytes.length)
  if (verdict.ends === undefined) return
  for (const { address } of [verdict.ends.source, verdict.ends.destination]) {
    assert.equal(address, canonicalAddress(address))
  }
}

function mutate(random: FuzzRandom): Buffer {
  let bytes = Buffer.from(CORPUS[random.below(CORPUS.length)] ?? '')
  for (let i = random.below(4); i > 0 && bytes.length > 2; i--) {
    const at = random.below(bytes.length - 1)
    switch (random.below(5)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 2:
        bytes.writeUInt16BE(random.below(600), at)
        break
      case 3:
        bytes = bytes.subarray(0, at)
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(at + 1))])
    }
  }
  return bytes
}
