/**
 * Whether and when an exchange is tried again (GEP-1731; digest section 4.3). What the upstream may
 * have carried out is sent again only if the method bears it (RFC 9110 section 9.2.2) or the rule's
 * codes name the status that the loss would be answered with.
 */
import type { HttpRetry } from '../../model/http.ts'
import { outcomeRow, type Reason } from '../../model/outcome.ts'

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** The request may have reached the upstream, and no answer began. */
const LOST: ReadonlySet<Reason> = new Set(['upstream-reset', 'upstream-closed', 'backend-timeout'])

/** Pauses double up to this multiple of the first. */
const MAX_GROWTH = 16

export class Retries {
  readonly #rule: HttpRetry
  readonly #method: string
  #made = 0

  constructor(rule: HttpRetry, method: string) {
    this.#rule = rule
    this.#method = method
  }

  /** The pause before another try, in milliseconds; undefined: this answer is the last one. */
  afterStatus(status: number): number | undefined {
    return this.#rule.codes.includes(status) ? this.#next() : undefined
  }

  /** As afterStatus, for a try that brought no answer. */
  afterFailure(reason: Reason): number | undefined {
    const { retryable, httpStatus } = outcomeRow(reason)
    const { codes } = this.#rule
    const bears = IDEMPOTENT.has(this.#method) || codes.includes(httpStatus)
    return retryable || (LOST.has(reason) && bears) ? this.#next() : undefined
  }

  #next(): number | undefined {
    const { attempts, backoffMs } = this.#rule
    if (this.#made >= attempts) return undefined
    this.#made += 1
    return backoffMs * Math.min(2 ** (this.#made - 1), MAX_GROWTH)
  }
}
