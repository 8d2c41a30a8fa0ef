/**
 * BackendTLSPolicy (GEP-1897; digest section 6.2): which policy holds for a backend, and whether it
 * can be obeyed. One that cannot closes its backend; another one never steps in.
 */
import type { BackendTLSPolicy } from '../../api/backend-tls-policy.ts'
import { compareAge, type Resource } from '../../api/resource.ts'
import { displayKey, keyText, type ResourceKey } from '../../model/resource-key.ts'
import type { TranslateContext } from '../context.ts'
import { groupedBy } from '../grouped.ts'
import type { Problem } from '../problem.ts'
import { tcpPort } from './service-port.ts'
import { judgeValidation, type ValidationVerdict } from './tls-validation.ts'

type Policy = Resource<BackendTLSPolicy>
export type PolicyTarget = BackendTLSPolicy['spec']['targetRefs'][number]

/** A policy reaches its own namespace only. */
export function targetKey(policy: Policy, ref: PolicyTarget): ResourceKey {
  return { group: ref.group, kind: ref.kind, namespace: policy.key.namespace, name: ref.name }
}

const policiesOf = groupedBy((policy: Policy) => [
  ...new Set(policy.object.spec.targetRefs.map((ref) => keyText(targetKey(policy, ref)))),
])

/** The policy that holds for a backend: one for the port before one for the whole. `number` is the reference's port. */
export function policyFor(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
): Policy | undefined {
  if (policiesOf(context.resources.backendTlsPolicies, keyText(key)).length === 0) return undefined
  const section = sectionOf(context, key, number)
  return holderOf(context, key, section) ?? holderOf(context, key, undefined)
}

/** The oldest policy that names exactly this section of the target; undefined: the whole target. */
export function holderOf(
  context: TranslateContext,
  target: ResourceKey,
  section: string | undefined,
): Policy | undefined {
  const text = keyText(target)
  return policiesOf(context.resources.backendTlsPolicies, text)
    .filter((policy) =>
      policy.object.spec.targetRefs.some(
        (ref) =>
          keyText(targetKey(policy, ref)) === text &&
          knownSection(context, target, ref.sectionName) === section,
      ),
    )
    .sort(compareAge)[0]
}

/** Of what has no named ports no section can be told from another: a policy holds for all of it. */
export function knownSection(
  context: TranslateContext,
  target: ResourceKey,
  section: string | undefined,
): string | undefined {
  return namedPorts(context, target) === undefined ? undefined : section
}

/** Why a policy cannot be attached to what it names. */
export function targetProblem(
  context: TranslateContext,
  target: ResourceKey,
  section: string | undefined,
): Problem<'TargetNotFound'> | undefined {
  const names = namedPorts(context, target)
  if (names === undefined || section === undefined || names.includes(section)) return undefined
  const has = names.join(', ') || 'no named ports'
  const message = `${displayKey(target)} has no TCP port named ${section}; it has ${has}.`
  return { reason: 'TargetNotFound', message }
}

/** undefined: it is not of a kind that has them, or is declared nowhere. */
function namedPorts(context: TranslateContext, key: ResourceKey): readonly string[] | undefined {
  const service = serviceOf(context, key)
  if (service !== undefined) {
    const ports = service.object.spec.ports ?? []
    return ports.flatMap(({ name, protocol }) => (protocol === 'TCP' ? (name ?? []) : []))
  }
  const name = xBackendPort(context, key)
  return name === undefined ? undefined : [name]
}

function sectionOf(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
): string | undefined {
  const service = serviceOf(context, key)
  return service === undefined ? xBackendPort(context, key) : tcpPort(service, number)?.name
}

function serviceOf({ resources }: TranslateContext, key: ResourceKey) {
  return key.group === '' && key.kind === 'Service'
    ? resources.find({ ...key, kind: 'Service' })
    : undefined
}

/** It has one port, whose name may be missing or empty. */
function xBackendPort({ resources }: TranslateContext, key: ResourceKey): string | undefined {
  if (key.group !== 'gateway.networking.x-k8s.io' || key.kind !== 'XBackend') return undefined
  const name = resources.find({ ...key, kind: 'XBackend' })?.object.spec.port.name
  return name === '' ? undefined : name
}

/** Reported once, wherever it is asked from. An option unknown to us could ask for more safety. */
export function judgePolicy(context: TranslateContext, policy: Policy): ValidationVerdict {
  const { validation, options = {} } = policy.object.spec
  const [option] = Object.keys(options)
  if (option === undefined) {
    return judgeValidation(context, policy, validation, ['spec', 'validation'])
  }
  const message = `options: gwproxy knows no option ${JSON.stringify(option)}; remove it.`
  const path = ['spec', 'options', option]
  context.diagnostics.report(policy, { severity: 'error', code: 'unsupported', path, message })
  return { trust: undefined, accepted: { reason: 'Invalid', message } }
}
