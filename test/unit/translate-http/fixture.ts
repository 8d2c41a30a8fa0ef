/** Manifests as objects, through the real schemas, to a context and its resources. */
import assert from 'node:assert/strict'
import { findKind } from '../../../src/api/kinds.ts'
import type { Resource } from '../../../src/api/resource.ts'
import { type AnyResource, buildResourceSet } from '../../../src/api/resource-set.ts'
import type { UpstreamPart } from '../../../src/model/upstream.ts'
import type { UpstreamTarget } from '../../../src/model/upstream-target.ts'
import { createContext, type TranslateContext } from '../../../src/translate/context.ts'
import { DEFAULT_OPTIONS, type TranslateOptions } from '../../../src/translate/options.ts'

export type Manifest = Readonly<Record<string, unknown>> & {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

export function contextOf(
  manifests: readonly Manifest[],
  options: Partial<TranslateOptions> = {},
): TranslateContext {
  const resources = buildResourceSet(manifests.map((manifest) => resourceOf(manifest)))
  return createContext(resources, { ...DEFAULT_OPTIONS, ...options })
}

export function resourceOf(manifest: Manifest, createdAt?: number): AnyResource {
  const found = findKind(manifest.apiVersion, manifest.kind)
  assert.ok(found.kind === 'known', `${manifest.apiVersion} ${manifest.kind}`)
  const { name } = manifest.metadata
  const namespace = found.entry.namespaced ? (manifest.metadata.namespace ?? 'default') : ''
  const origin = { file: `${name}.yaml`, line: 1, column: 1 }
  return {
    key: { group: found.entry.group, kind: manifest.kind, namespace, name },
    object: found.entry.schema.parse(manifest),
    origin,
    locate: () => origin,
    generation: 1,
    createdAt,
    seenAt: 0,
    stale: false,
  } as AnyResource
}

export function httpRoute(name: string, spec: unknown, namespace = 'default'): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace },
    spec,
  }
}

export function service(name: string, spec: unknown, namespace = 'default'): Manifest {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec }
}

export function slice(
  service: string,
  fields: Readonly<Record<string, unknown>>,
  { name = `${service}-1`, namespace = 'default' } = {},
): Manifest {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ...fields,
  } as Manifest
}

export function endpoints(name: string, subsets: unknown): Manifest {
  return { apiVersion: 'v1', kind: 'Endpoints', metadata: { name }, subsets } as Manifest
}

export function grant(namespace: string, from: unknown, to: unknown): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'ReferenceGrant',
    metadata: { name: 'grant', namespace },
    spec: { from: [from], to: [to] },
  }
}

export function onlyRoute(context: TranslateContext): Resource<unknown> {
  const [route] = context.resources.httpRoutes
  assert.ok(route)
  return route
}

export function upstreamOf(context: TranslateContext, target: UpstreamTarget): UpstreamPart {
  assert.equal(target.kind, 'upstream')
  const part = target.kind === 'upstream' ? context.parts.get(target.upstream) : undefined
  assert.ok(part?.kind === 'upstream')
  return part
}

/** `severity code path: message` of each, for comparison. */
export function findings(context: TranslateContext): string[] {
  return context.diagnostics.all.map(
    ({ severity, code, object, path, message }) =>
      `${severity} ${code} ${object} ${path ?? ''}: ${message}`,
  )
}
