/**
 * What a Gateway shows of itself to backends that are reached over TLS
 * (`spec.tls.backend.clientCertificateRef`, GEP-3155). Routes are lowered once for all Gateways; here
 * their upstreams become those of one Gateway.
 */
import type { Gateway } from '../api/gateway.ts'
import type { Resource } from '../api/resource.ts'
import type { Digest } from '../base/brand.ts'
import type { HttpRule } from '../model/http.ts'
import type { HttpFilter } from '../model/http-filter.ts'
import type { WeightedUpstream } from '../model/upstream.ts'
import type { UpstreamTarget } from '../model/upstream-target.ts'
import { resolveCertificateRef } from './certificates.ts'
import type { PartStore, TranslateContext } from './context.ts'
import type { Problem } from './problem.ts'
import type { AttachedRoute } from './routes/attached.ts'
import type { LoweredRoute } from './routes/lowered-route.ts'

/** undefined: the Gateway shows nothing. */
export type ClientIdentity =
  | { readonly kind: 'certificate'; readonly certificate: Digest }
  | {
      readonly kind: 'broken'
      readonly problem: Problem<'InvalidClientCertificateRef' | 'RefNotPermitted'>
    }

export function resolveClientIdentity(
  context: TranslateContext,
  gateway: Resource<Gateway>,
): ClientIdentity | undefined {
  const ref = gateway.object.spec.tls?.backend?.clientCertificateRef
  if (ref === undefined) return undefined
  const path = ['spec', 'tls', 'backend', 'clientCertificateRef']
  const result = resolveCertificateRef(context, gateway, ref, path)
  if (typeof result === 'string') return { kind: 'certificate', certificate: result }
  const { reason, message } = result
  const own = reason === 'InvalidCertificateRef' ? 'InvalidClientCertificateRef' : reason
  return { kind: 'broken', problem: { reason: own, message } }
}

/** The route as the Gateway serves it; only layer-4 forwards change here. */
export function showToForwards(
  parts: PartStore,
  identity: ClientIdentity | undefined,
  attached: AttachedRoute,
): AttachedRoute {
  const { outcome } = attached
  if (identity === undefined || !('forwards' in outcome)) return attached
  const forwards = [...outcome.forwards].map(
    ([use, forward]) =>
      [
        use,
        { ...forward, backends: forward.backends.map((one) => showTo(parts, identity, one)) },
      ] as const,
  )
  return { ...attached, outcome: { ...outcome, forwards: new Map(forwards) } }
}

export function showToRules<Match>(
  parts: PartStore,
  identity: ClientIdentity | undefined,
  lowered: LoweredRoute<Match>,
): LoweredRoute<Match> {
  if (identity === undefined) return lowered
  const rules = lowered.rules.map((one) => ({
    ...one,
    rule: showToRule(parts, identity, one.rule),
  }))
  return { ...lowered, rules }
}

function showToRule(parts: PartStore, identity: ClientIdentity, rule: HttpRule): HttpRule {
  const filters = rule.filters.map((filter) => showToFilter(parts, identity, filter))
  if (rule.action.kind !== 'forward') return { ...rule, filters }
  const backends = rule.action.backends.map((one) => showTo(parts, identity, one))
  return { ...rule, filters, action: { ...rule.action, backends } }
}

function showTo(
  parts: PartStore,
  identity: ClientIdentity,
  backend: WeightedUpstream,
): WeightedUpstream {
  return {
    ...backend,
    target: showToTarget(parts, identity, backend.target),
    filters: backend.filters.map((filter) => showToFilter(parts, identity, filter)),
  }
}

function showToFilter(parts: PartStore, identity: ClientIdentity, filter: HttpFilter): HttpFilter {
  return 'target' in filter
    ? { ...filter, target: showToTarget(parts, identity, filter.target) }
    : filter
}

/**
 * Plaintext upstreams stay, and those that say themselves what is shown; without the certificate that
 * it should show, the others are not reached.
 */
function showToTarget(
  parts: PartStore,
  identity: ClientIdentity,
  target: UpstreamTarget,
): UpstreamTarget {
  const part = target.kind === 'upstream' ? parts.get(target.upstream) : undefined
  if (part?.kind !== 'upstream' || part.tls === undefined) return target
  if (part.tls.clientCertificate !== undefined || part.tls.anonymous === true) return target
  if (identity.kind === 'broken') {
    const message = `The Gateway's client certificate is not usable: ${identity.problem.message}`
    return { kind: 'invalid', name: part.name, message }
  }
  const tls = { ...part.tls, clientCertificate: identity.certificate }
  return { kind: 'upstream', upstream: parts.add({ ...part, tls }) }
}
