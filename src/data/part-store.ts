/**
 * The parts and private keys that a worker holds, by digest: control sends each only once. After
 * every install the worker keeps what that manifest and those behind it need, and drops the rest.
 */
import type { Digest } from '../base/brand.ts'
import { GwProxyError } from '../base/errors.ts'
import type { BindPart, Manifest, KeptPart } from '../model/snapshot.ts'
import type { KeyMaterial } from '../model/tls.ts'

export class PartStore {
  readonly #parts = new Map<Digest, KeptPart>()
  readonly #keys = new Map<Digest, string>()

  get held(): readonly Digest[] {
    return [...this.#parts.keys()]
  }

  add(parts: readonly (readonly [Digest, KeptPart])[], keys: readonly KeyMaterial[]): void {
    for (const [digest, part] of parts) this.#parts.set(digest, part)
    for (const { keyId, privateKeyPem } of keys) this.#keys.set(keyId, privateKeyPem)
  }

  /** Throws when control did not send it: the worker nacks. */
  part(digest: Digest): KeptPart {
    const part = this.#parts.get(digest)
    if (part === undefined) throw missing(`part ${digest}`)
    return part
  }

  bind(digest: Digest): BindPart {
    const part = this.part(digest)
    if (part.kind !== 'bind') throw missing(`bind ${digest}`)
    return part
  }

  key(keyId: Digest): string {
    const pem = this.#keys.get(keyId)
    if (pem === undefined) throw missing(`private key ${keyId}`)
    return pem
  }

  /** Drops what none of these manifests names. */
  keepOnly(manifests: readonly Manifest[]): void {
    let isKeyIdle = false
    const [only, ...others] = manifests
    for (const digest of this.#parts.keys()) {
      // Mostly one manifest names it: no function is called for each of 20,000.
      if (only?.parts.has(digest) === true) continue
      if (others.some(({ parts }) => parts.has(digest))) continue
      isKeyIdle ||= this.#parts.get(digest)?.kind === 'certificate'
      this.#parts.delete(digest)
    }
    if (isKeyIdle) this.#dropIdleKeys()
  }

  #dropIdleKeys(): void {
    const wanted = new Set<Digest>()
    for (const part of this.#parts.values()) if (part.kind === 'certificate') wanted.add(part.keyId)
    for (const keyId of this.#keys.keys()) if (!wanted.has(keyId)) this.#keys.delete(keyId)
  }
}

function missing(what: string): GwProxyError {
  return new GwProxyError('GWP_DEFECT_INVARIANT', `the worker was not sent ${what}`)
}
