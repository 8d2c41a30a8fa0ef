/**
 * Status of BackendTLSPolicies: one ancestor for each of our Gateways with a route that uses a
 * target (digest section 6.2). What the policies do to the backends is in backends/tls-policy.ts.
 */
import type { BackendTLSPolicy } from '../../api/backend-tls-policy.ts'
import type { Resource } from '../../api/resource.ts'
import { compareText } from '../../base/byte-order.ts'
import { displayKey, keyText } from '../../model/resource-key.ts'
import type { ObjectStatus, ParentReference } from '../../model/status.ts'
import {
  holderOf,
  judgePolicy,
  knownSection,
  type PolicyTarget,
  targetKey,
  targetProblem,
} from '../backends/tls-policy.ts'
import type { TranslateContext } from '../context.ts'
import type { Problem } from '../problem.ts'
import { GATEWAY_GROUP } from '../protocols.ts'
import type { RouteOutcome } from '../routes/collect.ts'
import { conditionFrom } from '../status/conditions.ts'

type Policy = Resource<BackendTLSPolicy>
type TargetFault = Problem<'Conflicted' | 'TargetNotFound'>

export function backendTlsStatuses(
  context: TranslateContext,
  outcomes: readonly RouteOutcome[],
): readonly ObjectStatus[] {
  const { backendTlsPolicies } = context.resources
  if (backendTlsPolicies.length === 0) return []
  const users = gatewaysByBackend(outcomes)
  return backendTlsPolicies.flatMap((policy) => {
    const byGateway = new Map<string, PolicyTarget[]>()
    for (const [index, ref] of policy.object.spec.targetRefs.entries()) {
      const gateways = users.get(keyText(targetKey(policy, ref)))
      if (gateways === undefined) reportUnused(context, policy, index, ref)
      for (const gateway of gateways ?? []) {
        byGateway.set(gateway, [...(byGateway.get(gateway) ?? []), ref])
      }
    }
    return byGateway.size === 0 ? [] : [statusOf(context, policy, byGateway)]
  })
}

/** Without a user there is no ancestor, so nothing else tells that a name is wrong. */
function reportUnused(
  context: TranslateContext,
  policy: Policy,
  index: number,
  ref: PolicyTarget,
): void {
  // The group is easily mistaken: that of a Service is empty.
  const group = ref.group === '' ? '' : ` of group "${ref.group}"`
  const target = `${displayKey(targetKey(policy, ref))}${group}`
  context.diagnostics.report(policy, {
    severity: 'warning',
    code: 'attachment',
    path: ['spec', 'targetRefs', index],
    message: `No route served here uses ${target}, so the policy does nothing for it.`,
  })
}

/** Key text of a backend to Gateways `namespace/name`. */
function gatewaysByBackend(
  outcomes: readonly RouteOutcome[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>()
  for (const { route, parents } of outcomes) {
    const gateways = parents.flatMap(({ attachments }) =>
      attachments.map(({ listener: { gateway } }) => {
        const { namespace, name } = gateway.resource.key
        return `${namespace}/${name}`
      }),
    )
    for (const backend of backendsOf(route)) {
      const known = users.get(backend)
      if (known === undefined) users.set(backend, new Set(gateways))
      else for (const gateway of gateways) known.add(gateway)
    }
  }
  return users
}

interface RuleBackends extends Filtered {
  readonly backendRefs?: readonly (BackendName & Filtered)[]
}

interface Filtered {
  readonly filters?: readonly {
    readonly requestMirror?: { readonly backendRef: BackendName }
    readonly externalAuth?: { readonly backendRef: BackendName }
  }[]
}

interface BackendName {
  readonly group: string
  readonly kind: string
  readonly namespace?: string
  readonly name: string
}

/** Those of mirrors and of external authorisation count as well, of rules and of backends. */
function backendsOf({ key, object }: RouteOutcome['route']): readonly string[] {
  const rules: readonly RuleBackends[] = object.spec.rules ?? []
  return rules
    .flatMap((rule) =>
      [rule, ...(rule.backendRefs ?? [])].flatMap(filterBackends).concat(rule.backendRefs ?? []),
    )
    .map(({ group, kind, namespace = key.namespace, name }) =>
      keyText({ group, kind, namespace, name }),
    )
}

function filterBackends({ filters = [] }: Filtered): readonly BackendName[] {
  return filters.flatMap(
    ({ requestMirror, externalAuth }) => (requestMirror ?? externalAuth)?.backendRef ?? [],
  )
}

function statusOf(
  context: TranslateContext,
  policy: Policy,
  byGateway: ReadonlyMap<string, readonly PolicyTarget[]>,
): ObjectStatus {
  const { key, generation, origin } = policy
  const verdict = judgePolicy(context, policy)
  const resolvedRefs = conditionFrom(
    'ResolvedRefs',
    verdict.resolvedRefs,
    { reason: 'ResolvedRefs', message: 'All references of the policy resolve.' },
    generation,
  )
  const gateways = [...byGateway].sort(([a], [b]) => compareText(a, b))
  if (gateways.length > MAX_ANCESTORS) reportSurplus(context, policy, gateways.length)
  const ancestors = gateways.slice(0, MAX_ANCESTORS).map(([gateway, refs]) => {
    const faults = refs.map((ref) => targetFault(context, policy, ref))
    // One target that it holds for is enough.
    const fault = faults.includes(undefined) ? undefined : faults[0]
    const ok = { reason: 'Accepted', message: 'The policy holds for its targets.' }
    const accepted = conditionFrom('Accepted', fault ?? verdict.accepted, ok, generation)
    return {
      ancestorRef: gatewayReference(gateway),
      controllerName: context.options.controllerName,
      conditions: [accepted, resolvedRefs],
    }
  })
  return { key, generation, origin, body: { kind: 'policy', ancestors } }
}

/** PolicyStatus of the Gateway API: no list may be longer. */
const MAX_ANCESTORS = 16

function reportSurplus(context: TranslateContext, policy: Policy, gateways: number): void {
  context.diagnostics.report(policy, {
    severity: 'warning',
    code: 'attachment',
    path: ['spec', 'targetRefs'],
    message: `${gateways} Gateways use the targets, and the policy holds for all; its status has room for ${MAX_ANCESTORS}.`,
  })
}

function targetFault(
  context: TranslateContext,
  policy: Policy,
  ref: PolicyTarget,
): TargetFault | undefined {
  const target = targetKey(policy, ref)
  const index = policy.object.spec.targetRefs.indexOf(ref)
  const path = ['spec', 'targetRefs', index]
  const missing = targetProblem(context, target, ref.sectionName)
  if (missing !== undefined) {
    const finding = { severity: 'error', code: 'reference', message: missing.message } as const
    context.diagnostics.report(policy, { ...finding, path: [...path, 'sectionName'] })
    return missing
  }
  const holder = holderOf(context, target, knownSection(context, target, ref.sectionName))
  if (holder === undefined || holder === policy) return undefined
  const message = `The older ${displayKey(holder.key)} holds for ${displayKey(target)} already.`
  context.diagnostics.report(policy, { severity: 'error', code: 'conflict', path, message })
  return { reason: 'Conflicted', message }
}

function gatewayReference(gateway: string): ParentReference {
  const [namespace = '', name = ''] = gateway.split('/')
  return { group: GATEWAY_GROUP, kind: 'Gateway', namespace, name }
}
