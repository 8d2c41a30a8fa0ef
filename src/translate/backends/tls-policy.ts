/**
 * Whether a BackendTLSPolicy asks for TLS to a Service's port (digest section 6.2). The policy is
 * not obeyed yet, and a Service that wants TLS must never be spoken to in plaintext.
 */
import type { BackendTLSPolicy } from '../../api/backend-tls-policy.ts'
import type { Resource } from '../../api/resource.ts'
import type { Service } from '../../api/service.ts'
import type { TranslateContext } from '../context.ts'
import { groupedBy } from '../grouped.ts'

const policiesOf = groupedBy((policy: Resource<BackendTLSPolicy>) => [
  ...new Set(
    policy.object.spec.targetRefs
      .filter((ref) => ref.group === '' && ref.kind === 'Service')
      .map((ref) => `${policy.key.namespace}/${ref.name}`),
  ),
])

/** `number` is a port of the Service; a policy's `sectionName` is a port's name. */
export function requiresTls(
  context: TranslateContext,
  service: Resource<Service>,
  number: number,
): boolean {
  const { namespace, name } = service.key
  const section = service.object.spec.ports?.find((port) => port.port === number)?.name
  return policiesOf(context.resources.backendTlsPolicies, `${namespace}/${name}`).some((policy) =>
    policy.object.spec.targetRefs.some(
      (ref) => ref.name === name && (ref.sectionName === undefined || ref.sectionName === section),
    ),
  )
}
