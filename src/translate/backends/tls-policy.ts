/**
 * BackendTLSPolicy (GEP-1897; digest section 6.2): which policy holds for a backend, and what it
 * asks for. A policy that cannot be obeyed closes its backend; another one never steps in.
 */
import type { BackendTLSPolicy } from '../../api/backend-tls-policy.ts'
import { compareAge, type Resource } from '../../api/resource.ts'
import { canonicalAddress } from '../../match/target-address.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import { displayKey, keyText, type ResourceKey } from '../../model/resource-key.ts'
import type { SubjectAltName, UpstreamTls } from '../../model/upstream.ts'
import { type AuthorityProblem, resolveAuthorities } from '../authorities.ts'
import type { TranslateContext } from '../context.ts'
import { groupedBy } from '../grouped.ts'
import type { Problem } from '../problem.ts'
import { tcpPort } from './service-port.ts'

type Policy = Resource<BackendTLSPolicy>
export type PolicyTarget = BackendTLSPolicy['spec']['targetRefs'][number]

/** What a policy asks for, wherever it is attached. */
export interface PolicyVerdict {
  /** undefined: it cannot be obeyed. */
  readonly tls: UpstreamTls | undefined
  readonly accepted?: Problem<'Invalid' | 'NoValidCACertificate'>
  readonly resolvedRefs?: Problem<'InvalidCACertificateRef' | 'InvalidKind'>
}

export type BackendTls =
  | { readonly kind: 'plain' }
  | { readonly kind: 'tls'; readonly tls: UpstreamTls }
  | { readonly kind: 'refused'; readonly message: string }

const PLAIN: BackendTls = { kind: 'plain' }

/** A policy reaches its own namespace only. */
export function targetKey(policy: Policy, ref: PolicyTarget): ResourceKey {
  return { group: ref.group, kind: ref.kind, namespace: policy.key.namespace, name: ref.name }
}

const policiesOf = groupedBy((policy: Policy) => [
  ...new Set(policy.object.spec.targetRefs.map((ref) => keyText(targetKey(policy, ref)))),
])

/** `number` is the reference's port. */
export function backendTlsOf(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
): BackendTls {
  const policies = policiesOf(context.resources.backendTlsPolicies, keyText(key))
  if (policies.length === 0) return PLAIN
  const section = sectionOf(context, key, number)
  const policy = holderOf(context, key, section) ?? holderOf(context, key, undefined)
  if (policy === undefined) return PLAIN
  const { tls, accepted } = judgePolicy(context, policy)
  if (tls !== undefined) return { kind: 'tls', tls }
  const why = accepted?.message ?? 'it cannot be obeyed.'
  const message = `${displayKey(policy.key)} asks for TLS to ${displayKey(key)}, which is refused rather than spoken to in plaintext: ${why}`
  return { kind: 'refused', message }
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
  return serviceOf(context, target) === undefined ? undefined : section
}

/** Why a policy cannot be attached to what it names. */
export function targetProblem(
  context: TranslateContext,
  target: ResourceKey,
  section: string | undefined,
): Problem<'TargetNotFound'> | undefined {
  const service = serviceOf(context, target)
  if (service === undefined || section === undefined) return undefined
  const ports = service.object.spec.ports ?? []
  if (ports.some(({ name, protocol }) => name === section && protocol === 'TCP')) return undefined
  const names = ports.flatMap(({ name }) => name ?? []).join(', ')
  const message = `${displayKey(target)} has no TCP port named ${section}; it has ${names || 'no named ports'}.`
  return { reason: 'TargetNotFound', message }
}

function sectionOf(
  context: TranslateContext,
  key: ResourceKey,
  number: number | undefined,
): string | undefined {
  const service = serviceOf(context, key)
  return service && tcpPort(service, number)?.name
}

function serviceOf({ resources }: TranslateContext, key: ResourceKey) {
  return key.group === '' && key.kind === 'Service'
    ? resources.find({ ...key, kind: 'Service' })
    : undefined
}

/** Reported once, wherever it is asked from. */
export function judgePolicy(context: TranslateContext, policy: Policy): PolicyVerdict {
  const { validation } = policy.object.spec
  const invalid = invalidField(policy)
  if (invalid !== undefined) {
    const { path, message } = invalid
    context.diagnostics.report(policy, { severity: 'error', code: 'unsupported', path, message })
    return { tls: undefined, accepted: { reason: 'Invalid', message } }
  }
  const base = {
    policy: `BackendTLSPolicy/${policy.key.namespace}/${policy.key.name}`,
    hostname: validation.hostname,
    subjectAltNames: (validation.subjectAltNames ?? []).flatMap(toAltName),
  }
  if (validation.wellKnownCACertificates !== undefined) {
    return { tls: { ...base, authorities: { kind: 'system' } } }
  }
  const path = ['spec', 'validation', 'caCertificateRefs']
  const refs = validation.caCertificateRefs ?? []
  const { caPem, problem } = resolveAuthorities(context, policy, refs, path)
  const resolvedRefs = problem === undefined ? {} : { resolvedRefs: refProblem(problem) }
  if (caPem !== undefined) {
    return { tls: { ...base, authorities: { kind: 'bundle', caPem } }, ...resolvedRefs }
  }
  const message = `No CA certificate is usable: ${problem?.message ?? 'none is named.'}`
  return { tls: undefined, accepted: { reason: 'NoValidCACertificate', message }, ...resolvedRefs }
}

function refProblem({ fault, message }: AuthorityProblem): PolicyVerdict['resolvedRefs'] & {} {
  return { reason: fault === 'kind' ? 'InvalidKind' : 'InvalidCACertificateRef', message }
}

function toAltName({ type, hostname, uri }: AltNameSpec): readonly SubjectAltName[] {
  if (type === 'URI') return uri === undefined ? [] : [{ type: 'URI', value: uri }]
  return hostname === undefined ? [] : [{ type: 'DNS', value: hostname }]
}

type AltNameSpec = NonNullable<BackendTLSPolicy['spec']['validation']['subjectAltNames']>[number]

/** The first field that is none of ours to obey: leaving it out could be laxer than asked. */
function invalidField({
  object: { spec },
}: Policy): { readonly path: DocumentPath; readonly message: string } | undefined {
  const { hostname, wellKnownCACertificates } = spec.validation
  if (canonicalAddress(hostname) !== undefined) {
    const message = `validation.hostname must be a name, since TLS knows no server name ${hostname}.`
    return { path: ['spec', 'validation', 'hostname'], message }
  }
  if (wellKnownCACertificates !== undefined && wellKnownCACertificates !== 'System') {
    const message = `validation.wellKnownCACertificates: gwproxy knows System only, not ${wellKnownCACertificates}.`
    return { path: ['spec', 'validation', 'wellKnownCACertificates'], message }
  }
  const [option] = Object.keys(spec.options ?? {})
  if (option === undefined) return undefined
  const message = `options: gwproxy knows no option ${JSON.stringify(option)}; remove it.`
  return { path: ['spec', 'options', option], message }
}
