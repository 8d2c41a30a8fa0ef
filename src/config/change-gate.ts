/**
 * From "something may have changed" to "apply this now". Events only mark; after 25 ms of quiet the
 * gate looks, and applies as soon as the change has looked the same for as long as it must
 * (changes.ts), at the latest 2 s after the first mark. All times are monotonic.
 */
import type { Clock } from '../base/clock.ts'

const SETTLE_MS = 25
const RECHECK_MS = 100
const MAX_MS = 2000

export interface Look {
  /** Equal to the applied one: nothing has changed. */
  readonly fingerprint: string
  readonly isApplied: boolean
  /** How long it must look like this before it may be applied. */
  readonly holdMs: number
}

export interface GatePorts {
  readonly look: () => Look
  readonly apply: () => void
  readonly clock: Clock
}

export class ChangeGate {
  readonly #ports: GatePorts
  #timer: NodeJS.Timeout | undefined
  /** Monotonic time of the first mark since the last apply. */
  #markedAt: number | undefined
  /** What the last look saw, and since when. */
  #candidate: { readonly fingerprint: string; readonly since: number } | undefined
  #isForced = false
  #isStopped = false

  constructor(ports: GatePorts) {
    this.#ports = ports
  }

  /** Something may have changed. */
  mark(): void {
    if (this.#isStopped) return
    const now = this.#ports.clock.monotonic()
    this.#markedAt ??= now
    // While a candidate is held, its next look is due soon anyway.
    if (this.#candidate !== undefined) return
    this.#schedule(Math.max(0, Math.min(SETTLE_MS, this.#markedAt + MAX_MS - now)))
  }

  /** Apply even if nothing has changed, without waiting for quiet; half-written files still wait. */
  force(): void {
    if (this.#isStopped) return
    this.#markedAt ??= this.#ports.clock.monotonic()
    this.#isForced = true
    this.#schedule(0)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #check(): void {
    const look = this.#ports.look()
    const now = this.#ports.clock.monotonic()
    if (look.isApplied) {
      if (this.#isForced) this.#apply()
      else this.#reset()
      return
    }
    if (this.#candidate?.fingerprint !== look.fingerprint) {
      this.#candidate = { fingerprint: look.fingerprint, since: now }
    }
    const heldMs = now - this.#candidate.since
    const totalMs = now - (this.#markedAt ?? now)
    if (heldMs >= look.holdMs || totalMs >= MAX_MS) this.#apply()
    else this.#schedule(Math.min(RECHECK_MS, look.holdMs - heldMs, MAX_MS - totalMs))
  }

  #apply(): void {
    this.#reset()
    this.#ports.apply()
  }

  #reset(): void {
    this.#markedAt = undefined
    this.#candidate = undefined
    this.#isForced = false
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#check(), Math.ceil(delayMs))
  }
}
