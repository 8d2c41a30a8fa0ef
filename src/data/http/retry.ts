/**
 * Whether and when an exchange is tried again (GEP-1731; digest section 4.3). What the upstream may
 * have carried out is sent again only if the method bears it (RFC 9110 section 9.2.2) or the rule's
 * codes ask for it by the code of such a loss.
 */
import type { HttpRetry } from '../../model/http.ts'
import { outcomeRow, type Reason } from '../../model/outcome.ts'

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/**
 * The request may have reached the upstream, and no answer began. The code asks for another try with
 * any method; 503 does not, which upstreams answer when they have surely done nothing.
 */
const CODE_OF_LOSS: ReadonlyMap<Reason, number> = new Map([
  ['upstream-reset', 502],
  ['upstream-closed', 502],
  ['backend-timeout', 504],
])

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
    if (outcomeRow(reason).retryable) return this.#next()
    const code = CODE_OF_LOSS.get(reason)
    if (code === undefined) return undefined
    const bears = IDEMPOTENT.has(this.#method) || this.#rule.codes.includes(code)
    return bears ? this.#next() : undefined
  }

  #next(): number | undefined {
    const { attempts, backoffMs } = this.#rule
    if (this.#made >= attempts) return undefined
    this.#made += 1
    return backoffMs * Math.min(2 ** (this.#made - 1), MAX_GROWTH)
  }
}
