/**
 * Whether a BackendTLSPolicy asks for TLS to a backend (digest section 6.2). The policy is not obeyed
 * yet, and what wants TLS must never be spoken to in plaintext, whatever kind of backend it is.
 */
import type { BackendTLSPolicy } from '../../api/backend-tls-policy.ts'
import type { Resource } from '../../api/resource.ts'
import { keyText, type ResourceKey } from '../../model/resource-key.ts'
import type { TranslateContext } from '../context.ts'
import { groupedBy } from '../grouped.ts'
import { tcpPort } from './service-port.ts'

type TargetRef = BackendTLSPolicy['spec']['targetRefs'][number]

/** A policy reaches its own namespace only. */
export function targetKey(policy: Resource<BackendTLSPolicy>, ref: TargetRef): ResourceKey {
  return { group: ref.group, kind: ref.kind, namespace: policy.key.namespace, name: ref.name }
}

const policiesOf = groupedBy((policy: Resource<BackendTLSPolicy>) => [
  ...new Set(policy.object.spec.targetRefs.map((ref) => keyText(targetKey(policy, ref)))),
])

/** `number` is the reference's port. A `sectionName` is the name of a Service's port. */
export function requiresTls(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
): boolean {
  const target = keyText(key)
  const policies = policiesOf(context.resources.backendTlsPolicies, target)
  if (policies.length === 0) return false
  const service =
    key.group === '' && key.kind === 'Service'
      ? context.resources.find({ ...key, kind: 'Service' })
      : undefined
  // Of what has no named ports, no section can be told from another.
  const isPort = (section: string): boolean =>
    service === undefined || tcpPort(service, number)?.name === section
  return policies.some((policy) =>
    policy.object.spec.targetRefs.some(
      (ref) =>
        keyText(targetKey(policy, ref)) === target &&
        (ref.sectionName === undefined || isPort(ref.sectionName)),
    ),
  )
}
