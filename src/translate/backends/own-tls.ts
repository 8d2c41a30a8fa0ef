/**
 * TLS that a backend asks for itself: inline `tls` of XBackend (GEP-4894) and of Envoy Gateway's
 * Backend. A BackendTLSPolicy on it says better whom to believe; client certificates and versions
 * stay the backend's own.
 */
import type { SecretRef } from '../../api/backend-ref.ts'
import type { EnvoyBackend, EnvoyTlsSettings } from '../../api/envoy-backend.ts'
import type { Resource } from '../../api/resource.ts'
import type { XBackend } from '../../api/x-backend.ts'
import type { Digest } from '../../base/brand.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type { TlsVersion, UpstreamTlsSettings, UpstreamTrust } from '../../model/upstream.ts'
import { resolveCertificateRef } from '../certificates.ts'
import type { TranslateContext } from '../context.ts'
import { judgeValidation } from './tls-validation.ts'

export interface OwnTls {
  readonly settings: Lowered<UpstreamTlsSettings>
  /** Whom to believe, where no policy says it. */
  readonly trust: () => Lowered<UpstreamTrust>
}

/** A text says what cannot be obeyed; it was reported where it stands. */
export type Lowered<T> = T | string

const PATH: DocumentPath = ['spec', 'tls']

/** undefined: it asks for none. */
export function ownTlsOf(context: TranslateContext, key: ResourceKey): OwnTls | undefined {
  switch (`${key.group}/${key.kind}`) {
    case 'gateway.networking.x-k8s.io/XBackend': {
      const backend = context.resources.find({ ...key, kind: 'XBackend' })
      return backend && xBackendTls(context, backend)
    }
    case 'gateway.envoyproxy.io/Backend': {
      const backend = context.resources.find({ ...key, kind: 'Backend' })
      return backend && envoyTls(context, backend)
    }
    default:
      return undefined
  }
}

/** Without a validation the certificate must be for the host, of an authority of the system. */
function xBackendTls(context: TranslateContext, backend: Resource<XBackend>): OwnTls | undefined {
  const { tls, externalHostname } = backend.object.spec
  if (tls === undefined || tls.mode === 'None') return undefined
  const { clientCertificateRef, validation } = tls
  const settings =
    clientCertificateRef === undefined
      ? ({ anonymous: true } as const)
      : shown(context, backend, clientCertificateRef)
  const fallback = {
    hostname: externalHostname?.hostname ?? '',
    wellKnownCACertificates: 'System',
  }
  const trust = (): Lowered<UpstreamTrust> => {
    const path = [...PATH, 'validation']
    const verdict = judgeValidation(context, backend, validation ?? fallback, path)
    return verdict.trust ?? verdict.accepted?.message ?? ''
  }
  return { settings, trust }
}

function shown(
  context: TranslateContext,
  backend: Resource<unknown>,
  ref: SecretRef,
): Lowered<{ readonly clientCertificate: Digest }> {
  const path = [...PATH, 'clientCertificateRef']
  const result = resolveCertificateRef(context, backend, ref, path)
  return typeof result === 'string' ? { clientCertificate: result } : result.message
}

function envoyTls(context: TranslateContext, backend: Resource<EnvoyBackend>): OwnTls | undefined {
  const { tls } = backend.object.spec
  if (tls === undefined) return undefined
  return {
    settings: envoySettings(context, backend, tls),
    trust: () => envoyTrust(context, backend, tls),
  }
}

const ENVOY_ONLY = [
  'ciphers',
  'ecdhCurves',
  'signatureAlgorithms',
  'alpnProtocols',
  'fingerprints',
] as const satisfies readonly (keyof EnvoyTlsSettings)[]

function envoySettings(
  context: TranslateContext,
  backend: Resource<EnvoyBackend>,
  tls: EnvoyTlsSettings,
): Lowered<UpstreamTlsSettings> {
  const own = ENVOY_ONLY.find((field) => tls[field] !== undefined)
  if (own !== undefined) {
    return refuse(context, backend, own, 'is not supported; remove it.')
  }
  const minVersion = VERSIONS[tls.minVersion ?? 'Auto']
  const maxVersion = VERSIONS[tls.maxVersion ?? 'Auto']
  if (minVersion === 'never') {
    return refuse(context, backend, 'minVersion', 'must be 1.2 or 1.3: nothing older is spoken.')
  }
  if (maxVersion === 'never') {
    return refuse(context, backend, 'maxVersion', 'must be 1.2 or 1.3: nothing older is spoken.')
  }
  if (minVersion === 'TLSv1.3' && maxVersion === 'TLSv1.2') {
    return refuse(context, backend, 'maxVersion', 'must not be less than minVersion.')
  }
  const { clientCertificateRef } = tls
  const identity =
    clientCertificateRef === undefined ? {} : shown(context, backend, clientCertificateRef)
  if (typeof identity === 'string') return identity
  return {
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
    ...identity,
  }
}

const VERSIONS = {
  Auto: undefined,
  '1.0': 'never',
  '1.1': 'never',
  '1.2': 'TLSv1.2',
  '1.3': 'TLSv1.3',
} as const satisfies Record<
  NonNullable<EnvoyTlsSettings['minVersion']>,
  TlsVersion | 'never' | undefined
>

/**
 * Envoy Gateway falls back to the name in the request, which is the client's to choose; here it is
 * that of the endpoints, as with autoSNIFromEndpointHostname.
 */
function envoyTrust(
  context: TranslateContext,
  backend: Resource<EnvoyBackend>,
  tls: EnvoyTlsSettings,
): Lowered<UpstreamTrust> {
  const names = namesOf(backend.object)
  const [only = ''] = names.length === 1 ? names : []
  const hostname = tls.sni ?? only
  if (tls.insecureSkipVerify) {
    warnUnverified(context, backend)
    return { hostname, subjectAltNames: [], authorities: { kind: 'anyone' } }
  }
  const { caCertificateRefs, wellKnownCACertificates } = tls
  if ((caCertificateRefs ?? []).length === 0 && wellKnownCACertificates === undefined) {
    const why = 'must say whom to trust: caCertificateRefs, or wellKnownCACertificates: System.'
    return refuse(context, backend, undefined, why)
  }
  if (hostname === '') {
    const why = 'must be set: the endpoints have not one name in common to ask for and to verify.'
    return refuse(context, backend, 'sni', why)
  }
  const verdict = judgeValidation(context, backend, { hostname, ...authoritiesIn(tls) }, PATH)
  return verdict.trust ?? verdict.accepted?.message ?? ''
}

function authoritiesIn({ caCertificateRefs, wellKnownCACertificates }: EnvoyTlsSettings) {
  return {
    ...(caCertificateRefs === undefined ? {} : { caCertificateRefs }),
    ...(wellKnownCACertificates === undefined ? {} : { wellKnownCACertificates }),
  }
}

/** The different names of the endpoints; '' for one without. */
function namesOf({ spec }: EnvoyBackend): readonly string[] {
  const names = (spec.endpoints ?? []).map(({ hostname, fqdn }) => hostname ?? fqdn?.hostname ?? '')
  return [...new Set(names)]
}

function warnUnverified(context: TranslateContext, backend: Resource<unknown>): void {
  context.diagnostics.report(backend, {
    severity: 'warning',
    code: 'certificate',
    path: [...PATH, 'insecureSkipVerify'],
    message: `${displayKey(backend.key)} is spoken to over TLS without any verification: whoever answers at its address is believed.`,
    help: 'Use it for testing only. caCertificateRefs takes the self-signed certificate of a backend as well.',
  })
}

function refuse(
  context: TranslateContext,
  backend: Resource<unknown>,
  field: keyof EnvoyTlsSettings | undefined,
  why: string,
): string {
  const path = field === undefined ? PATH : [...PATH, field]
  const message = `${path.join('.')} ${why}`
  context.diagnostics.report(backend, { severity: 'error', code: 'unsupported', path, message })
  return message
}
