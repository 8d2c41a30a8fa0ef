/**
 * ListenerSets of our Gateways (digest section 8, GEP-1713): which are allowed to add listeners, in
 * the order of their precedence. What they are told names nothing of the Gateway or other sets.
 */
import type { Gateway } from '../api/gateway.ts'
import type { ListenerSet } from '../api/listener-set.ts'
import { compareAge, type Resource } from '../api/resource.ts'
import type { TranslateContext } from './context.ts'
import type { OwnGateway } from './gateways.ts'
import { admitsNamespace, selectorProblem } from './namespaces.ts'
import type { Problem } from './problem.ts'
import { GATEWAY_GROUP } from './protocols.ts'

export interface OwnListenerSet {
  readonly resource: Resource<ListenerSet>
  readonly gateway: OwnGateway
  /** The Gateway does not take it: its listeners exist for nobody. */
  readonly notAllowed?: Problem<'NotAllowed'>
}

/** Oldest first. Sets of others and of Gateways that do not exist are left out. */
export function ownListenerSets(
  context: TranslateContext,
  gateways: readonly OwnGateway[],
): readonly OwnListenerSet[] {
  for (const { resource } of gateways) reportSelector(context, resource)
  const byName = new Map(gateways.map((gateway) => [nameOf(gateway.resource), gateway]))
  return context.resources.listenerSets.toSorted(compareAge).flatMap((resource) => {
    const gateway = byName.get(parentOf(resource) ?? '')
    if (gateway !== undefined) return [judgeSet(context, resource, gateway)]
    reportOrphan(context, resource)
    return []
  })
}

function judgeSet(
  context: TranslateContext,
  resource: Resource<ListenerSet>,
  gateway: OwnGateway,
): OwnListenerSet {
  if (admits(context, gateway.resource, resource.key.namespace)) return { resource, gateway }
  const message = `The Gateway's spec.allowedListeners does not admit ListenerSets of namespace ${resource.key.namespace}.`
  context.diagnostics.report(resource, {
    severity: 'error',
    code: 'attachment',
    path: ['spec', 'parentRef'],
    message,
    help: 'Set allowedListeners.namespaces.from of the Gateway to Same, All or Selector; it is None when absent.',
  })
  return { resource, gateway, notAllowed: { reason: 'NotAllowed', message } }
}

function admits(
  context: TranslateContext,
  { key, object }: Resource<Gateway>,
  namespace: string,
): boolean {
  const { from = 'None', ...rest } = object.spec.allowedListeners?.namespaces ?? {}
  return from !== 'None' && admitsNamespace(context, { from, ...rest }, key.namespace, namespace)
}

/** `namespace/name`; undefined: no Gateway. */
function parentOf({ key, object }: Resource<ListenerSet>): string | undefined {
  const { group, kind, namespace = key.namespace, name } = object.spec.parentRef
  return group === GATEWAY_GROUP && kind === 'Gateway' ? `${namespace}/${name}` : undefined
}

function nameOf({ key }: Resource<unknown>): string {
  return `${key.namespace}/${key.name}`
}

function reportSelector(context: TranslateContext, resource: Resource<Gateway>): void {
  const { from = 'None', ...rest } = resource.object.spec.allowedListeners?.namespaces ?? {}
  const problem = from === 'None' ? undefined : selectorProblem({ from, ...rest })
  if (problem === undefined) return
  context.diagnostics.report(resource, {
    severity: 'error',
    code: 'unsupported',
    path: ['spec', 'allowedListeners', 'namespaces'],
    message: `No namespace is admitted: ${problem}.`,
  })
}

/** One of a Gateway that is somebody else's is not ours to complain about. */
function reportOrphan(context: TranslateContext, resource: Resource<ListenerSet>): void {
  const parent = parentOf(resource)
  if (context.resources.gateways.some((gateway) => nameOf(gateway) === parent)) return
  context.diagnostics.report(resource, {
    severity: 'warning',
    code: 'attachment',
    path: ['spec', 'parentRef'],
    message:
      parent === undefined
        ? 'The parent is no Gateway, so the listeners are served nowhere.'
        : `Gateway ${parent} does not exist, so the listeners are served nowhere.`,
  })
}
