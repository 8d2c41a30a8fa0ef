/**
 * From a backendRef to an upstream (digest sections 3.2 and 3.3; DESIGN.md decision 8). A reference
 * that does not resolve becomes an `invalid` target: it spoils its own weighted share only. What is
 * wrong goes to the route as a diagnostic at the reference and to the caller for ResolvedRefs.
 */
import type { BackendRef } from '../api/backend-ref.ts'
import type { Resource } from '../api/resource.ts'
import { assertNever } from '../base/assert-never.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../model/resource-key.ts'
import type { WeightedUpstream } from '../model/upstream.ts'
import type { UpstreamTarget } from '../model/upstream-target.ts'
import { warnPlaintext } from './backends/app-protocol.ts'
import { backendTlsOf } from './backends/backend-tls.ts'
import { resolveEnvoyBackend } from './backends/envoy-backend.ts'
import { ownTlsOf } from './backends/own-tls.ts'
import {
  type BackendUse,
  type Resolution,
  unresolved,
  upstreamName,
} from './backends/resolution.ts'
import { resolveService } from './backends/service.ts'
import { resolveXBackend } from './backends/x-backend.ts'
import type { TranslateContext } from './context.ts'
import type { Problem, RouteRefReason } from './problem.ts'
import { withProxyProtocol } from './proxy-protocol.ts'
import { grantYaml, permits } from './reference-grants.ts'

export type { BackendUse } from './backends/resolution.ts'

/** What a reference names; weights and filters are the caller's. */
export type BackendObject = Omit<BackendRef, 'weight'>

export interface ResolvedBackend {
  readonly target: UpstreamTarget
  /** Why the reference does not resolve: for the route's ResolvedRefs. */
  readonly problem?: Problem<RouteRefReason>
}

export interface ResolvedBackends {
  readonly backends: readonly WeightedUpstream[]
  /** That of the first faulty reference. */
  readonly problem?: Problem<RouteRefReason>
}

/** A list of references without filters, as the layer-4 routes have. `path` is the list's. */
export function resolveBackendRefs(
  context: TranslateContext,
  route: Resource<unknown>,
  refs: readonly BackendRef[],
  path: DocumentPath,
  use: BackendUse,
): ResolvedBackends {
  const resolved = refs.map((ref, index) => ({
    weight: ref.weight,
    ...resolveBackendRef(context, route, ref, [...path, index], use),
  }))
  const problem = resolved.find((backend) => backend.problem !== undefined)?.problem
  return {
    backends: resolved.map(({ weight, target }) => ({ weight, target, filters: [] })),
    ...(problem === undefined ? {} : { problem }),
  }
}

/**
 * Adds the upstream to the context's parts. A Service without endpoints resolves: its upstream has
 * none, which is answered 503. `path` is the reference's, `use` decides the upstream's protocol.
 */
export function resolveBackendRef(
  context: TranslateContext,
  route: Resource<unknown>,
  ref: BackendObject,
  path: DocumentPath,
  use: BackendUse,
): ResolvedBackend {
  const { group, kind, name, namespace = route.key.namespace } = ref
  const key: ResourceKey = { group, kind, namespace, name }
  const resolution = resolve(context, route.key, key, ref.port, use)
  if (resolution.kind === 'upstream') {
    return { target: { kind: 'upstream', upstream: context.parts.add(resolution.upstream) } }
  }
  const { message } = resolution
  const target: UpstreamTarget = {
    kind: 'invalid',
    name: upstreamName(key, ref.port),
    message,
  }
  if (resolution.kind === 'refused') {
    context.diagnostics.report(route, { severity: 'error', code: 'unsupported', path, message })
    return { target }
  }
  const { reason, help } = resolution
  context.diagnostics.report(route, {
    severity: 'error',
    code: reason === 'RefNotPermitted' ? 'grant-missing' : 'reference',
    path,
    message,
    ...(help === undefined ? {} : { help }),
  })
  return { target, problem: { reason, message } }
}

function resolve(
  context: TranslateContext,
  from: ResourceKey,
  to: ResourceKey,
  port: number | undefined,
  use: BackendUse,
): Resolution {
  const resolveKind = RESOLVERS.get(`${to.group}/${to.kind}`)
  if (resolveKind === undefined) return unresolved('InvalidKind', unknownKind(to))
  if (!permits(context, from, to)) {
    return unresolved(
      'RefNotPermitted',
      `${displayKey(to)} is in another namespace and no ReferenceGrant there permits ${from.kind} of namespace ${from.namespace} to refer to it.`,
      `Add this ReferenceGrant:\n${grantYaml(from, to)}`,
    )
  }
  const resolution = withProxyProtocol(context, to, use, resolveKind(context, to, port, use))
  // What is passed on as it came in may be TLS of the client's own.
  const isAsItCame = use === 'tcp' || use === 'udp'
  if (resolution.kind !== 'upstream') return resolution
  if (isAsItCame) return ownTlsOf(context, to) === undefined ? resolution : notOnTop(to)
  const tls = backendTlsOf(context, to, port)
  switch (tls.kind) {
    case 'plain':
      if (use !== 'decrypted') warnPlaintext(context, to, port)
      return resolution
    case 'unresolved':
    case 'refused':
      return tls
    case 'tls':
      return { kind: 'upstream', upstream: { ...resolution.upstream, tls: tls.tls } }
    default:
      return assertNever(tls)
  }
}

function notOnTop(to: ResourceKey): Resolution {
  return unresolved(
    'UnsupportedProtocol',
    `${displayKey(to)} asks for TLS (spec.tls), but what this listener takes is passed on as it comes.`,
  )
}

type KindResolver = (
  context: TranslateContext,
  key: ResourceKey,
  port: number | undefined,
  use: BackendUse,
) => Resolution

/** By group and kind. */
const RESOLVERS: ReadonlyMap<string, KindResolver> = new Map([
  ['/Service', resolveService],
  ['gateway.envoyproxy.io/Backend', resolveEnvoyBackend],
  ['gateway.networking.x-k8s.io/XBackend', resolveXBackend],
])

function unknownKind({ group, kind }: ResourceKey): string {
  return `Backends of kind ${kind} in group ${JSON.stringify(group)} are not known; use a Service (group "").`
}
