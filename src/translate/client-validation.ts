/**
 * Frontend client certificates (`spec.tls.frontend`, GEP-91, digest section 6.1): which validation
 * holds for a listener, and the authorities that it trusts. Without a single usable one the listener
 * does not serve (DESIGN.md decision 12).
 */
import type { FrontendValidation, GatewayTls } from '../api/gateway.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import type { ClientAuth } from '../model/tls.ts'
import { assertNever } from '../base/assert-never.ts'
import { type AuthorityProblem, resolveAuthorities } from './authorities.ts'
import type { TranslateContext } from './context.ts'
import type { OwnListener } from './listeners.ts'
import type { Problem } from './problem.ts'

export interface ClientValidation {
  readonly clientAuth: ClientAuth
  /** Every reference is bad: nobody could be verified. */
  readonly accepted?: Problem<'NoValidCACertificate'>
  /** That of the first bad reference. */
  readonly resolvedRefs?: Problem<ClientCaReason>
}

type ClientCaReason = 'InvalidCACertificateRef' | 'InvalidCACertificateKind' | 'RefNotPermitted'

const REASONS = {
  reference: 'InvalidCACertificateRef',
  kind: 'InvalidCACertificateKind',
  grant: 'RefNotPermitted',
} as const satisfies Record<AuthorityProblem['fault'], ClientCaReason>

const NO_VALIDATION: ClientValidation = { clientAuth: { mode: 'none' } }

/** Listeners that are not HTTPS are not asked, as the specification has it. */
export function resolveClientValidation(
  context: TranslateContext,
  listener: OwnListener,
): ClientValidation {
  if (listener.protocol?.family !== 'HTTPS') return NO_VALIDATION
  const { resource } = listener.gateway
  const found = validationFor(resource.object.spec.tls?.frontend, listener.spec.port)
  if (found === undefined) return NO_VALIDATION
  const { validation, path } = found
  const refsPath = [...path, 'caCertificateRefs']
  const { caPem, problem } = resolveAuthorities(
    context,
    resource,
    validation.caCertificateRefs,
    refsPath,
  )
  const resolvedRefs =
    problem === undefined
      ? {}
      : { resolvedRefs: { reason: REASONS[problem.fault], message: problem.message } }
  if (caPem !== undefined) {
    return { clientAuth: { mode: modeOf(validation.mode), caPem }, ...resolvedRefs }
  }
  const message = `Clients cannot be verified, so the listener does not serve: ${problem?.message ?? 'no CA certificate.'}`
  return {
    ...NO_VALIDATION,
    accepted: { reason: 'NoValidCACertificate', message },
    ...resolvedRefs,
  }
}

/** GEP-91 wants it told on the Gateway, whether or not a listener of it is concerned. */
export function insecureModeProblem(
  frontend: GatewayTls['frontend'],
): Problem<'ConfigurationChanged'> | undefined {
  if (frontend === undefined) return undefined
  const places = [frontend.default, ...(frontend.perPort ?? []).map(({ tls }) => tls)]
  if (!places.some(({ validation }) => validation?.mode === 'AllowInsecureFallback')) {
    return undefined
  }
  const message =
    'AllowInsecureFallback: clients without a valid certificate are served as well; backends must check who is asking.'
  return { reason: 'ConfigurationChanged', message }
}

interface FoundValidation {
  readonly validation: FrontendValidation
  readonly path: DocumentPath
}

/** An entry of `perPort` replaces `default`, also when it has no validation. */
function validationFor(
  frontend: GatewayTls['frontend'],
  port: number,
): FoundValidation | undefined {
  if (frontend === undefined) return undefined
  const perPort = frontend.perPort ?? []
  const index = perPort.findIndex((entry) => entry.port === port)
  const own = perPort[index]
  const { validation } = own === undefined ? frontend.default : own.tls
  if (validation === undefined) return undefined
  const place = own === undefined ? ['default'] : ['perPort', index, 'tls']
  return { validation, path: ['spec', 'tls', 'frontend', ...place, 'validation'] }
}

function modeOf(mode: FrontendValidation['mode']): 'require' | 'optional-insecure' {
  switch (mode) {
    case 'AllowValidOnly':
      return 'require'
    case 'AllowInsecureFallback':
      return 'optional-insecure'
    default:
      return assertNever(mode)
  }
}
