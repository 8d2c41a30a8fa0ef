/**
 * Diagnostics about attachment: a route that serves nothing is the commonest surprise of the
 * Gateway API, and without a status entry (parents of others) nothing else would tell.
 */
import type { Gateway } from '../api/gateway.ts'
import type { ParentRef } from '../api/parent-ref.ts'
import type { Resource } from '../api/resource.ts'
import { displayKey } from '../model/resource-key.ts'
import { isMissingParent, isParentKind, type Route } from './attachment.ts'
import type { TranslateContext } from './context.ts'
import { neverMatches } from './futile-hostnames.ts'
import { groupedBy } from './grouped.ts'
import { ROUTE_KIND_SUPPORTED } from './protocols.ts'
import type { RouteOutcome } from './routes/collect.ts'

export function reportAttachment(context: TranslateContext, outcome: RouteOutcome): void {
  const { kind, route, parents } = outcome
  // Of a kind that is not carried yet, routes/unsupported.ts tells more.
  if (!ROUTE_KIND_SUPPORTED[kind] && parents.length > 0) return
  for (const { index, problem } of parents) {
    if (problem !== undefined) warn(context, route, ['spec', 'parentRefs', index], problem.message)
  }
  const { hostnames = [], parentRefs: refs = [], useDefaultGateways } = route.object.spec
  for (const [index, hostname] of hostnames.entries()) {
    const futile = neverMatches(hostname)
    if (futile !== undefined) warn(context, route, ['spec', 'hostnames', index], futile)
  }
  if (useDefaultGateways === 'All') {
    const message = 'Default Gateways are not supported: name the Gateway in spec.parentRefs.'
    const finding = { severity: 'warning', code: 'unsupported', message } as const
    context.diagnostics.report(route, { ...finding, path: ['spec', 'useDefaultGateways'] })
  } else if (refs.length === 0) {
    warn(context, route, ['spec'], 'The route names no parent, so it is attached nowhere.')
  }
  const own = new Set(parents.map(({ index }) => index))
  for (const [index, ref] of refs.entries()) {
    if (own.has(index) || !isMissingParent(context, route, ref)) continue
    const { kind: parent, namespace = route.key.namespace, name } = ref
    const message = `${parent} ${namespace}/${name} does not exist, so the route is not attached to it.`
    warn(context, route, ['spec', 'parentRefs', index], message, namesake(context, ref))
  }
}

/** Also of a route that is wholly of others: a slip in group or kind makes it look like one. */
export function reportOtherParents(context: TranslateContext, route: Route): void {
  for (const [index, ref] of (route.object.spec.parentRefs ?? []).entries()) {
    if (isParentKind(ref)) continue
    const message = `A ${ref.kind} of group "${ref.group}" is no parent that gwproxy serves: routes attach to Gateways and ListenerSets.`
    const finding = { severity: 'note', code: 'attachment', message } as const
    context.diagnostics.report(route, { ...finding, path: ['spec', 'parentRefs', index] })
  }
}

const gatewaysNamed = groupedBy(({ key }: Resource<Gateway>) => [key.name])

/** The commonest slip: a parent in another namespace, which the reference must name. */
function namesake({ resources }: TranslateContext, ref: ParentRef): string | undefined {
  const [other] = ref.kind === 'Gateway' ? gatewaysNamed(resources.gateways, ref.name) : []
  return (
    other &&
    `${displayKey(other.key)} exists: give the parentRef namespace: ${other.key.namespace}.`
  )
}

function warn(
  context: TranslateContext,
  route: Route,
  path: readonly (string | number)[],
  message: string,
  help?: string,
): void {
  context.diagnostics.report(route, {
    severity: 'warning',
    code: 'attachment',
    path,
    message,
    ...(help === undefined ? {} : { help }),
  })
}
