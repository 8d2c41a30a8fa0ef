/**
 * From a backendRef to an upstream (digest sections 3.2 and 3.3; DESIGN.md decision 8). A reference
 * that does not resolve becomes an `invalid` target: it spoils its own weighted share only. What is
 * wrong goes to the route as a diagnostic at the reference and to the caller for ResolvedRefs.
 */
import type { BackendRef } from '../api/backend-ref.ts'
import type { Resource } from '../api/resource.ts'
import { normalizeHostname } from '../match/hostname.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../model/resource-key.ts'
import type { UpstreamTarget, WeightedUpstream } from '../model/upstream.ts'
import { type BackendUse, type Resolution, unresolved } from './backends/resolution.ts'
import { resolveService } from './backends/service.ts'
import { requiresTls } from './backends/tls-policy.ts'
import type { TranslateContext } from './context.ts'
import type { Problem, RouteRefReason } from './problem.ts'
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
    name: `${kind}/${namespace}/${name}${ref.port === undefined ? '' : `:${ref.port}`}`,
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
  if (to.group !== '' || to.kind !== 'Service') return unresolved('InvalidKind', kindMessage(to))
  if (!permits(context, from, to)) {
    return unresolved(
      'RefNotPermitted',
      `${displayKey(to)} is in another namespace and no ReferenceGrant there permits ${from.kind} of namespace ${from.namespace} to refer to it.`,
      `Add this ReferenceGrant:\n${grantYaml(from, to)}`,
    )
  }
  if (port === undefined) {
    return unresolved('BackendNotFound', `The reference to ${displayKey(to)} names no port.`)
  }
  const service = context.resources.find({ ...to, kind: 'Service' })
  if (service === undefined) return undeclaredService(context, to, port, use)
  if (use !== 'tcp' && requiresTls(context, service, port)) {
    return {
      kind: 'refused',
      message: `A BackendTLSPolicy asks for TLS to ${displayKey(to)}, which is not supported yet; it is never spoken to in plaintext.`,
    }
  }
  return resolveService(context, service, port, use)
}

function kindMessage({ group, kind }: ResourceKey): string {
  const full = group === '' ? kind : `${kind}.${group}`
  return KNOWN_KINDS.has(full)
    ? `Backends of kind ${full} are not supported yet; use a Service.`
    : `Backends of kind ${full} are not known; use a Service (group "").`
}

const KNOWN_KINDS: ReadonlySet<string> = new Set([
  'Backend.gateway.envoyproxy.io',
  'XBackend.gateway.networking.x-k8s.io',
])

/** `--service-dns` names the Services that no file declares, as a container network does. */
function undeclaredService(
  context: TranslateContext,
  key: ResourceKey,
  port: number,
  use: BackendUse,
): Resolution {
  const template = context.options.serviceDns
  if (template === undefined) {
    return unresolved(
      'BackendNotFound',
      `${displayKey(key)} is not declared in any file.`,
      'Declare the Service, or give --service-dns when a name service knows it.',
    )
  }
  const text = template.replaceAll('{name}', key.name).replaceAll('{namespace}', key.namespace)
  const name = normalizeHostname(text)
  if (name === undefined) {
    return unresolved(
      'BackendNotFound',
      `${displayKey(key)} is not declared in any file and --service-dns makes ${JSON.stringify(text)} of it, which is no DNS name.`,
    )
  }
  return {
    kind: 'upstream',
    upstream: {
      kind: 'upstream',
      name: `Service/${key.namespace}/${key.name}:${port}`,
      protocol: use === 'http' ? 'http/1.1' : 'tcp',
      endpoints: [{ kind: 'name', name, port }],
    },
  }
}
