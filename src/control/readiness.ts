/**
 * What `/readyz` says. Ready from the first configuration that every live worker answered;
 * degraded while something that was asked for is not served; not ready while draining.
 */
import type { ReadyReport } from './admin/contract.ts'
import type { Settlement } from './publisher.ts'

export interface ReadinessFacts {
  readonly draining: boolean
  /** The newest answer of all workers, however old its generation. */
  readonly settlement: Settlement | undefined
  /** Why the configuration cannot be followed at all. */
  readonly configFailure: string | undefined
  readonly workersUp: number
  readonly workerProblems: readonly string[]
}

export function readinessOf(facts: ReadinessFacts): ReadyReport {
  if (facts.draining) return { state: 'draining', reasons: ['it was asked to stop'] }
  const failures = facts.configFailure === undefined ? [] : [facts.configFailure]
  if (facts.settlement === undefined) {
    const reasons = [...failures, ...facts.workerProblems]
    return {
      state: 'starting',
      reasons: reasons.length > 0 ? reasons : ['no configuration serves yet'],
    }
  }
  if (facts.workersUp === 0) return { state: 'starting', reasons: facts.workerProblems }
  const reasons = [
    ...failures,
    ...facts.workerProblems,
    ...facts.settlement.refusals.map(
      (message) => `a worker keeps an older configuration: ${message}`,
    ),
    ...facts.settlement.results.flatMap(({ bind, error }) =>
      error === undefined ? [] : [`${bind}: ${error.message}`],
    ),
  ]
  return { state: reasons.length > 0 ? 'degraded' : 'ready', reasons }
}

/** 200 lets traffic come: a degraded proxy serves what it can. */
export function readyStatus({ state }: ReadyReport): 200 | 503 {
  return state === 'ready' || state === 'degraded' ? 200 : 503
}
