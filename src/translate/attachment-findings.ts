/**
 * Diagnostics about attachment: a route that serves nothing is the commonest surprise of the
 * Gateway API, and without a status entry (parents of others) nothing else would tell.
 */
import type { ParentRef } from '../api/parent-ref.ts'
import type { Route } from './attachment.ts'
import type { TranslateContext } from './context.ts'
import { GATEWAY_GROUP, ROUTE_KIND_SUPPORTED } from './protocols.ts'
import type { RouteOutcome } from './routes/collect.ts'

export function reportAttachment(context: TranslateContext, outcome: RouteOutcome): void {
  const { kind, route, parents } = outcome
  // Of a kind that is not carried yet, routes/unsupported.ts tells more.
  if (!ROUTE_KIND_SUPPORTED[kind] && parents.length > 0) return
  for (const { index, problem } of parents) {
    if (problem !== undefined) warn(context, route, ['spec', 'parentRefs', index], problem.message)
  }
  const { parentRefs: refs = [], useDefaultGateways } = route.object.spec
  if (useDefaultGateways === 'All') {
    const message = 'Default Gateways are not supported: name the Gateway in spec.parentRefs.'
    warn(context, route, ['spec', 'useDefaultGateways'], message)
  } else if (refs.length === 0) {
    warn(context, route, ['spec'], 'The route names no parent, so it is attached nowhere.')
  }
  const own = new Set(parents.map(({ index }) => index))
  for (const [index, ref] of refs.entries()) {
    const missing = own.has(index) ? undefined : missingParent(context, route, ref)
    if (missing !== undefined) warn(context, route, ['spec', 'parentRefs', index], missing)
  }
}

/** undefined: the parent exists and is somebody else's, or of a kind that we do not know. */
function missingParent(
  context: TranslateContext,
  route: Route,
  ref: ParentRef,
): string | undefined {
  const { group, kind, namespace = route.key.namespace, name } = ref
  if (group !== GATEWAY_GROUP || (kind !== 'Gateway' && kind !== 'ListenerSet')) return undefined
  if (context.resources.find({ group, kind, namespace, name }) !== undefined) return undefined
  return `${kind} ${namespace}/${name} does not exist, so the route is not attached to it.`
}

function warn(
  context: TranslateContext,
  route: Route,
  path: readonly (string | number)[],
  message: string,
): void {
  context.diagnostics.report(route, { severity: 'warning', code: 'attachment', path, message })
}
