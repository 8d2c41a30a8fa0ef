/**
 * What is wrong with the rules of one route, on its way to conditions. Every finding is a diagnostic
 * at its place; what a route's status says is derived here (digest sections 4.2 and 9.2).
 */
import type { Resource } from '../../api/resource.ts'
import { type DocumentPath, formatPath } from '../../model/diagnostic.ts'
import type { TranslateContext } from '../context.ts'
import type { Problem, RouteRefReason } from '../problem.ts'
import type { RouteVerdict } from './lowered-route.ts'

export class RuleProblems {
  readonly #context: TranslateContext
  readonly #route: Resource<unknown>
  /** First fault of each rule that is not served, by position of the rule. */
  readonly #dropped = new Map<number, string>()
  #unresolved: Problem<RouteRefReason> | undefined

  constructor(context: TranslateContext, route: Resource<unknown>) {
    this.#context = context
    this.#route = route
  }

  /** A value that is not served: the whole rule is dropped, since half a rule is another rule. */
  drop(rule: number, path: DocumentPath, message: string): void {
    this.#context.diagnostics.report(this.#route, {
      severity: 'error',
      code: 'unsupported',
      path,
      message,
    })
    if (!this.#dropped.has(rule)) this.#dropped.set(rule, `${formatPath(path)}: ${message}`)
  }

  /** A reference that does not resolve and was not reported yet. */
  unresolved(reason: RouteRefReason, path: DocumentPath, message: string): void {
    this.#context.diagnostics.report(this.#route, {
      severity: 'error',
      code: 'reference',
      path,
      message,
    })
    this.addUnresolved({ reason, message })
  }

  /** A reference that does not resolve. The first one in document order speaks for the route. */
  addUnresolved(problem: Problem<RouteRefReason> | undefined): void {
    this.#unresolved ??= problem
  }

  isDropped(rule: number): boolean {
    return this.#dropped.has(rule)
  }

  /** `rules`: how many the route has. */
  verdict(rules: number): RouteVerdict {
    return {
      ...(this.#unresolved === undefined ? {} : { resolvedRefs: this.#unresolved }),
      ...this.#acceptance(rules),
    }
  }

  #acceptance(rules: number): RouteVerdict {
    if (this.#dropped.size === 0) return {}
    const faults = [...this.#dropped.values()].join(' ')
    return this.#dropped.size === rules
      ? { accepted: { reason: 'UnsupportedValue', message: `No rule can be served. ${faults}` } }
      : {
          partiallyInvalid: {
            reason: 'UnsupportedValue',
            message: `Dropped Rule: ${faults} What it matches gets 500.`,
          },
        }
  }
}
