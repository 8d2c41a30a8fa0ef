/**
 * Parts of rules that do nothing. Rules without backends, or whose backends all have weight 0, are
 * sound, and what they match is refused (digest section 3.3): somebody who moves weights between
 * backends may end there without meaning to. A redirect answers at once: what is said of forwarding
 * beside it is never used.
 */
import type { Route } from '../attachment.ts'
import type { TranslateContext } from '../context.ts'

const OF_FORWARDING = ['timeouts', 'retry', 'sessionPersistence'] as const

export function reportIdleRules(context: TranslateContext, route: Route): void {
  const rules: readonly Rule[] = route.object.spec.rules ?? []
  for (const [index, rule] of rules.entries()) {
    const redirects = rule.filters?.some(({ requestRedirect }) => requestRedirect !== undefined)
    for (const field of OF_FORWARDING) {
      if (redirects !== true || rule[field] === undefined) continue
      context.diagnostics.report(route, {
        severity: 'warning',
        code: 'unsupported',
        path: ['spec', 'rules', index, field],
        message: `${field} has no effect: the rule answers with a redirect.`,
      })
    }
  }
  for (const [index, { backendRefs = [], filters = [] }] of rules.entries()) {
    if (backendRefs.some(({ weight }) => weight > 0) || filters.some(answers)) continue
    const why =
      backendRefs.length === 0
        ? 'The rule has no backends'
        : 'All backends have weight 0, so none gets anything'
    context.diagnostics.report(route, {
      severity: 'warning',
      code: 'reference',
      path: ['spec', 'rules', index, 'backendRefs'],
      message: `${why}: requests get 500, connections are closed.`,
    })
  }
}

interface Rule {
  readonly backendRefs?: readonly { readonly weight: number }[]
  readonly filters?: readonly Filter[]
  readonly timeouts?: object
  readonly retry?: object
  readonly sessionPersistence?: object
}

interface Filter {
  readonly requestRedirect?: object
  readonly extensionRef?: object
}

/** A redirect is an answer; a filter that nobody knows is told of itself. */
function answers({ requestRedirect, extensionRef }: Filter): boolean {
  return requestRedirect !== undefined || extensionRef !== undefined
}
