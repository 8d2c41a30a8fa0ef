/**
 * BackendTLSPolicies are admitted but not obeyed yet: a backend that one targets is refused rather
 * than spoken to in plaintext (backends/tls-policy.ts), and the policy says so (digest 6.2).
 */
import type { BackendTLSPolicy } from '../../api/backend-tls-policy.ts'
import type { Resource } from '../../api/resource.ts'
import { compareText } from '../../base/byte-order.ts'
import { keyText } from '../../model/resource-key.ts'
import type { ObjectStatus, ParentReference } from '../../model/status.ts'
import { targetKey } from '../backends/tls-policy.ts'
import type { TranslateContext } from '../context.ts'
import { GATEWAY_GROUP } from '../protocols.ts'
import type { RouteOutcome } from '../routes/collect.ts'
import { conditionFrom } from '../status/conditions.ts'

const MESSAGE =
  'BackendTLSPolicy is not supported yet; its targets are refused rather than reached in plaintext.'

/** One ancestor for each of our Gateways with a route that uses a target. */
export function backendTlsStatuses(
  context: TranslateContext,
  outcomes: readonly RouteOutcome[],
): readonly ObjectStatus[] {
  const { backendTlsPolicies } = context.resources
  if (backendTlsPolicies.length === 0) return []
  const users = gatewaysByBackend(outcomes)
  return backendTlsPolicies.flatMap((policy) => {
    const targets = policy.object.spec.targetRefs.map((ref) => keyText(targetKey(policy, ref)))
    const gateways = new Set(targets.flatMap((target) => [...(users.get(target) ?? [])]))
    if (gateways.size === 0) return []
    report(context, policy)
    return [statusOf(policy, [...gateways].sort(compareText), context.options.controllerName)]
  })
}

function report(context: TranslateContext, policy: Resource<BackendTLSPolicy>): void {
  context.diagnostics.report(policy, {
    severity: 'error',
    code: 'unsupported',
    path: ['kind'],
    message: MESSAGE,
  })
}

/** Key text of a backend to Gateways `namespace/name`. */
function gatewaysByBackend(
  outcomes: readonly RouteOutcome[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>()
  for (const { route, parents } of outcomes) {
    const gateways = parents.flatMap(({ attachments }) =>
      attachments.map(({ listener: { owner } }) => `${owner.key.namespace}/${owner.key.name}`),
    )
    for (const backend of backendsOf(route)) {
      const known = users.get(backend)
      if (known === undefined) users.set(backend, new Set(gateways))
      else for (const gateway of gateways) known.add(gateway)
    }
  }
  return users
}

function backendsOf({ key, object }: RouteOutcome['route']): readonly string[] {
  return (object.spec.rules ?? [])
    .flatMap(({ backendRefs = [] }) => backendRefs)
    .map(({ group, kind, namespace = key.namespace, name }) =>
      keyText({ group, kind, namespace, name }),
    )
}

function statusOf(
  { key, generation, origin }: Resource<BackendTLSPolicy>,
  gateways: readonly string[],
  controllerName: string,
): ObjectStatus {
  const problem = { reason: 'Invalid', message: MESSAGE }
  const conditions = [conditionFrom('Accepted', problem, problem, generation)]
  const ancestors = gateways.map((gateway) => ({
    ancestorRef: gatewayReference(gateway),
    controllerName,
    conditions,
  }))
  return { key, generation, origin, body: { kind: 'policy', ancestors } }
}

function gatewayReference(gateway: string): ParentReference {
  const [namespace = '', name = ''] = gateway.split('/')
  return { group: GATEWAY_GROUP, kind: 'Gateway', namespace, name }
}
