/** One reference to Service `web`, resolved against manifests. */
import { endpointText } from '../../../src/model/upstream.ts'
import {
  type BackendObject,
  type BackendUse,
  resolveBackendRef,
} from '../../../src/translate/backends.ts'
import type { TranslateOptions } from '../../../src/translate/options.ts'
import {
  contextOf,
  findings,
  httpRoute,
  type Manifest,
  onlyRoute,
  service,
  upstreamOf,
} from './fixture.ts'

const PATH = ['spec', 'rules', 0, 'backendRefs', 0]
export const route = httpRoute('web', {})
export const ref: BackendObject = { group: '', kind: 'Service', name: 'web', port: 80 }
export const web = service('web', { ports: [{ name: 'http', port: 80, targetPort: 8080 }] })
export const webPort = { ports: [{ name: 'http', port: 8080 }] }

export function resolve(
  manifests: readonly Manifest[],
  backend: Partial<BackendObject> = {},
  use: BackendUse = 'tcp',
  options: Partial<TranslateOptions> = {},
) {
  const context = contextOf([route, ...manifests], options)
  const resolved = resolveBackendRef(context, onlyRoute(context), { ...ref, ...backend }, PATH, use)
  return {
    ...resolved,
    findings: findings(context),
    help: context.diagnostics.all.map(({ help }) => help).join(''),
    upstream: () => upstreamOf(context, resolved.target),
    endpoints: () => upstreamOf(context, resolved.target).endpoints.map(endpointText),
  }
}
