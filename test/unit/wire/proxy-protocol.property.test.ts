/** PROXY protocol: what is written is read back, whatever follows, however it is cut, in any spelling. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalAddress } from '../../../src/match/target-address.ts'
import { readProxyHeader } from '../../../src/wire/proxy-protocol.ts'
import { proxyHeader } from '../../../src/wire/proxy-protocol-writer.ts'

const port = fc.integer({ min: 0, max: 65_535 })
const address = fc.oneof(fc.ipV4(), fc.ipV6())
const end = fc.record({ address, port })
const ends = fc.record({ source: end, destination: end })
const version = fc.constantFrom('v1' as const, 'v2' as const)
const name = fc.option(fc.domain(), { nil: undefined })
const alpn = fc.constantFrom(undefined, 'h2', 'http/1.1')

describe('PROXY protocol', () => {
  it('reads back what it wrote, before any bytes', () => {
    fc.assert(
      fc.property(
        version,
        ends,
        name,
        alpn,
        fc.uint8Array({ maxLength: 40 }),
        (v, e, n, a, rest) => {
          const header = proxyHeader(v, { ends: e, authority: n, alpn: a })
          const verdict = readProxyHeader(Buffer.concat([header, rest]))
          const plain = ({ address: text, port: number }: typeof e.source) => ({
            address: canonicalAddress(text),
            port: number,
          })
          assert.deepEqual(verdict, {
            kind: 'complete',
            length: header.length,
            ends: { source: plain(e.source), destination: plain(e.destination) },
          })
        },
      ),
    )
  })

  it('asks for more until the last byte, and one verdict stays the verdict', () => {
    fc.assert(
      fc.property(version, ends, fc.uint8Array({ maxLength: 20 }), (v, e, noise) => {
        const header = Buffer.concat([proxyHeader(v, { ends: e }), noise])
        for (const [at, byte] of noise.entries()) header[at] = byte
        const final = readProxyHeader(header)
        let settled = false
        for (let cut = 0; cut <= header.length; cut++) {
          const verdict = readProxyHeader(header.subarray(0, cut))
          if (settled) assert.deepEqual(verdict, final)
          else settled = verdict.kind !== 'more'
        }
      }),
    )
  })
})
