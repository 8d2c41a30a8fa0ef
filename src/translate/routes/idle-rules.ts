/**
 * Rules whose backends all have weight 0: sound, and what they match is refused (digest section 3.3).
 * Somebody who moves weights between backends may end there without meaning to.
 */
import type { Route } from '../attachment.ts'
import type { TranslateContext } from '../context.ts'

export function reportIdleRules(context: TranslateContext, route: Route): void {
  for (const [index, { backendRefs = [] }] of (route.object.spec.rules ?? []).entries()) {
    if (backendRefs.length === 0 || backendRefs.some(({ weight }) => weight > 0)) continue
    context.diagnostics.report(route, {
      severity: 'warning',
      code: 'reference',
      path: ['spec', 'rules', index, 'backendRefs'],
      message:
        'All backends have weight 0, so none gets anything: requests get 500, connections are closed.',
    })
  }
}
