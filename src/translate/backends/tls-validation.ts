/**
 * BackendTLSPolicyValidation (GEP-1897; digest section 6.2), of a policy or inline in a backend: whom
 * to ask for and whom to believe. What cannot be obeyed leaves nobody to believe.
 */
import type { Resource } from '../../api/resource.ts'
import type { TlsValidation } from '../../api/tls-validation.ts'
import { canonicalAddress } from '../../match/target-address.ts'
import { type DocumentPath, formatPath } from '../../model/diagnostic.ts'
import type { SubjectAltName, UpstreamTrust } from '../../model/upstream.ts'
import { type AuthorityProblem, resolveAuthorities } from '../authorities.ts'
import type { TranslateContext } from '../context.ts'
import type { Problem } from '../problem.ts'

export interface ValidationVerdict {
  /** undefined: it cannot be obeyed, and `accepted` says why. */
  readonly trust: UpstreamTrust | undefined
  readonly accepted?: Problem<'Invalid' | 'NoValidCACertificate'>
  readonly resolvedRefs?: Problem<'InvalidCACertificateRef' | 'InvalidKind'>
}

/** Reported once, wherever it is asked from. `path` is that of the validation in `owner`. */
export function judgeValidation(
  context: TranslateContext,
  owner: Resource<unknown>,
  validation: TlsValidation,
  path: DocumentPath,
): ValidationVerdict {
  const invalid = invalidField(validation, path)
  if (invalid !== undefined) {
    context.diagnostics.report(owner, { severity: 'error', code: 'unsupported', ...invalid })
    return { trust: undefined, accepted: { reason: 'Invalid', message: invalid.message } }
  }
  const { hostname, subjectAltNames = [], wellKnownCACertificates } = validation
  const base = { hostname, subjectAltNames: subjectAltNames.flatMap(toAltName) }
  if (wellKnownCACertificates !== undefined) {
    return { trust: { ...base, authorities: { kind: 'system' } } }
  }
  const refs = validation.caCertificateRefs ?? []
  const refsPath = [...path, 'caCertificateRefs']
  const { caPem, problem } = resolveAuthorities(context, owner, refs, refsPath)
  const resolvedRefs = problem === undefined ? {} : { resolvedRefs: refProblem(problem) }
  if (caPem !== undefined) {
    return { trust: { ...base, authorities: { kind: 'bundle', caPem } }, ...resolvedRefs }
  }
  const message = `No CA certificate is usable: ${problem?.message ?? 'none is named.'}`
  return {
    trust: undefined,
    accepted: { reason: 'NoValidCACertificate', message },
    ...resolvedRefs,
  }
}

function refProblem({ fault, message }: AuthorityProblem): ValidationVerdict['resolvedRefs'] & {} {
  return { reason: fault === 'kind' ? 'InvalidKind' : 'InvalidCACertificateRef', message }
}

function toAltName({ type, hostname, uri }: AltNameSpec): readonly SubjectAltName[] {
  if (type === 'URI') return uri === undefined ? [] : [{ type: 'URI', value: uri }]
  return hostname === undefined ? [] : [{ type: 'DNS', value: hostname }]
}

type AltNameSpec = NonNullable<TlsValidation['subjectAltNames']>[number]

interface InvalidField {
  readonly path: DocumentPath
  readonly message: string
}

/** The first field that is none of ours to obey: leaving it out could be laxer than asked. */
function invalidField(
  { hostname, wellKnownCACertificates }: TlsValidation,
  path: DocumentPath,
): InvalidField | undefined {
  const name = formatPath(path.slice(1))
  if (canonicalAddress(hostname) !== undefined) {
    const message = `${name}.hostname must be a name, since TLS knows no server name ${hostname}.`
    return { path: [...path, 'hostname'], message }
  }
  if (wellKnownCACertificates !== undefined && wellKnownCACertificates !== 'System') {
    const message = `${name}.wellKnownCACertificates: gwproxy knows System only, not ${wellKnownCACertificates}.`
    return { path: [...path, 'wellKnownCACertificates'], message }
  }
  return undefined
}
