/**
 * Whether a BackendTLSPolicy asks for TLS to a Service's port (digest section 6.2). The policy is
 * not obeyed yet, and a Service that wants TLS must never be spoken to in plaintext.
 */
import type { BackendTLSPolicy } from '../../api/backend-tls-policy.ts'
import type { Resource } from '../../api/resource.ts'
import type { ServicePort } from '../../api/service.ts'
import type { ResourceKey } from '../../model/resource-key.ts'
import type { TranslateContext } from '../context.ts'
import { groupedBy } from '../grouped.ts'

const policiesOf = groupedBy((policy: Resource<BackendTLSPolicy>) => [
  ...new Set(
    policy.object.spec.targetRefs
      .filter((ref) => ref.group === '' && ref.kind === 'Service')
      .map((ref) => `${policy.key.namespace}/${ref.name}`),
  ),
])

/**
 * A policy's `sectionName` is a port's name. `port`: the Service's, undefined when it has none by
 * that number; `any`: the Service is not declared, so that no section can be told from another.
 */
export function requiresTls(
  context: TranslateContext,
  { namespace, name }: ResourceKey,
  port: ServicePort | undefined | 'any',
): boolean {
  return policiesOf(context.resources.backendTlsPolicies, `${namespace}/${name}`).some((policy) =>
    policy.object.spec.targetRefs.some(
      (ref) =>
        ref.group === '' &&
        ref.kind === 'Service' &&
        ref.name === name &&
        (ref.sectionName === undefined || port === 'any' || ref.sectionName === port?.name),
    ),
  )
}
