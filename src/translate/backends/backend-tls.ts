/**
 * TLS to a backend, whoever asks for it: a BackendTLSPolicy says whom to believe, before what the
 * backend says itself. What cannot be obeyed closes the backend: nothing steps in, least of all
 * plaintext (DESIGN.md decision 12).
 */
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type { UpstreamTls } from '../../model/upstream.ts'
import type { TranslateContext } from '../context.ts'
import { ownTlsOf } from './own-tls.ts'
import { type Refusal, refused, unresolved } from './resolution.ts'
import { judgePolicy, policyFor } from './tls-policy.ts'

export type BackendTls =
  | { readonly kind: 'plain' }
  | { readonly kind: 'tls'; readonly tls: UpstreamTls }
  | Refusal

/** `number` is the reference's port. */
export function backendTlsOf(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
): BackendTls {
  const own = ownTlsOf(context, key)
  const settings = own?.settings ?? {}
  if (typeof settings === 'string') return unusable(key, settings)
  const policy = policyFor(context, key, number)
  if (policy !== undefined) {
    const { trust, accepted } = judgePolicy(context, policy)
    return trust === undefined
      ? disobeyed(policy.key, key, accepted?.message)
      : { kind: 'tls', tls: { ...settings, policy: nameOf(policy.key), ...trust } }
  }
  if (own === undefined) return { kind: 'plain' }
  const trust = own.trust()
  return typeof trust === 'string'
    ? unusable(key, trust)
    : { kind: 'tls', tls: { ...settings, policy: nameOf(key), ...trust } }
}

/** The policy's own status says so: the reference itself is sound. */
function disobeyed(
  policy: ResourceKey,
  key: ResourceKey,
  why = 'it cannot be obeyed.',
): BackendTls {
  return refused(
    `${displayKey(policy)} asks for TLS to ${displayKey(key)}, which is refused rather than spoken to in plaintext: ${why}`,
  )
}

function unusable(key: ResourceKey, why: string): Refusal {
  return unresolved('InvalidKind', `${displayKey(key)} cannot be used: ${why}`)
}

function nameOf({ kind, namespace, name }: ResourceKey): string {
  return `${kind}/${namespace}/${name}`
}
