/**
 * TLSRoute, TCPRoute and UDPRoute: one rule whose backends get the bytes (digest section 7). The
 * upstream depends on what is sent to it, so a route has one forward per use.
 */
import type { L4Rule } from '../../api/l4-rules.ts'
import type { Resource } from '../../api/resource.ts'
import type { RouteRef } from '../../model/identity.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
import type { RouteObject } from '../attachment.ts'
import { type BackendUse, resolveBackendRefs } from '../backends.ts'
import type { TranslateContext } from '../context.ts'
import type { Problem, RouteRefReason } from '../problem.ts'
import type { RouteVerdict } from './lowered-route.ts'

/** Without the action's kind, which the listener decides. */
export interface Forward {
  readonly route: RouteRef
  readonly name?: string
  readonly id: string
  readonly backends: readonly WeightedUpstream[]
}

export interface LoweredL4Route extends RouteVerdict {
  readonly forwards: ReadonlyMap<BackendUse, Forward>
}

export interface L4RouteObject {
  readonly spec: RouteObject['spec'] & { readonly rules: readonly L4Rule[] }
}

/** `uses`: what the listeners that it attached to will send; the first one judges the references. */
export function lowerL4Route(
  context: TranslateContext,
  route: Resource<L4RouteObject>,
  uses: ReadonlySet<BackendUse>,
): LoweredL4Route {
  const forwards = new Map<BackendUse, Forward>()
  let resolvedRefs: Problem<RouteRefReason> | undefined
  for (const use of uses) {
    const { forward, problem } = lowerRule(context, route, use)
    forwards.set(use, forward)
    resolvedRefs ??= problem
  }
  const partiallyInvalid = surplusRules(context, route)
  return {
    forwards,
    ...(resolvedRefs === undefined ? {} : { resolvedRefs }),
    ...(partiallyInvalid === undefined ? {} : { partiallyInvalid }),
  }
}

function lowerRule(
  context: TranslateContext,
  route: Resource<L4RouteObject>,
  use: BackendUse,
): { readonly forward: Forward; readonly problem: Problem<RouteRefReason> | undefined } {
  const { kind, namespace, name } = route.key
  const [rule] = route.object.spec.rules
  const refs = rule?.backendRefs ?? []
  const path = ['spec', 'rules', 0, 'backendRefs']
  const { backends, problem } = resolveBackendRefs(context, route, refs, path, use)
  const forward = {
    route: { kind, namespace, name },
    ...(rule?.name === undefined ? {} : { name: rule.name }),
    id: `${kind}/${namespace}/${name}/0`,
    backends,
  }
  return { forward, problem }
}

/** v1 has exactly one rule; of an older version's several nothing tells which one applies. */
function surplusRules(
  context: TranslateContext,
  route: Resource<L4RouteObject>,
): Problem<'UnsupportedValue'> | undefined {
  if (route.object.spec.rules.length <= 1) return undefined
  const message = `Dropped Rule: ${route.key.kind} has one rule, the first; rules[1] and later are not served.`
  const path = ['spec', 'rules', 1]
  context.diagnostics.report(route, { severity: 'error', code: 'unsupported', path, message })
  return { reason: 'UnsupportedValue', message }
}
