/**
 * Certificates of terminating listeners, from Secrets of type kubernetes.io/tls (digest sections
 * 2.2 and 3.2, DESIGN.md decision 9). Several references of one listener (RSA beside ECDSA, one per
 * name) are served together; a bad one is reported and takes no good one with it.
 */
import type { SecretRef } from '../api/backend-ref.ts'
import type { Resource } from '../api/resource.ts'
import type { Secret } from '../api/secret.ts'
import type { Digest } from '../base/brand.ts'
import { digestOf } from '../base/digest.ts'
import type { DiagnosticCode, DocumentPath } from '../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../model/resource-key.ts'
import type { CertificatePart, KeyMaterial } from '../model/tls.ts'
import { readServerCertificate } from '../wire/pem.ts'
import type { TranslateContext } from './context.ts'
import type { OwnListener } from './listeners.ts'
import type { Problem } from './problem.ts'
import { grantYaml, permits } from './reference-grants.ts'

const TLS_TYPE = 'kubernetes.io/tls'
const DAY_MS = 86_400_000
const MISSING =
  'Add a Secret of type kubernetes.io/tls, with the pair inline or the annotation gwproxy.dev/from-directory; "gwproxy cert self-signed" makes one for trying things out.'

export interface ListenerCertificates {
  /** Good ones in the order of the references: the first is the default. */
  readonly certificates: readonly Digest[]
  /** That of the first bad reference. */
  readonly problem?: Problem<'InvalidCertificateRef' | 'RefNotPermitted'>
}

/** For a listener that terminates TLS. */
export function resolveCertificates(
  context: TranslateContext,
  listener: OwnListener,
): ListenerCertificates {
  const refs = listener.spec.tls?.certificateRefs ?? []
  if (refs.length === 0) return noCertificates(context, listener)
  const path = [...listener.path, 'tls', 'certificateRefs']
  const results = refs.map((ref, index) =>
    resolveCertificateRef(context, listener.owner, ref, [...path, index]),
  )
  const certificates = results.flatMap((result) => (typeof result === 'string' ? [result] : []))
  const problem = results.find((result) => typeof result !== 'string')
  return { certificates: [...new Set(certificates)], ...(problem === undefined ? {} : { problem }) }
}

type CertificateProblem = NonNullable<ListenerCertificates['problem']>

function noCertificates(context: TranslateContext, listener: OwnListener): ListenerCertificates {
  const message = 'The listener ends TLS but names no certificate; set tls.certificateRefs.'
  const finding = { severity: 'error', code: 'certificate', message } as const
  context.diagnostics.report(listener.owner, { ...finding, path: [...listener.path, 'tls'] })
  return { certificates: [], problem: { reason: 'InvalidCertificateRef', message } }
}

/** The part of a good reference; a bad one is reported at `path` of `owner`, who refers. */
export function resolveCertificateRef(
  context: TranslateContext,
  owner: Resource<unknown>,
  ref: SecretRef,
  path: DocumentPath,
): Digest | CertificateProblem {
  const { group, kind, name, namespace = owner.key.namespace } = ref
  const target: ResourceKey = { group, kind, namespace, name }
  const fail = (code: DiagnosticCode, message: string, help?: string): CertificateProblem => {
    const finding = { severity: 'error', code, path, message } as const
    context.diagnostics.report(owner, help === undefined ? finding : { ...finding, help })
    return { reason: 'InvalidCertificateRef', message }
  }
  if (!permits(context, owner.key, target)) return notPermitted(context, owner, target, path)
  if (group !== '' || kind !== 'Secret') {
    return fail('reference', `A certificate must be a Secret, not ${kind} of group "${group}".`)
  }
  const secret = context.resources.find({ ...target, kind: 'Secret' })
  if (secret === undefined)
    return fail('reference', `${displayKey(target)} does not exist.`, MISSING)
  if (secret.fileProblem !== undefined) {
    // The Secret's own diagnostic names the file already; saying it here again would be noise.
    const message = `${displayKey(target)}: ${secret.fileProblem}.`
    return { reason: 'InvalidCertificateRef', message }
  }
  const certificate = certificateOf(context, secret)
  return typeof certificate === 'string' ? certificate : fail('certificate', certificate.message)
}

function notPermitted(
  context: TranslateContext,
  owner: Resource<unknown>,
  target: ResourceKey,
  path: DocumentPath,
): CertificateProblem {
  const message = `No ReferenceGrant in namespace ${target.namespace} permits ${displayKey(owner.key)} to use ${displayKey(target)}.`
  const help = `Add this ReferenceGrant:\n${grantYaml(owner.key, target)}`
  context.diagnostics.report(owner, {
    severity: 'error',
    code: 'grant-missing',
    path,
    message,
    help,
  })
  return { reason: 'RefNotPermitted', message }
}

/** Adds the part and its key to the store; warnings are located in the Secret. */
function certificateOf(
  context: TranslateContext,
  secret: Resource<Secret>,
): Digest | { readonly message: string } {
  const subject = displayKey(secret.key)
  const result = readSecret(secret)
  if (result.kind === 'problem') return { message: `${subject}: ${result.message}.` }
  const { warnings, digest, part, key } = result
  for (const message of [...warnings, ...lifetimeWarnings(part, context.options.now)]) {
    const finding = { severity: 'warning', code: 'certificate', path: [], message } as const
    context.diagnostics.report(secret, { ...finding, message: `${subject}: ${message}.` })
  }
  context.parts.addKey(key)
  context.parts.put(digest, part)
  return digest
}

/** An expired certificate is served: a client's warning beats a closed port. */
function lifetimeWarnings(
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
  now: number,
): readonly string[] {
  if (now > notAfter) {
    return [
      `the certificate expired on ${new Date(notAfter).toISOString()}; clients will refuse it`,
    ]
  }
  if (now < notBefore) {
    return [`the certificate is not valid before ${new Date(notBefore).toISOString()}`]
  }
  const days = Math.floor((notAfter - now) / DAY_MS)
  return days < EXPIRY_NOTICE_DAYS ? [`the certificate expires in ${days} days`] : []
}

/** Let's Encrypt renews at 30 days of 90; a week means that renewal does not work. */
const EXPIRY_NOTICE_DAYS = 7

type SecretResult =
  | {
      readonly kind: 'certificate'
      readonly part: CertificatePart
      readonly digest: Digest
      readonly key: KeyMaterial
      readonly warnings: readonly string[]
    }
  | { readonly kind: 'problem'; readonly message: string }

/** Secrets are immutable values, so what one holds is read once however often it is translated. */
const readSecrets = new WeakMap<Secret, SecretResult>()

function readSecret(secret: Resource<Secret>): SecretResult {
  const known = readSecrets.get(secret.object)
  if (known !== undefined) return known
  const result = readObject(secret)
  readSecrets.set(secret.object, result)
  return result
}

function readObject({ object: secret, key: { namespace, name } }: Resource<Secret>): SecretResult {
  if (secret.type !== TLS_TYPE) {
    return {
      kind: 'problem',
      message: `its type is ${secret.type}, but a certificate needs type ${TLS_TYPE}`,
    }
  }
  const certificate = secretValue(secret, 'tls.crt')
  const key = secretValue(secret, 'tls.key')
  if (certificate === undefined) return { kind: 'problem', message: 'it has no key tls.crt' }
  if (key === undefined) return { kind: 'problem', message: 'it has no key tls.key' }
  const result = readServerCertificate(certificate, key)
  if (result.kind === 'certificate') {
    const { privateKeyPem, warnings, ...certificate } = result.certificate
    const source = `${namespace}/${name}`
    const part: CertificatePart = { kind: 'certificate', ...certificate, source }
    const material = { keyId: certificate.keyId, privateKeyPem }
    return { kind: 'certificate', part, digest: digestOf(part), key: material, warnings }
  }
  const part = result.part === 'certificate' ? 'tls.crt' : 'tls.key'
  return { kind: 'problem', message: `${part}: ${result.message}` }
}

/** `stringData` is in `data` already: config/secret-files merges it, as the API server does. */
export function secretValue({ data = {} }: Secret, name: string): string | undefined {
  const encoded = Object.hasOwn(data, name) ? data[name] : undefined
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8')
}
