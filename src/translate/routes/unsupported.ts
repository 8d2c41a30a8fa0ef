/**
 * Routes of kinds that are admitted but not carried yet: their references are judged as ever
 * (ResolvedRefs is always evaluated), and `check` says that they serve nothing.
 */
import type { Resource } from '../../api/resource.ts'
import type { ParentResult } from '../attachment.ts'
import { type BackendObject, type BackendUse, resolveBackendRef } from '../backends.ts'
import type { TranslateContext } from '../context.ts'
import type { RouteVerdict } from './lowered-route.ts'

interface RouteWithBackends {
  readonly spec: {
    readonly rules?: readonly { readonly backendRefs?: readonly BackendObject[] }[]
  }
}

export function judgeUnsupported(
  context: TranslateContext,
  route: Resource<RouteWithBackends>,
  use: BackendUse,
  parents: readonly ParentResult[],
): RouteVerdict {
  // Attached nowhere: that is said already, and whose it is nobody knows.
  if (parents.length === 0) return {}
  context.diagnostics.report(route, {
    severity: 'error',
    code: 'unsupported',
    path: ['kind'],
    message: `Routes of kind ${route.key.kind} are not supported yet: this one serves nothing.`,
  })
  for (const [index, rule] of (route.object.spec.rules ?? []).entries()) {
    for (const [position, ref] of (rule.backendRefs ?? []).entries()) {
      const path = ['spec', 'rules', index, 'backendRefs', position]
      const { problem } = resolveBackendRef(context, route, ref, path, use)
      if (problem !== undefined) return { resolvedRefs: problem }
    }
  }
  return {}
}
