/**
 * References to bundles of certificate authorities: key `ca.crt` of a ConfigMap, or of a Secret
 * (digest sections 6.1 and 6.2). A bad reference is reported and takes no good one with it; what is
 * trusted then is less, never more.
 */
import type { ObjectRef } from '../api/backend-ref.ts'
import type { ConfigMap } from '../api/config-map.ts'
import type { Resource } from '../api/resource.ts'
import type { Secret } from '../api/secret.ts'
import type { DiagnosticCode, DocumentPath } from '../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../model/resource-key.ts'
import { type CaBundleResult, readCaBundle } from '../wire/ca-bundle.ts'
import { secretValue } from './certificates.ts'
import type { TranslateContext } from './context.ts'
import { grantYaml, permits } from './reference-grants.ts'

const KEY = 'ca.crt'

/** Each kind of object that refers to authorities has its own reasons for these. */
export interface AuthorityProblem {
  readonly fault: 'reference' | 'kind' | 'grant'
  readonly message: string
}

export interface Authorities {
  /** PEM of the good references, in their order; undefined: there is none. */
  readonly caPem: string | undefined
  /** That of the first bad reference. */
  readonly problem: AuthorityProblem | undefined
}

/** `path` is the list's, in `owner`. */
export function resolveAuthorities(
  context: TranslateContext,
  owner: Resource<unknown>,
  refs: readonly ObjectRef[],
  path: DocumentPath,
): Authorities {
  const results = refs.map((ref, index) => resolveRef(context, owner, ref, [...path, index]))
  const bundles = results.flatMap((result) => (typeof result === 'string' ? [result] : []))
  return {
    caPem: bundles.length === 0 ? undefined : [...new Set(bundles)].join(''),
    problem: results.find((result) => typeof result !== 'string'),
  }
}

function resolveRef(
  context: TranslateContext,
  owner: Resource<unknown>,
  ref: ObjectRef,
  path: DocumentPath,
): string | AuthorityProblem {
  const { group, kind, name, namespace = owner.key.namespace } = ref
  const target: ResourceKey = { group, kind, namespace, name }
  const fail = (
    fault: AuthorityProblem['fault'],
    code: DiagnosticCode,
    message: string,
    help?: string,
  ): AuthorityProblem => {
    const finding = { severity: 'error', code, path, message } as const
    context.diagnostics.report(owner, help === undefined ? finding : { ...finding, help })
    return { fault, message }
  }
  if (!permits(context, owner.key, target)) {
    const message = `No ReferenceGrant in namespace ${namespace} permits ${displayKey(owner.key)} to use ${displayKey(target)}.`
    const help = `Add this ReferenceGrant:\n${grantYaml(owner.key, target)}`
    return fail('grant', 'grant-missing', message, help)
  }
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret')) {
    const message = `A CA certificate must be in a ConfigMap or a Secret, not in ${kind} of group "${group}".`
    return fail('kind', 'reference', message)
  }
  const holder: Resource<ConfigMap> | Resource<Secret> | undefined =
    kind === 'ConfigMap'
      ? context.resources.find({ ...target, kind })
      : context.resources.find({ ...target, kind })
  if (holder === undefined) {
    return fail('reference', 'reference', `${displayKey(target)} does not exist.`)
  }
  if (holder.fileProblem !== undefined) {
    // The holder's own diagnostic names the file already.
    return { fault: 'reference', message: `${displayKey(target)}: ${holder.fileProblem}.` }
  }
  const bundle = bundleOf(context, holder)
  return typeof bundle === 'string' ? bundle : fail('reference', 'certificate', bundle.message)
}

function bundleOf(
  context: TranslateContext,
  holder: Resource<ConfigMap> | Resource<Secret>,
): string | { readonly message: string } {
  const subject = displayKey(holder.key)
  const result = readHolder(holder.object)
  if (result === undefined) return { message: `${subject} has no key ${KEY}.` }
  if (result.kind === 'problem') return { message: `${subject}: ${KEY}: ${result.message}.` }
  const { caPem, authorities } = result.bundle
  for (const authority of authorities) {
    if (authority.notAfter >= context.options.now) continue
    const message = `${subject}: the CA certificate ${JSON.stringify(authority.subject)} has expired; nothing that it issued is accepted.`
    const finding = { severity: 'warning', code: 'certificate', path: [], message } as const
    context.diagnostics.report(holder, finding)
  }
  return caPem
}

/** Objects are immutable values, so what one holds is read once however often it is translated. */
const readBundles = new WeakMap<ConfigMap | Secret, CaBundleResult>()

/** undefined: the object has no `ca.crt`. */
function readHolder(object: ConfigMap | Secret): CaBundleResult | undefined {
  const known = readBundles.get(object)
  if (known !== undefined) return known
  const pem = 'type' in object ? secretValue(object, KEY) : configValue(object)
  if (pem === undefined) return undefined
  const result = readCaBundle(pem)
  readBundles.set(object, result)
  return result
}

function configValue({ data = {}, binaryData = {} }: ConfigMap): string | undefined {
  if (Object.hasOwn(data, KEY)) return data[KEY]
  const encoded = Object.hasOwn(binaryData, KEY) ? binaryData[KEY] : undefined
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8')
}
