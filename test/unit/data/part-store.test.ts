/** What a worker holds between publishes, and what it lets go. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Digest } from '../../../src/base/brand.ts'
import { digestOf } from '../../../src/base/digest.ts'
import { PartStore } from '../../../src/data/part-store.ts'
import type { Manifest, Part } from '../../../src/model/snapshot.ts'

const key = digestOf('key')
const certificate: Part = {
  kind: 'certificate',
  keyId: key,
  chainPem: '',
  keyType: 'ec',
  dnsNames: [],
  notBefore: 0,
  notAfter: 0,
  fingerprint: '',
  source: 'default/c',
}
const upstream: Part = { kind: 'upstream', name: 'u', protocol: 'tcp', endpoints: [] }
const [certificateDigest, upstreamDigest] = [digestOf(certificate), digestOf(upstream)]

function manifest(...parts: readonly Digest[]): Manifest {
  return { generation: 1, digest: digestOf(parts), binds: [], parts: new Set(parts) }
}

describe('part store', () => {
  it('keeps what the manifests name, and the keys of their certificates', () => {
    const store = new PartStore()
    store.add(
      [
        [certificateDigest, certificate],
        [upstreamDigest, upstream],
      ],
      [{ keyId: key, privateKeyPem: 'pem' }],
    )
    store.keepOnly([manifest(certificateDigest), manifest(upstreamDigest)])
    assert.equal(store.part(upstreamDigest), upstream)
    assert.equal(store.key(key), 'pem')
    store.keepOnly([manifest(upstreamDigest)])
    assert.throws(() => store.part(certificateDigest), { code: 'GWP_DEFECT_INVARIANT' })
    assert.throws(() => store.key(key), { code: 'GWP_DEFECT_INVARIANT' })
    assert.throws(() => store.bind(upstreamDigest), { code: 'GWP_DEFECT_INVARIANT' })
  })
})
