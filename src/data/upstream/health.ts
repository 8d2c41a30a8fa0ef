/**
 * Passive health of one endpoint: what the traffic itself tells. A failed connect puts it behind
 * the others for a second; five failures in a row eject it for 10 s, doubling up to 5 min while no
 * attempt succeeds. Any success ends all of it. How many may be avoided at once is the upstream's
 * rule (live-upstream.ts).
 */
import type { Clock } from '../../base/clock.ts'
import type { FailureKind } from './contract.ts'

export const FAILURES_TO_EJECT = 5
export const EJECTION_MS = 10_000
export const MAX_EJECTION_MS = 300_000
export const AFTER_CONNECT_FAILURE_MS = 1_000

export class PassiveHealth {
  readonly #clock: Clock
  #failures = 0
  #ejections = 0
  #ejectedUntil = 0
  #avoidedUntil = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Monotonic milliseconds until which others are preferred; in the past: healthy. */
  get avoidedUntil(): number {
    return this.#avoidedUntil
  }

  /** 0: not ejected. */
  ejectedForMs(): number {
    return Math.max(0, this.#ejectedUntil - this.#clock.monotonic())
  }

  /** Its ejection is over, and no attempt has succeeded since. */
  get isOnTrial(): boolean {
    return this.#ejections > 0 && this.ejectedForMs() === 0
  }

  /** True when the endpoint was avoided or ejected until now. */
  succeeded(): boolean {
    const changed = this.#avoidedUntil > 0
    this.#failures = 0
    this.#ejections = 0
    this.#ejectedUntil = 0
    this.#avoidedUntil = 0
    return changed
  }

  /** True when the endpoint is to be avoided for longer than before. */
  failed(kind: FailureKind): boolean {
    const now = this.#clock.monotonic()
    // Attempts that were under way when it was ejected say nothing new.
    if (now < this.#ejectedUntil) return false
    this.#failures += 1
    const before = this.#avoidedUntil
    if (this.#failures >= FAILURES_TO_EJECT) {
      const durationMs = Math.min(EJECTION_MS * 2 ** this.#ejections, MAX_EJECTION_MS)
      this.#ejections = Math.min(this.#ejections + 1, 16)
      this.#ejectedUntil = now + durationMs
      this.#avoidedUntil = this.#ejectedUntil
    } else if (kind === 'connect' && now >= before) {
      // Not extended by failures within the second: each change costs every upstream a new list.
      this.#avoidedUntil = now + AFTER_CONNECT_FAILURE_MS
    }
    return this.#avoidedUntil !== before
  }
}
